"""From what is wrong to what to install: the remedies of known failures, then a set that works.

A plan is asked of uv without doing it, so what is shown is what would change. What is kept
(editable installs, those from a repository) and the releases of verl, engine and torch stay,
unless a remedy is about them.
"""

from __future__ import annotations

import dataclasses
import re
import shlex
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.markers import UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from pytest_verlcompat.advise.advice import Level
from pytest_verlcompat.advise.doctor import find_advice
from pytest_verlcompat.errors import IndexUnavailableError
from pytest_verlcompat.resolve.uv import call_uv

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_verlcompat.advise.advice import Advice
    from pytest_verlcompat.advise.inventory import Inventory
    from pytest_verlcompat.advise.repair_patient import Ground
    from pytest_verlcompat.resolve.uv import UvEnded

ANCHORS = ("verl", "vllm", "sglang", "torch")
"""What a training was chosen for; a repair moves the rest around them where it can."""

_TIMEOUT_S = 600.0
_INSTALL = re.compile(r"(?:uv )?pip install (?P<words>.+)")
_UNINSTALL = re.compile(r"(?:uv )?pip uninstall (?:-y )?(?P<words>.+)")
_OPTIONS = {"--force-reinstall", "--no-deps", "--upgrade"}
"""Of no use here: uv is told every version that matters, and asked for what they need."""

_MOVE = re.compile(r"^ (?P<sign>[-+~]) (?P<name>[A-Za-z0-9._-]+)==(?P<version>\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Idea:
    """One way to repair, before uv was asked."""

    title: str
    requirements: tuple[str, ...]
    removals: tuple[str, ...] = ()
    newest: str | None = None
    """Instant from which uploads are left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One way to repair, as uv would do it."""

    idea: Idea
    commands: tuple[tuple[str, ...], ...]
    """Words for uv, without the interpreter."""
    moves: tuple[tuple[str, str | None, str | None], ...]
    """Distribution, version before, version after."""
    overrides: tuple[str, ...] = ()

    def typed(self, python: Path) -> tuple[str, ...]:
        """Return the commands as they are typed for *python*."""
        return tuple(
            shlex.join(["uv", *words[:2], "--python", str(python), *words[2:]])
            for words in self.commands
        )


def find_faults(inventory: Inventory) -> tuple[Advice, ...]:
    """Return what the doctor says will break, without what no installation can mend."""
    return tuple(each for each in find_advice(inventory) if each.level is Level.BREAKS)


def remedies(faults: Iterable[Advice], ground: Ground) -> Iterator[Idea]:
    """Yield ideas made of the first remedy of each fault that only installs or removes.

    All of them first; then without one each, because the remedy of one fault may be what makes
    that of another needless, or stand against it.
    """
    found: dict[str, tuple[list[str], list[str]]] = {}
    for fault in faults:
        for text in fault.remedies:
            parsed = _parsed(text, ground)
            if parsed is not None:
                found.setdefault(fault.code, parsed)
    groups = [tuple(found)]
    groups += [tuple(code for code in found if code != out) for out in reversed(found)]
    for codes in dict.fromkeys(group for group in groups if group):
        wanted = [text for code in codes for text in found[code][0]]
        removed = [name for code in codes for name in found[code][1]]
        yield Idea(
            title=f"remedies of {', '.join(codes)}",
            requirements=tuple(dict.fromkeys(wanted)),
            removals=tuple(dict.fromkeys(removed)),
        )


def make_plan(idea: Idea, ground: Ground, inventory: Inventory) -> Plan | str:
    """Return *idea* as uv would carry it out, or a sentence that says why it cannot.

    Raises:
        IndexUnavailableError: If the index could not be asked.
    """
    installed = _installed(inventory)
    asked = {canonicalize_name(Requirement(text).name) for text in idea.requirements}
    there = [name for name in idea.removals if name in installed]
    gone = tuple(name for name in there if name not in asked)
    anew = tuple(name for name in there if name in asked)  # its files were written over
    wanted = (*idea.requirements, *_anchors(idea, ground, inventory))
    if not wanted:
        return f"{idea.title}: nothing is left to be asked for"
    words = ("pip", "install", *_options(idea, anew), *wanted)
    said = _dry_run(words, ground)
    if said.exit_status != 0:
        if said.index_unreachable:
            raise IndexUnavailableError(
                f"could not be asked: {said.last_line}", where="package index"
            )
        return f"{idea.title}: uv says no: {' '.join(said.messages.split())[-400:]}"
    moves = tuple(_moves(said.messages, gone, installed))
    harmed = sorted({name for name, _, _ in moves} & ground.kept_names)
    if harmed:
        return f"{idea.title}: would replace {', '.join(harmed)}, which is kept as it is"
    if not moves:
        return f"{idea.title}: changes nothing"
    commands = [("pip", "uninstall", *gone)] if gone else []
    return Plan(idea=idea, commands=(*commands, words), moves=moves)


def _dry_run(words: Sequence[str], ground: Ground) -> UvEnded:
    """Return how uv would end, with everything it says."""
    with tempfile.TemporaryDirectory(prefix="verlcompat-") as folder:
        log = Path(folder, "log")
        ended = call_uv(
            [*words, "--dry-run", "--python", str(ground.python)], timeout_s=_TIMEOUT_S, log=log
        )
        told = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    return dataclasses.replace(ended, messages=told or ended.messages)


def _options(idea: Idea, anew: Iterable[str]) -> tuple[str, ...]:
    again = [word for name in anew for word in ("--reinstall-package", name)]
    return (*(("--exclude-newer", idea.newest) if idea.newest else ()), *again)


def _anchors(idea: Idea, ground: Ground, inventory: Inventory) -> Iterator[str]:
    """Yield requirements that hold what a repair must not move, and bring in what it needs."""
    installed = _installed(inventory)
    spoken = {canonicalize_name(Requirement(text).name) for text in idea.requirements}
    for name in ANCHORS:
        free = name not in spoken and name not in ground.kept_names and name not in idea.removals
        if name in installed and free:
            yield f"{name}=={installed[name]}"
    for each in ground.kept:
        found = inventory.first(each.name)
        if found is each:
            yield from (
                text for text in each.requires if _applies(text, spoken | ground.kept_names)
            )


def _applies(text: str, spoken: set[str] | frozenset[str]) -> bool:
    """Return whether a Requires-Dist line holds without any extra, and is not answered already."""
    try:
        requirement = Requirement(text)
        marker = requirement.marker
        holds = marker is None or marker.evaluate({"extra": ""})
    except (InvalidRequirement, UndefinedEnvironmentName):
        return False
    return holds and not requirement.url and canonicalize_name(requirement.name) not in spoken


def _moves(
    messages: str, removals: Iterable[str], installed: Mapping[str, str]
) -> Iterator[tuple[str, str | None, str | None]]:
    before: dict[str, str] = {name: installed[name] for name in removals}
    after: dict[str, str] = {}
    for match in _MOVE.finditer(messages):
        name = canonicalize_name(match["name"])
        if match["sign"] in "-~":
            before[name] = match["version"]
        if match["sign"] in "+~":
            after[name] = match["version"]
    for moved in sorted({*before, *after}):
        yield moved, before.get(moved), after.get(moved)


def _parsed(text: str, ground: Ground) -> tuple[list[str], list[str]] | None:
    """Return what a remedy installs and removes; ``None`` if it is anything else as well."""
    wanted: list[str] = []
    removed: list[str] = []
    for line in text.strip().splitlines():
        installs, removes = _INSTALL.fullmatch(line.strip()), _UNINSTALL.fullmatch(line.strip())
        match = installs or removes
        if match is None:
            return None
        try:
            words = [word for word in shlex.split(match["words"]) if word not in _OPTIONS]
            names = [Requirement(word) for word in words]
        except (InvalidRequirement, ValueError):
            return None
        if any(each.url or canonicalize_name(each.name) in ground.kept_names for each in names):
            return None
        (wanted if installs else removed).extend(map(str, names))
    return wanted, removed


def _installed(inventory: Inventory) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in inventory.distributions:
        found.setdefault(each.name, each.version)
    return found
