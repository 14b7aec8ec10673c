"""What static rungs say about the whole space: JSON Lines, one line per set of versions.

A line holds no duration, machine or hour, so that two machines that judge the same write the
same bytes. It is derived: whoever judges again replaces the line about the same versions.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_verlcompat.errors import EvidenceError
from pytest_verlcompat.model.outcome import Rung

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

SCHEMA_VERSION = 1
FOLDER = "rungs"
"""Below the folder of the space's ledger."""
OUTCOMES = frozenset({"passed", "failed", "unknown"})
_LOADS = "loads.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingName:
    """A name that a consumer imports and its provider lacks."""

    name: str
    """Dotted; what is raised, where no name is missing."""
    provider: str | None = None
    """Distribution that should have it."""
    at: str | None = None
    """File and line of the consumer."""
    line: str | None = None
    """The import, written out for this name alone."""
    since: str | None = None
    """First of the neighbouring releases of the provider that lack it."""
    until: str | None = None
    """Last of them."""
    moved_to: str | None = None
    """Where that release of the provider has it instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingSymbol:
    """A symbol that an extension needs and torch does not export."""

    symbol: str
    """As the linker spells it; the library or the change of layout, where that is the reason."""
    demangled: str | None = None
    file: str | None = None
    """Path in the wheel, the wheel's distribution first where it is not the engine's."""
    torch: str | None = None
    """Specifier of the torch releases that export it, among those that are known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RungFact:
    """One rung of one set of versions."""

    rung: Rung
    versions: Mapping[str, str]
    """By distribution; what is not named had no say."""
    outcome: str
    """``passed``, ``failed`` or ``unknown``."""
    rules: str
    """First digits of the digest of the code that judged."""
    roles: Mapping[str, str] = field(default_factory=dict)
    """Outcome by role of the consumer."""
    undecided: int = 0
    """Names that files alone do not decide."""
    missing: tuple[MissingName | MissingSymbol, ...] = ()
    """The first few, in the order in which they are met."""
    judged: tuple[str, ...] = ()
    """Wheels whose extensions were looked at."""


def render_rung(fact: RungFact) -> str:
    """Return *fact* as one canonical JSON line; what is empty or unknown is left out."""
    body: dict[str, Any] = {
        "schema": SCHEMA_VERSION,
        "rung": fact.rung.value,
        "versions": _in_order(fact.versions),
        "outcome": fact.outcome,
        "roles": dict(fact.roles),
        "undecided": fact.undecided,
        "judged": list(fact.judged),
        "missing": [_filled(each) for each in fact.missing],
        "rules": fact.rules,
    }
    kept = {key: value for key, value in body.items() if value not in ({}, [], 0)}
    return json.dumps(kept, separators=(",", ":"), ensure_ascii=False)


def parse_rung(line: str, *, where: str) -> RungFact:
    """Return the fact in *line*; unknown keys are ignored.

    Raises:
        EvidenceError: If it is none of ours, or newer than this reader.
    """
    try:
        body = json.loads(line)
        if body["schema"] > SCHEMA_VERSION:
            raise EvidenceError(
                f"schema {body['schema']} is newer than {SCHEMA_VERSION}; upgrade", where=where
            )
        rung = Rung(body["rung"])
        kind = MissingName if rung is Rung.IMPORTS else MissingSymbol
        return RungFact(
            rung=rung,
            versions={str(name): str(version) for name, version in body["versions"].items()},
            outcome=_outcome(body["outcome"]),
            rules=body["rules"],
            roles=dict(body.get("roles", {})),
            undecided=int(body.get("undecided", 0)),
            judged=tuple(body.get("judged", ())),
            missing=tuple(_missing(each, kind) for each in body.get("missing", ())),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EvidenceError(f"not a static rung of the space: {error!r}", where=where) from error


class SpaceRungs:
    """The facts of a folder, by the versions they are about."""

    def __init__(self, facts: Iterable[RungFact]) -> None:
        self._facts: dict[Rung, dict[frozenset[tuple[str, str]], RungFact]] = {}
        self._shapes: dict[Rung, set[frozenset[str]]] = {}
        for fact in facts:
            self._facts.setdefault(fact.rung, {})[frozenset(fact.versions.items())] = fact
            self._shapes.setdefault(fact.rung, set()).add(frozenset(fact.versions))

    def imports(self, versions: Mapping[str, str]) -> RungFact | None:
        """Return what is known about the names of a cell with *versions*.

        The line that names most of them, all equal to those given; a pair that never resolved
        has a line with only the two.
        """
        return self._find(Rung.IMPORTS, versions)

    def loads(self, versions: Mapping[str, str]) -> RungFact | None:
        """Return what is known about the symbols of a cell with *versions*."""
        return self._find(Rung.LOADS, versions)

    def facts(self, rung: Rung) -> Iterator[RungFact]:
        """Yield every fact of *rung*."""
        yield from self._facts.get(rung, {}).values()

    def _find(self, rung: Rung, versions: Mapping[str, str]) -> RungFact | None:
        known = self._facts.get(rung, {})
        for shape in sorted(
            self._shapes.get(rung, ()), key=lambda each: (-len(each), sorted(each))
        ):
            if all(name in versions for name in shape):
                found = known.get(frozenset((name, versions[name]) for name in shape))
                if found is not None:
                    return found
        return None


def load_space_rungs(folder: Path) -> SpaceRungs:
    """Return what is below *folder*, the space's ledger or its folder of rungs.

    Raises:
        EvidenceError: If a line is none of ours.
    """
    root = folder / FOLDER if (folder / FOLDER).is_dir() else folder
    paths = [*sorted((root / "imports").glob("*.jsonl")), root / _LOADS]
    return SpaceRungs(fact for path in paths if path.exists() for fact in _read(path))


def save_space_rungs(facts: Iterable[RungFact], folder: Path) -> list[Path]:
    """Write *facts* below the folder of rungs *folder* and return the files that changed.

    A line about other versions stays, one about the same versions is replaced.

    Raises:
        EvidenceError: If a line that is there is none of ours.
    """
    by_path: dict[Path, list[RungFact]] = {}
    for fact in facts:
        by_path.setdefault(path_of(fact, folder), []).append(fact)
    changed = []
    for path, fresh in by_path.items():
        old = list(_read(path)) if path.exists() else []
        merged = {_key(fact): render_rung(fact) for fact in [*old, *fresh]}
        text = "".join(f"{merged[key]}\n" for key in sorted(merged))
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            changed.append(path)
    return changed


def path_of(fact: RungFact, folder: Path) -> Path:
    """Return the file that holds *fact*."""
    if fact.rung is Rung.IMPORTS:
        return folder / "imports" / f"{fact.versions['verl']}.jsonl"
    return folder / _LOADS


def _read(path: Path) -> Iterator[RungFact]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.strip():
            yield parse_rung(line, where=f"{path.name}:{number}")


def _key(fact: RungFact) -> tuple[tuple[str, str], ...]:
    return tuple(_in_order(fact.versions).items())


_FIRST = ("verl", "vllm", "sglang")


def _in_order(versions: Mapping[str, str]) -> dict[str, str]:
    """Return *versions* with consumer and engine first."""
    first = {name: versions[name] for name in _FIRST if name in versions}
    return first | {name: versions[name] for name in sorted(versions) if name not in first}


def _filled(each: MissingName | MissingSymbol) -> dict[str, str]:
    values = {name: getattr(each, name) for name in type(each).__slots__}
    return {name: value for name, value in values.items() if value is not None}


def _outcome(found: str) -> str:
    if found not in OUTCOMES:
        raise ValueError(f"outcome {found!r}")
    return found


def _missing(
    body: Mapping[str, str], kind: type[MissingName | MissingSymbol]
) -> MissingName | MissingSymbol:
    return kind(**{name: body[name] for name in kind.__slots__ if name in body})
