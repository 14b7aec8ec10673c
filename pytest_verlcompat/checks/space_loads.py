"""The rung `loads` of every engine release beside every torch that the space picked for it.

Judged are the engine's own extensions and those of the kernels that its metadata pins to one
release (``sgl-kernel``, ``xformers``), be it in an extra: without them it does not start, so a
set that lacks them is judged with them, and the line says in which extra they are pinned.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.metadata import parse_email
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from pytest_verlcompat.checks.abi_symbols import check, find_built_for, judge_extension
from pytest_verlcompat.checks.installed import LOAD_CODE, digest_of
from pytest_verlcompat.errors import UsageError, VerlcompatError
from pytest_verlcompat.model.finding import Weight
from pytest_verlcompat.model.outcome import Rung
from pytest_verlcompat.store.space_rungs import MissingSymbol, RungFact
from pytest_verlcompat.wheels.exports import load_exports
from pytest_verlcompat.wheels.needs import read_needs
from pytest_verlcompat.wheels.symbols import demangle

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_verlcompat.model.finding import Finding
    from pytest_verlcompat.wheels.needs import WheelNeeds
    from pytest_verlcompat.wheels.surface_store import FactsStore

_MOST_MISSING = 3
_DIGITS = 8
_DATA = ("wheels/data/torch_exports.xz",)
_KERNELS = frozenset(
    {
        "flash-attn",
        "flash-attn-3",
        "flashinfer-jit-cache",
        "sgl-kernel",
        "sglang-kernel",
        "xformers",
    }
)
"""Distributions of compiled code that engines pin and do not start without."""
_EXTRAS = ("srt", "all")
"""Extras of SGLang that its users install; older releases pin their kernels there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A wheel whose extensions count for an engine."""

    name: str
    version: str
    pinned_in: str = ""
    """The engine with the extra that pins it; empty for the engine and its plain pins."""

    @property
    def label(self) -> str:
        """Name and version for people."""
        note = f" ({self.pinned_in})" if self.pinned_in else ""
        return f"{self.name} {self.version}{note}"


class SpaceLoads:
    """Judges engine releases beside torch releases; every wheel is read once."""

    def __init__(self, store: FactsStore) -> None:
        self.store = store
        self.rules = digest_of((*LOAD_CODE, "checks/space_loads.py", *_DATA))[:_DIGITS]
        self.exports = load_exports()
        self._wheels: dict[tuple[str, str], WheelNeeds] = {}

    def judge(self, pairs: Iterable[tuple[str, str, str]]) -> Iterator[RungFact]:
        """Yield a fact for every engine, its release and a release of torch."""
        members: dict[tuple[str, str], list[Member]] = {}
        for engine, release, torch in sorted(set(pairs), key=_by_version):
            key = (engine, release)
            if key not in members:
                members[key] = self._members(engine, release)
            yield self._fact((engine, release, torch), members[key])

    def _members(self, engine: str, release: str) -> list[Member]:
        """Return the wheels whose extensions count; none if one of them could not be read."""
        members = [Member(name=engine, version=release)]
        try:
            members += find_kernels(self._requirements(engine, release), engine=engine)
            wheels = [self._needs(each.name, each.version) for each in members]
        except VerlcompatError:
            return []
        return [
            member
            for member, wheel in zip(members, wheels, strict=True)
            if any(extension.torch for extension in wheel.extensions)
        ]

    def _needs(self, name: str, version: str) -> WheelNeeds:
        known = self._wheels.get((name, version))
        if known is None:
            with self.store.open_file(self.store.find_file(name, version)) as tree:
                known = read_needs(tree, cache=self.store.cache)
            self._wheels[name, version] = known
        return known

    def _requirements(self, engine: str, release: str) -> list[str]:
        with self.store.open_file(self.store.find_file(engine, release)) as tree:
            path = next(
                name
                for name in tree.names()
                if name.endswith(".dist-info/METADATA") and name.count("/") == 1
            )
            return parse_email(tree.read(path))[0].get("requires_dist", [])

    def _fact(self, cell: tuple[str, str, str], members: Sequence[Member]) -> RungFact:
        engine, release, torch = cell
        outcome = "unknown"
        missing: list[MissingSymbol] = []
        if members:
            try:
                outcome = _outcome(each for one in members for each in self._findings(one, torch))
                missing = [each for one in members for each in self._missing(one, torch)]
            except UsageError:  # the exports of that torch were never indexed
                outcome = "unknown"
        return RungFact(
            rung=Rung.LOADS,
            versions={engine: release, "torch": torch},
            outcome=outcome,
            rules=self.rules,
            judged=tuple(each.label for each in members),
            missing=tuple(missing[:_MOST_MISSING]),
        )

    def _findings(self, member: Member, torch: str) -> Iterator[Finding]:
        wheel = self._wheels[member.name, member.version]
        return check(wheel, exports=self.exports, torch=torch, consumer=member.label)

    def _missing(self, member: Member, torch: str) -> Iterator[MissingSymbol]:
        """Yield what the extensions of one wheel lack, one symbol or reason for each of them."""
        wheel = self._wheels[member.name, member.version]
        release = self.exports.release(torch)
        built_for = find_built_for(wheel, exports=self.exports)
        for extension in wheel.extensions:
            verdict = judge_extension(
                extension, exports=self.exports, release=release, built_for=built_for
            )
            if verdict.missing:
                symbol = verdict.missing[0]
                readable = demangle(symbol)
                yield MissingSymbol(
                    symbol=symbol,
                    demangled=readable if readable != symbol else None,
                    file=extension.name,
                    torch=_specifier(self.exports.releases_with(symbol), self.exports.versions),
                )
            elif verdict.silent_break is not None and verdict.is_certain:
                fits = _specifier(built_for, self.exports.versions)
                what = verdict.silent_break.what
                yield MissingSymbol(symbol=what, file=extension.name, torch=fits)


def find_kernels(lines: Iterable[str], *, engine: str) -> list[Member]:
    """Return the distributions that an engine cannot do without and pins to one release."""
    found: dict[str, Member] = {}
    for line in lines:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        name = canonicalize_name(requirement.name)
        pins = [each.version for each in requirement.specifier if each.operator == "=="]
        extra = _extra_of(requirement)
        if name in _KERNELS and len(pins) == 1 and extra is not None:
            pinned_in = f"{engine}[{extra}]" if extra else ""
            found.setdefault(name, Member(name=name, version=pins[0], pinned_in=pinned_in))
    return list(found.values())


def _extra_of(requirement: Requirement) -> str | None:
    """Return the extra in which it holds on Linux with CUDA, empty for none; None for never."""
    if requirement.marker is None:
        return ""
    place = {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64",
             "python_version": "3.12"}  # fmt: skip
    held = (e for e in ("", *_EXTRAS) if requirement.marker.evaluate(place | {"extra": e}))
    return next(held, None)


def _outcome(findings: Iterable[Finding]) -> str:
    weights = {finding.weight for finding in findings}
    if Weight.BROKEN in weights:
        return "failed"
    return "unknown" if Weight.UNKNOWN in weights else "passed"


def _specifier(having: Sequence[str], known: Sequence[str]) -> str | None:
    """Return the releases *having* something as a specifier; None unless they are neighbours."""
    places = [known.index(version) for version in having if version in known]
    if not places or places != list(range(places[0], places[-1] + 1)):
        return None
    least = f">={known[places[0]]}"
    return least if places[-1] + 1 == len(known) else f"{least},<{known[places[-1] + 1]}"


def _by_version(cell: tuple[str, str, str]) -> tuple[str, Version, Version]:
    return cell[0], Version(cell[1]), Version(cell[2])
