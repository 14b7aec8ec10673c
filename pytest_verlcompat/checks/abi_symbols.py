"""Would these extensions load beside that torch? Symbols against the exports of a release.

A prediction from files alone, the same on every machine: names that the driver, Python or
the C library have to give are told apart and not judged here. What it proves is that the
dynamic loader would find every name of torch; not that the code behind it fits, except for
the changes of layout that :mod:`~pytest_verlcompat.checks.abi_breaks` knows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from pytest_verlcompat.checks.abi_breaks import SilentBreak, find_silent_break
from pytest_verlcompat.checks.abi_distributions import is_for_another_torch, labelled_torch
from pytest_verlcompat.checks.abi_findings import orphan_finding, silent_finding
from pytest_verlcompat.errors import UsageError
from pytest_verlcompat.model.cause import Cause
from pytest_verlcompat.model.finding import Finding, Weight
from pytest_verlcompat.model.outcome import Rung
from pytest_verlcompat.wheels.symbols import Binding, ExtensionNeeds, demangle, find_orphans

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_verlcompat.wheels.exports import TorchExports, TorchRelease
    from pytest_verlcompat.wheels.needs import WheelNeeds

TITLE = "Extensions find every symbol that they need in torch"
RUNG = Rung.LOADS
OTHER_CUDA = "other-cuda-major"
_SHOWN = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtensionVerdict:
    """One extension beside one torch release."""

    extension: ExtensionNeeds
    missing: tuple[str, ...]
    """Mangled names that this torch does not export to it, in name order."""
    other_cuda: int | None
    """CUDA major it was built for, where torch brings another one; None where they agree."""
    silent_break: SilentBreak | None = None
    """Change of layout between the torch it was built for and this one."""
    is_certain: bool = True
    """False where it may have been built on either side of that change."""

    @property
    def loads(self) -> bool:
        """True when nothing is missing, and nothing is known to crash it."""
        crashes = self.silent_break is not None and self.is_certain
        return not self.missing and self.other_cuda is None and not crashes


def judge_extension(
    extension: ExtensionNeeds,
    *,
    exports: TorchExports,
    release: TorchRelease,
    built_for: Sequence[str] = (),
) -> ExtensionVerdict:
    """Return what *extension*, built for one of *built_for*, would miss beside *release*."""
    wanted = extension.cuda
    differs = bool(wanted) and release.cuda not in wanted and extension.binding is not Binding.NONE
    silent = find_silent_break(extension.torch, built_for=built_for, torch=release.version)
    return ExtensionVerdict(
        extension=extension,
        silent_break=silent[0] if silent else None,
        is_certain=silent[1] if silent else True,
        missing=exports.missing(extension.torch, needed=extension.needed, release=release),
        other_cuda=wanted[0] if differs else None,
    )


def find_abi_range(
    extensions: Iterable[ExtensionNeeds], *, exports: TorchExports
) -> tuple[str, ...]:
    """Return the torch releases that export every symbol of all *extensions*, oldest first.

    Of several builds of one extension, each release is asked for the one that it would load.
    """
    judged = list(extensions)
    return tuple(
        release.version
        for release in exports.releases
        if not any(
            exports.missing(each.torch, needed=each.needed, release=release)
            for each in judged
            if not is_for_another_torch(each.name, release.version)
        )
    )


def find_built_for(wheel: WheelNeeds, *, exports: TorchExports) -> tuple[str, ...]:
    """Return the releases *wheel* may have been built against.

    By symbols, then by the torch that its file name is labelled with, then by its pin.
    """
    fits = find_abi_range((e for e in wheel.extensions if e.torch), exports=exports)
    label = labelled_torch(wheel.label)
    if label is not None:
        labelled = tuple(version for version in fits if version.startswith(f"{label}."))
        return labelled or fits
    try:
        pinned = [version for version in fits if version in SpecifierSet(wheel.torch_pin or "")]
    except InvalidSpecifier:
        return fits
    return tuple(pinned) or fits


def find_crashes(wheel: WheelNeeds, *, exports: TorchExports) -> tuple[str, ...]:
    """Return the releases that export every symbol of *wheel*, and yet crash it."""
    bound = [each for each in wheel.extensions if each.torch]
    built_for = find_built_for(wheel, exports=exports)
    found: list[str] = []
    for version in find_abi_range(bound, exports=exports):
        silent = [find_silent_break(e.torch, built_for=built_for, torch=version) for e in bound]
        if any(each is not None and each[1] for each in silent):
            found.append(version)
    return tuple(found)


def check(
    wheel: WheelNeeds, *, exports: TorchExports, torch: str, consumer: str
) -> Iterator[Finding]:
    """Yield why extensions of *wheel* would not load beside *torch*, one finding an extension.

    Args:
        wheel: What the extensions need.
        exports: What each torch release exports.
        torch: Version of torch; a local label such as ``+cu128`` tells its CUDA.
        consumer: Name and version of the distribution the extensions belong to.

    Raises:
        UsageError: If that release of torch was not indexed.
    """
    release = exports.release(torch)
    built_for = find_built_for(wheel, exports=exports)
    provider = f"torch {torch}"
    for problem in wheel.problems:
        yield Finding(
            code="unreadable-extension",
            weight=Weight.UNKNOWN,
            consumer=consumer,
            provider=provider,
            cause=Cause(kind="unreadable-extension", first_line=problem),
        )
    for extension in wheel.extensions:
        if is_for_another_torch(extension.name, torch):
            continue
        if extension.machine != exports.machine and extension.torch:
            yield _other_machine(
                extension, known=exports.machine, consumer=consumer, provider=provider
            )
            continue
        verdict = judge_extension(extension, exports=exports, release=release, built_for=built_for)
        if verdict.missing:
            yield undefined_finding(verdict, exports=exports, consumer=consumer, provider=provider)
        elif verdict.other_cuda is not None:
            yield _other_cuda(verdict, release=release, consumer=consumer, provider=provider)
        elif orphans := _orphans_of(extension):
            yield orphan_finding(extension.name, orphans, consumer=consumer)
        elif verdict.silent_break is not None:
            yield silent_finding(
                verdict.silent_break,
                extension.name,
                is_certain=verdict.is_certain,
                built_for=render_versions(built_for, exports.versions),
                consumer=consumer,
                provider=provider,
            )


def _orphans_of(extension: ExtensionNeeds) -> tuple[str, ...]:
    """Return what nobody gives to *extension*; of what binds to nothing of torch, nothing."""
    return find_orphans(extension.other, needed=extension.needed) if extension.torch else ()


def undefined_finding(
    verdict: ExtensionVerdict, *, exports: TorchExports, consumer: str, provider: str
) -> Finding:
    """Return the finding that the missing names of *verdict* make."""
    extension = verdict.extension
    holds = _run_of_failure(extension, exports=exports, torch=provider.removeprefix("torch "))
    return Finding(
        code="undefined-symbol",
        weight=Weight.BROKEN,
        consumer=consumer,
        provider=provider,
        cause=Cause(
            kind="ImportError",
            first_line=f"{extension.name}: undefined symbol: {verdict.missing[0]}",
            detail="\n".join(
                [
                    explain_missing(verdict, exports=exports),
                    *_say_without_cuda(verdict, exports=exports, provider=provider),
                ]
            ),
        ),
        since=holds[0],
        until=holds[1],
    )


def _say_without_cuda(
    verdict: ExtensionVerdict, *, exports: TorchExports, provider: str
) -> Iterator[str]:
    """Yield a line if the torch that was read has no CUDA, and the extension wants it."""
    version = provider.removeprefix("torch ").partition("+")[0]
    known = {release.version: release for release in exports.releases}
    if verdict.extension.cuda and version in known and known[version].cuda is None:
        yield (
            f"{known[version].wheel}, which is what is known of that release, has no CUDA; "
            "a build with CUDA from another index is not known here"
        )


def _other_cuda(
    verdict: ExtensionVerdict, *, release: TorchRelease, consumer: str, provider: str
) -> Finding:
    extension = verdict.extension
    wanted = f"libcudart.so.{verdict.other_cuda}"
    library = next((n for n in extension.needed if n.endswith(f".so.{verdict.other_cuda}")), wanted)
    brings = "no CUDA" if release.cuda is None else f"CUDA {release.cuda}"
    return Finding(
        code=OTHER_CUDA,
        weight=Weight.SUSPECT,  # the machine may have that CUDA installed
        consumer=consumer,
        provider=provider,
        cause=Cause(
            kind="ImportError",
            first_line=f"{extension.name}: {library}: cannot open shared object file: "
            "No such file or directory",
            detail=(
                f"built for CUDA {verdict.other_cuda}; this build of {provider} brings {brings}. "
                f"It loads if the libraries of CUDA {verdict.other_cuda} are installed where the "
                "loader looks; take the build of torch, or of the extension, for the other CUDA."
            ),
        ),
    )


def _other_machine(
    extension: ExtensionNeeds, *, known: str, consumer: str, provider: str
) -> Finding:
    line = f"{extension.name} is for {extension.machine}; what is known of torch is for {known}"
    return Finding(
        code="unknown-machine",
        weight=Weight.UNKNOWN,
        consumer=consumer,
        provider=provider,
        cause=Cause(kind="unknown-machine", first_line=line),
    )


def _run_of_failure(
    extension: ExtensionNeeds, *, exports: TorchExports, torch: str
) -> tuple[str | None, str | None]:
    """Return first and last of the neighbouring releases beside which it fails as well."""
    failing = {
        release.version: bool(
            exports.missing(extension.torch, needed=extension.needed, release=release)
        )
        for release in exports.releases
    }
    versions = exports.versions
    try:
        place = versions.index(exports.release(torch).version)
    except UsageError:
        return None, None  # a nightly, or newer than what is known
    first = last = place
    while first > 0 and failing[versions[first - 1]]:
        first -= 1
    while last + 1 < len(versions) and failing[versions[last + 1]]:
        last += 1
    return versions[first], versions[last]


def explain_missing(verdict: ExtensionVerdict, *, exports: TorchExports) -> str:
    """Return lines that say what is missing, who has it, and what this was built for."""
    first = verdict.missing[0]
    lines = [demangle(first), f"  {_who_exports(first, exports=exports)}"]
    lines += [
        f"  as {demangle(other)}: {_who_exports(other, exports=exports)}"
        for other in exports.relatives(first)[:3]
    ]
    fits = find_abi_range([verdict.extension], exports=exports)
    if fits:
        shown = render_versions(fits, exports.versions)
        lines.append(f"built for torch {shown}: only there every symbol of it is exported")
    else:
        lines.append("no release known here exports every symbol of this extension")
    more = len(verdict.missing) - 1
    if more:
        others = ", ".join(verdict.missing[1:_SHOWN])
        lines.append(f"{more} more missing: {others}{', ...' if more >= _SHOWN else ''}")
    return "\n".join(lines)


def _who_exports(name: str, *, exports: TorchExports) -> str:
    versions = exports.releases_with(name)
    if not versions:
        return "exported by no torch release known here"
    libraries = ", ".join(sorted(exports.exporters(name)))
    return f"exported by torch {render_versions(versions, exports.versions)} ({libraries})"


def render_versions(chosen: Sequence[str], known: Sequence[str]) -> str:
    """Return *chosen* as ranges of neighbours in *known*: ``2.4.0-2.6.0, 2.8.0``."""
    parts: list[str] = []
    run: list[str] = []
    for version in [*known, ""]:
        if version in chosen:
            run.append(version)
        elif run:
            parts.append(run[0] if len(run) == 1 else f"{run[0]}-{run[-1]}")
            run = []
    return ", ".join(parts)


def find_pin_mismatch(
    pin: str | None, *, fits: Sequence[str], known: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return releases the metadata allows but the symbols do not, and the other way round.

    Args:
        pin: Specifier on torch in the metadata, empty for any; without one nothing differs.
        fits: Releases that export every symbol.
        known: Every release that was indexed.
    """
    if pin is None:
        return (), ()
    try:
        allowed = {version for version in known if version in SpecifierSet(pin)}
    except InvalidSpecifier:
        return (), ()
    too_wide = tuple(version for version in known if version in allowed and version not in fits)
    too_narrow = tuple(version for version in known if version in fits and version not in allowed)
    return too_wide, too_narrow


def is_locked(
    extensions: Iterable[ExtensionNeeds], *, fits: Sequence[str], known: Sequence[str]
) -> str:
    """Return the cell of the column *locked to torch?*, in words.

    ``yes`` for C++ symbols that only one minor release has, ``to a range`` for more, ``since``
    for the stable shim, which only ever grows, and ``no`` for what binds to nothing.
    """
    bindings = {each.binding for each in extensions}
    minors = {version.rpartition(".")[0] for version in fits}
    if bindings <= {Binding.NONE}:
        return "no: binds to nothing of torch"
    if Binding.UNSTABLE not in bindings:
        return f"no: stable shim, since {fits[0]}" if fits else "no: stable shim, none known"
    if not fits:
        return "yes: to a torch not known here"
    if len(minors) == 1:
        return f"yes: to {minors.pop()}"
    return f"to a range: {render_versions(fits, known)}"
