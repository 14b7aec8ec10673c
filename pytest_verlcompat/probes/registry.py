"""Which probes there are: the scripts folder is listed, their constants are read, not run."""

from __future__ import annotations

import ast
import contextlib
import difflib
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_verlcompat.errors import ProbeDefinitionError, UsageError
from pytest_verlcompat.model.names import normalize
from pytest_verlcompat.model.outcome import Rung

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

SCRIPTS = Path(__file__).parent / "scripts"
RUNNER = SCRIPTS / "_runner.py"
_NAMED_PART = re.compile(r"""(?<=["'])(_\w+)(?=(?:\.py)?["'])""")
_FUNCTION = re.compile(rb"^(?:def|class|async|@)", re.MULTILINE)
_PROBE = re.compile(rb"^def probe\(", re.MULTILINE)
_CONSTANTS = ("TITLE", "RUNG", "DISTRIBUTIONS", "GPUS", "TIMEOUT_S")


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What a probe script declares about itself."""

    name: str
    title: str
    rung: Rung
    distributions: tuple[str, ...]
    """Normalized names of what must be installed for the probe to apply."""
    gpus: int
    timeout_s: float
    script: Path
    sha256: str
    """Digest of the script, of what it shares with others (``find_parts``) and of the runner.

    Evidence of other code is stale.
    """

    def applies_to(self, installed: Collection[str]) -> bool:
        """Return whether everything the probe needs is among the *installed* names."""
        return all(name in installed for name in self.distributions)


def list_probes(folder: Path | None = None) -> tuple[Probe, ...]:
    """Return the probes in *folder*, in name order; those of this project if none is given.

    Raises:
        ProbeDefinitionError: If a script does not declare what it must.
    """
    return tuple(
        read_probe(path)
        for path in sorted((folder or SCRIPTS).glob("*.py"))
        if not path.name.startswith("_")
    )


def find_probes(names: Iterable[str], *, probes: tuple[Probe, ...]) -> tuple[Probe, ...]:
    """Return the probes called *names*.

    Raises:
        UsageError: If there is none of that name; the nearest are said.
    """
    known = {probe.name: probe for probe in probes}
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3, cutoff=0.3)
            hint = f"nearest: {', '.join(near)}; " if near else ""
            raise UsageError(f"no probe {name!r}; {hint}there are {', '.join(sorted(known))}")
    return tuple(known[name] for name in dict.fromkeys(names))


def read_probe(path: Path) -> Probe:
    """Return what the script *path* declares, without running it."""
    source = path.read_bytes()
    try:
        tree = _declaring(source, path)
    except (SyntaxError, ValueError) as error:
        raise ProbeDefinitionError(f"cannot be parsed: {error}", where=path.name) from error
    found = dict(_literals(tree))
    for name in _CONSTANTS:
        if name not in found:
            raise ProbeDefinitionError(
                "missing; assign a literal at the top level", where=f"{path.name}: {name}"
            )
    if not _PROBE.search(source):
        raise ProbeDefinitionError("define probe(request) -> dict", where=path.name)
    needs = found["DISTRIBUTIONS"]
    if not isinstance(needs, (tuple, list)) or not all(isinstance(each, str) for each in needs):
        raise ProbeDefinitionError(
            f"DISTRIBUTIONS is {needs!r}; write a tuple of names", where=path.name
        )
    try:
        return Probe(
            name=path.stem,
            title=str(found["TITLE"]),
            rung=Rung(found["RUNG"]),
            distributions=tuple(normalize(each) for each in needs),
            gpus=int(found["GPUS"]),
            timeout_s=float(found["TIMEOUT_S"]),
            script=path,
            sha256=_digest([path, *find_parts(path), RUNNER]),
        )
    except (ValueError, TypeError) as error:
        raise ProbeDefinitionError(str(error), where=path.name) from error


def _declaring(source: bytes, path: Path) -> ast.Module:
    """Return the part of a script that declares.

    Of our own it is what stands above the first function, because parsing them all takes as long
    as the rest of a run that only lists; tests import each of them. Of others it is the whole.
    """
    for found in _FUNCTION.finditer(source) if path.parent == SCRIPTS else ():
        with contextlib.suppress(SyntaxError):  # a line of a docstring that begins like code
            head = ast.parse(source[: found.start()], filename=path.name)
            if {name for name, _ in _literals(head)} == set(_CONSTANTS):
                return head
            break
    return ast.parse(source, filename=path.name)


def find_parts(path: Path) -> list[Path]:
    """Return the files that the script *path* loads from beside it, in name order.

    A script names such a file, whose name starts with ``_``, in a string, with or without its
    suffix; those files may name further ones.
    """
    beside = {part.stem: part for part in path.parent.glob("_*.py") if part.name != RUNNER.name}
    found: dict[str, Path] = {}
    queue = [path]
    while queue:
        # Read as text: walking the trees of all scripts takes longer than a run that only lists.
        for stem in _NAMED_PART.findall(queue.pop().read_text(encoding="utf-8")):
            if stem in beside and stem not in found:
                found[stem] = beside[stem]
                queue.append(beside[stem])
    return [found[stem] for stem in sorted(found)]


def _digest(paths: Iterable[Path]) -> str:
    """Return the digest of the files' contents, in that order."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _literals(tree: ast.Module) -> Iterable[tuple[str, Any]]:
    for node in tree.body:
        if not isinstance(node, (ast.Assign, ast.AnnAssign)) or node.value is None:
            continue
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        if isinstance(target, ast.Name):
            name = target.id
            if name in _CONSTANTS:
                try:
                    yield name, ast.literal_eval(node.value)
                except ValueError:
                    continue  # reported as missing: it is no literal
