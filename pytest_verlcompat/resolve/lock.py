"""From a cell to its lock: one line a distribution, with the digest of the one file it means.

A lock is a requirements file that ``uv pip install --require-hashes`` takes as it is. It is
not a ``pylock.toml``, because that names the host every file was seen on, and whoever builds
from the lock shall use an index of their own.
"""

from __future__ import annotations

import hashlib
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import canonicalize_name, parse_wheel_filename

from pytest_verlcompat.errors import IndexUnavailableError, LockError
from pytest_verlcompat.resolve.uv import call_uv, uv_version

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pytest_verlcompat.model.cell import Cell

LOCK_NAME = "requirements.txt"
EXPLANATION_NAME = "unresolvable.txt"
_RESOLVE_TIMEOUT_S = 600.0
_LEGACY_TAGS = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
_HEADER = re.compile(r"^# (?P<key>[a-z0-9-]+): (?P<value>.*)$", re.MULTILINE)
_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>\S+) ", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """The versions of one cell, or why there are none."""

    sha256: str
    """Digest of the file."""
    resolver: str
    versions: Mapping[str, str]
    """Normalized distribution name to version; empty where nothing resolves."""
    explanation: str | None = None
    """The resolver's words where nothing resolves."""
    path: Path


def load_lock(cell: Cell, *, folder: Path) -> Lock:
    """Return the lock of *cell* in ``<folder>/<cell id>/``.

    Raises:
        LockError: If there is none, or it was made for other inputs than the cell has now.
    """
    path, text = _read(cell, folder)
    header = {match["key"]: match["value"] for match in _HEADER.finditer(text)}
    where = f"locks/{cell.id}/{path.name}"
    if header.get("inputs-sha256") != cell.inputs_sha256:
        raise LockError(
            f"was made for other inputs than the cell has now; run: verlcompat lock {cell.id}",
            where=where,
        )
    unresolvable = path.name == EXPLANATION_NAME
    versions: dict[str, str] = {}
    if not unresolvable:
        for match in _PIN.finditer(text):
            versions[canonicalize_name(match["name"])] = match["version"]
    if not unresolvable and not versions:
        raise LockError(f"holds no pins; run: verlcompat lock {cell.id}", where=where)
    return Lock(
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        resolver=header.get("resolver", "unknown"),
        versions=versions,
        explanation=_without_header(text) if unresolvable else None,
        path=path,
    )


def make_lock(cell: Cell, *, folder: Path) -> Lock:
    """Resolve *cell*, write its lock into *folder* and return it.

    Raises:
        IndexUnavailableError: If the index could not be asked; the old lock stays.
        LockError: If uv ended in a way that says neither yes nor no.
    """
    explanation, body = resolve_cell(cell)
    names = (LOCK_NAME, EXPLANATION_NAME)
    name, other = names if explanation is None else reversed(names)
    home = folder / cell.id
    home.mkdir(parents=True, exist_ok=True)
    text = "\n".join([*_header(cell), *(body if explanation is None else [explanation])]) + "\n"
    written = home / f".{name}.new"
    written.write_text(text, encoding="utf-8")
    written.replace(home / name)
    (home / other).unlink(missing_ok=True)
    return load_lock(cell, folder=folder)


def resolve_cell(cell: Cell) -> tuple[str | None, list[str]]:
    """Return the resolver's explanation where *cell* has no solution, or else its lock lines.

    Raises:
        IndexUnavailableError: If the index could not be asked.
        LockError: If uv ended in a way that says neither yes nor no.
    """
    ended = call_uv(
        [
            *("pip", "compile", "-", "--format", "pylock.toml", "--no-header", "--no-annotate"),
            *("--python-version", cell.python, "--python-platform", cell.platform),
            "--no-python-downloads",  # a Python that is not here is not needed to resolve
            *("--exclude-newer", f"{cell.as_of}T23:59:59Z"),
            *(("--override", "overrides") if cell.overrides else ()),
        ],
        files={"-": cell.requirements, "overrides": cell.overrides},
        timeout_s=_RESOLVE_TIMEOUT_S,
    )
    if ended.exit_status == 0:
        return None, list(_pin_lines(tomllib.loads(ended.output), cell))
    if ended.index_unreachable:
        raise IndexUnavailableError(
            f"could not be asked about {cell.id}: {ended.last_line}", where="package index"
        )
    if "No solution found" in ended.messages:
        return render_explanation(ended.messages), []
    ended_how = "ran out of time" if ended.timed_out else f"ended with {ended.exit_status}"
    raise LockError(f"uv {ended_how}: {ended.last_line}", where=cell.id)


def render_explanation(messages: str) -> str:
    """Return the sentences of uv's explanation, one a line, without its frame."""
    _, _, said = messages.partition("No solution found")
    words = re.sub(r"^\W*(?:cause:\s*)?", "", said.partition("\n")[2], flags=re.MULTILINE)
    text = " ".join(words.split())
    return re.sub(r"(?<=\.) (?=And |Because |hint: )", "\n", text)


def target_tags(python: str, platform: str) -> dict[Tag, int]:
    """Return the tags a wheel may have for that target, each with its rank, best first."""
    architecture, _, libc = platform.partition("-manylinux_")
    minor = int(libc.rpartition("_")[2])
    platforms = []
    for each in range(minor, 4, -1):
        platforms.append(f"manylinux_2_{each}_{architecture}")
        if each in _LEGACY_TAGS:
            platforms.append(f"{_LEGACY_TAGS[each]}_{architecture}")
    platforms.append(f"linux_{architecture}")
    major, _, release = python.partition(".")
    version = (int(major), int(release))
    interpreter = f"cp{major}{release}"
    tags = [
        *cpython_tags(python_version=version, platforms=platforms),
        *compatible_tags(python_version=version, interpreter=interpreter, platforms=platforms),
    ]
    return {tag: rank for rank, tag in reversed(list(enumerate(tags)))}


def _pin_lines(pylock: dict[str, Any], cell: Cell) -> Iterator[str]:
    ranks = target_tags(cell.python, cell.platform)
    for package in pylock.get("packages", ()):
        pin = f"{package['name']}=={package['version']}"
        best = _best_wheel(package.get("wheels", ()), ranks)
        if best is None and "sdist" not in package:
            raise LockError(f"{pin} has no file for {cell.platform}", where=cell.id)
        if best is None:
            yield "# sdist, is built on the machine:"
        digest = (best or package["sdist"])["hashes"]["sha256"]
        yield f"{pin} --hash=sha256:{digest}"


def _best_wheel(wheels: list[dict[str, Any]], ranks: Mapping[Tag, int]) -> dict[str, Any] | None:
    best = None
    for wheel in wheels:
        filename = wheel.get("name") or wheel["url"].rpartition("/")[2].partition("#")[0]
        _, _, build, tags = parse_wheel_filename(filename.replace("%2B", "+"))
        fits = [ranks[tag] for tag in tags if tag in ranks]
        # The highest build number wins among equals, as installers have it.
        order = (min(fits), tuple(-number for number in build[:1])) if fits else None
        if order is not None and (best is None or order < best[0]):
            best = (order, wheel)
    return best[1] if best else None


def _header(cell: Cell) -> list[str]:
    return [
        f"# written by: verlcompat lock {cell.id}",
        f"# inputs-sha256: {cell.inputs_sha256}",
        f"# resolver: uv {uv_version()}",
        f"# target: Python {cell.python}, {cell.platform}, as of {cell.as_of}",
        f"# asked: {' '.join(cell.requirements)}",
        *([f"# overrides: {' '.join(cell.overrides)}"] if cell.overrides else []),
    ]


def _read(cell: Cell, folder: Path) -> tuple[Path, str]:
    for name in (LOCK_NAME, EXPLANATION_NAME):
        path = folder / cell.id / name
        try:
            return path, path.read_text(encoding="utf-8")
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            raise LockError(f"cannot be read: {error}", where=f"locks/{cell.id}/{name}") from error
    raise LockError(f"missing; run: verlcompat lock {cell.id}", where=f"locks/{cell.id}")


def _without_header(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith("# ")).strip()


def unmet_pins(cell: Cell, lock: Lock) -> tuple[str, ...]:
    """Return the requirements of *cell* whose pins the lock does not hold."""
    unmet = []
    for text in cell.requirements:
        requirement = Requirement(text)
        version = lock.versions.get(canonicalize_name(requirement.name))
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            unmet.append(text)
    return tuple(unmet)
