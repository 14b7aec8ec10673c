"""Read the records of the space, line by line; what cannot be read is told and left out.

A half-written last line, a line of a newer schema and nonsense cost themselves alone.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from packaging.version import InvalidVersion, Version

from pytest_verlcompat.errors import EvidenceError
from pytest_verlcompat.resolve.ledger import Fact, parse_fact
from pytest_verlcompat.store.space_rungs import RungFact, parse_rung

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

_ENGINES = ("vllm", "sglang")
_MINOR = re.compile(r"\d{1,2}\.\d{1,3}")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Trap:
    """What a rule says about a resolved set."""

    code: str
    weight: str
    """``broken`` or ``suspect``."""
    at: str
    """Distribution and version at fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caught:
    """A line about the traps of a set."""

    set_digest: str
    as_of: str
    rules: str
    traps: tuple[Trap, ...]

    @property
    def subject(self) -> tuple[str, str]:
        """The set, and the day it was looked at for."""
        return self.set_digest, self.as_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruled:
    """A line about names or symbols."""

    fact: RungFact

    @property
    def rules(self) -> str:
        """Digest of the code that judged."""
        return self.fact.rules

    @property
    def subject(self) -> tuple[str, ...]:
        """The rung, and the versions it is about."""
        return (self.fact.rung.value, *map("==".join, sorted(self.fact.versions.items())))


Judged = Caught | Ruled


def is_version(text: str) -> bool:
    """Return whether *text* is a version as PEP 440 has it."""
    return version_order(text)[0]


@lru_cache(maxsize=4096)
def version_order(text: str) -> tuple[bool, Version, str]:
    """Return a key that sorts versions by PEP 440, and what is none before them all."""
    try:
        return True, Version(text), text
    except InvalidVersion:
        return False, Version("0"), text


def read_lines(
    paths: Iterable[Path], parse: Callable[[str, str], Any], damaged: list[str]
) -> Iterator[Any]:
    """Yield what *parse* makes of each line; what it refuses is told in *damaged*."""
    for path in sorted(paths):
        if path.name == "runs.jsonl":
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        for number, line in enumerate(text.split("\n"), start=1):
            if not line.strip():
                continue
            where = f"{path.name}:{number}"
            try:
                yield parse(line, where)
            except EvidenceError as error:
                damaged.append(str(error))


def parse_fact_line(line: str, where: str) -> Fact:
    """Return the fact in *line*, every text in it a text and every version a version."""
    fact = parse_fact(line, where=where)
    cell = fact.cell
    texts = (cell.verl, cell.release, cell.python, cell.glibc, *fact.why, *fact.between)
    if not all(isinstance(each, str) for each in (*texts, *fact.sdists, *fact.axes.values())):
        raise EvidenceError("not a fact about the space: texts expected", where=where)
    named = cell.engine in _ENGINES and all(map(is_version, (cell.verl, cell.release)))
    if not named or not all(map(_MINOR.fullmatch, (cell.python, cell.glibc))):
        raise EvidenceError("not a fact about the space: versions expected", where=where)
    return fact


def parse_rung_line(line: str, where: str) -> RungFact:
    """Return what *line* says about names or symbols."""
    return parse_rung(line, where=where)


def parse_caught(line: str, where: str) -> Caught:
    """Return what *line* says about the traps of a set."""
    try:
        body = json.loads(line)
        return Caught(
            set_digest=str(body["set"]),
            as_of=str(body["as_of"]),
            rules=str(body["rules"]),
            traps=tuple(
                Trap(code=str(code), weight=str(weight), at=str(at))
                for code, weight, at in body["traps"]
            ),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise EvidenceError(f"not a record of traps: {error!r}", where=where) from error


def parse_timeline(line: str, where: str) -> Mapping[str, Any]:
    """Return the timeline in *line*."""
    try:
        body = json.loads(line)
        pair_of_timeline(body)
        for turn in body.get("turns", ()):
            str(turn["fault"]), str(turn["day"]), list(turn.get("culprits", ()))
        str(body["born"]), str(body["today"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EvidenceError(f"not a timeline: {error!r}", where=where) from error
    return dict(body)


def pair_of_timeline(body: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what a timeline is about, as `pair_of` says it."""
    engine = "vllm" if "vllm" in body else "sglang"
    keys = ("verl", engine, "form", "python", "glibc")
    return (engine, *(str(body[key]) for key in keys))


def pair_of(fact: Fact) -> tuple[str, ...]:
    """Return pair and slice of *fact*, without the day."""
    cell = fact.cell
    return (cell.engine, cell.verl, cell.release, cell.form.value, cell.python, cell.glibc)
