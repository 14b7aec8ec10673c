"""One row per verl release: what it declares, says, gates, what resolves, imports and loads.

Nothing here asks an index: rows are made from the axes, the ledger of the space, the static
rungs beside it, and the statements kept in ``declared.toml`` with their sources.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from pytest_verlcompat.checks.resolution_facts import load_facts
from pytest_verlcompat.resolve.question import Resolution
from pytest_verlcompat.resolve.space import Form, When
from pytest_verlcompat.store.space_rungs import SpaceRungs

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from pytest_verlcompat.model.axis import Axis, AxisValue
    from pytest_verlcompat.resolve.ledger import Fact
    from pytest_verlcompat.store.space_rungs import RungFact

_FILE = Path(__file__).with_suffix(".toml")
_SHOWN = 6
_LEGEND = (
    "Imports and loads are read from wheels, nothing is run: releases listed bare pass; *some "
    "roles* means that a trainer or rollout of verl finds its names and another does not; "
    "*undecided* means that files alone do not tell. Where nothing resolves today, there is no "
    "set to read."
)
_SAYS = frozenset({Resolution.RESOLVED, Resolution.UNRESOLVABLE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What a verl release says about an engine outside its metadata."""

    verl: str
    engine: str
    kind: str
    """``docs``, ``image``, ``ci`` or ``script``."""
    versions: tuple[str, ...]
    specifier: SpecifierSet | None
    says: str | None
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Declared against true, for one verl release and one engine."""

    verl: str
    engine: str
    declared: SpecifierSet | None
    """None if no metadata of the release names the engine."""
    stated: tuple[Statement, ...]
    gated: SpecifierSet | None
    """What the code refuses to run without; None if there is no gate."""
    known: tuple[str, ...]
    """Every release of the engine, oldest first."""
    resolves: Mapping[Form, tuple[str, ...]]
    """Releases that resolve today, by what is typed."""
    asked: Mapping[Form, tuple[str, ...]]
    """Releases about which the ledger says anything; the others are untested."""
    has_extra: bool = True
    """False if its metadata declares no extra of the engine's name."""
    imports: Mapping[str, str] = field(default_factory=dict)
    """Release to what verl's own imports from it come to: ``passed``, ``failed``, ``unknown``, or
    ``partly`` where some roles pass; releases that nobody read are not in it."""
    imports_today: Mapping[str, str] = field(default_factory=dict)
    """The same of the whole set that resolves today, the extra's where both do."""
    loads_today: Mapping[str, str] = field(default_factory=dict)
    """What the symbols of the engine come to with the torch of that set."""
    disagreements: tuple[str, ...] = ()


def make_rows(
    axes: Mapping[str, Axis],
    facts: Iterable[Fact],
    *,
    python: str = "3.12",
    glibc: str = "2.35",
    rungs: SpaceRungs | None = None,
) -> list[Row]:
    """Return the rows of all verl releases, for one Python and C library.

    Args:
        axes: The axes verl, vllm and sglang, with what discovery found.
        facts: The ledger's facts; only those of today are used.
        python: See above.
        glibc: See above.
        rungs: What static reading says about sets of versions; None where nobody read.
    """
    answers: dict[tuple[str, str, Form], dict[str, Fact]] = {}
    for fact in facts:
        cell = fact.cell
        if cell.when is When.TODAY and (cell.python, cell.glibc) == (python, glibc):
            key = (cell.verl, cell.engine, cell.form)
            answers.setdefault(key, {})[cell.release] = fact
    rows = []
    for value in sorted(axes["verl"].values, key=lambda each: Version(each.text)):
        for engine in ("vllm", "sglang"):
            known = tuple(sorted((each.text for each in axes[engine].values), key=Version))
            found = {form: answers.get((value.text, engine, form), {}) for form in Form}
            row = _make_row(value, engine, known=known, found=found)
            rows.append(_with_disagreements(_with_rungs(row, found, rungs or SpaceRungs(()))))
    return rows


def _make_row(
    value: AxisValue,
    engine: str,
    *,
    known: tuple[str, ...],
    found: Mapping[Form, Mapping[str, Fact]],
) -> Row:
    """Return the row of a verl release as far as metadata, statements and resolver tell it."""
    pins, extras = (value.facts or {}).get("pins", ()), (value.facts or {}).get("extras")
    told = {
        form: {version: fact.resolution for version, fact in facts.items()}
        for form, facts in found.items()
    }
    return Row(
        verl=value.text,
        engine=engine,
        declared=_declared(pins if isinstance(pins, list) else (), engine),
        has_extra=engine in extras if isinstance(extras, list) else True,
        stated=tuple(
            each for each in load_statements() if (each.verl, each.engine) == (value.text, engine)
        ),
        gated=_gate(value.text, engine),
        known=known,
        resolves={form: _which(known, told[form], Resolution.RESOLVED) for form in Form},
        asked={form: tuple(v for v in known if told[form].get(v) in _SAYS) for form in Form},
    )


def _with_rungs(row: Row, found: Mapping[Form, Mapping[str, Fact]], rungs: SpaceRungs) -> Row:
    """Return *row* with what static reading says about verl's imports and today's sets."""
    facts = _resolved(found)
    pairs = {
        version: rungs.imports({"verl": row.verl, row.engine: version}) for version in row.known
    }
    return replace(
        row,
        imports={version: _word(fact) for version, fact in pairs.items() if fact is not None},
        imports_today=_of_sets(facts, rungs.imports),
        loads_today=_of_sets(facts, rungs.loads),
    )


def _of_sets(
    facts: Mapping[str, Fact], ask: Callable[[Mapping[str, str]], RungFact | None]
) -> dict[str, str]:
    found = {version: ask(fact.axes) for version, fact in facts.items()}
    # A line about the pair alone says nothing about the rest of the set.
    return {
        version: _word(fact)
        for version, fact in found.items()
        if fact is not None and "torch" in fact.versions
    }


def _resolved(found: Mapping[Form, Mapping[str, Fact]]) -> dict[str, Fact]:
    """Return the resolved facts by release, the extra's before the bare pair's."""
    return {
        version: fact
        for form in (Form.BARE, Form.EXTRA)
        for version, fact in found[form].items()
        if fact.resolution is Resolution.RESOLVED
    }


def _word(fact: RungFact) -> str:
    some = fact.outcome == "failed" and "passed" in fact.roles.values()
    return "partly" if some else fact.outcome


@cache
def load_statements() -> tuple[Statement, ...]:
    """Return the statements shipped with this module."""
    body = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    return tuple(
        Statement(
            verl=each["verl"],
            engine=each["engine"],
            kind=each["kind"],
            versions=tuple(each.get("versions", ())),
            specifier=SpecifierSet(each["specifier"]) if "specifier" in each else None,
            says=each.get("says"),
            source=each["source"],
        )
        for each in body["statements"]
    )


def spans(versions: Sequence[str], *, known: Sequence[str]) -> str:
    """Return *versions* as ranges over the *known* ones: ``0.8.5-0.14.0, 0.16.0``."""
    chosen, parts, start = set(versions), [], None
    for index, version in enumerate(known):
        if version not in chosen:
            continue
        if start is None:
            start = version
        following = known[index + 1] if index + 1 < len(known) else None
        if following not in chosen:
            parts.append(start if start == version else f"{start}-{version}")
            start = None
    return ", ".join(parts) or "none"


def _declared(pins: Sequence[str], engine: str) -> SpecifierSet | None:
    for pin in pins:
        try:
            requirement = Requirement(pin)
        except InvalidRequirement:
            continue
        if canonicalize_name(requirement.name) == engine:
            return requirement.specifier
    return None


def _gate(verl: str, engine: str) -> SpecifierSet | None:
    for fact in load_facts():
        applies = fact.kind == "gate" and engine in fact.needs and set(fact.when) == {"verl"}
        if applies and fact.when["verl"].contains(verl, prereleases=True):
            return fact.needs[engine]
    return None


def _which(
    known: Sequence[str], told: Mapping[str, Resolution], resolution: Resolution
) -> tuple[str, ...]:
    return tuple(version for version in known if told.get(version) is resolution)


def _with_disagreements(row: Row) -> Row:
    return replace(row, disagreements=tuple(_disagreements(row)))


def _disagreements(row: Row) -> list[str]:
    """Return a sentence for each pair of columns that contradict each other."""
    told = [*_unresolvable(row), *_refused(row), *_unimportable(row)]
    for statement in row.stated:
        told += _unmet(statement, row)
    return list(dict.fromkeys(told))


def _unresolvable(row: Row) -> list[str]:
    asked = row.asked[Form.EXTRA]
    if row.declared is None or not asked:
        return []
    resolved = set(row.resolves[Form.EXTRA])
    declared = [each for each in _within(row.known, row.declared) if each in asked]
    if not declared:
        return []
    if not resolved:
        return [f"nobody can install verl[{row.engine}]: no declared release resolves"]
    dead = [each for each in declared if each not in resolved]
    return [f"declared but unresolvable: {spans(dead, known=row.known)}"] if dead else []


def _refused(row: Row) -> list[str]:
    if row.gated is None or row.declared is None:
        return []
    refused = [
        each
        for each in _within(row.known, row.declared)
        if not row.gated.contains(each, prereleases=True)
    ]
    return [f"declared but refused by the code: {spans(refused, known=row.known)}"] * bool(refused)


def _unimportable(row: Row) -> Iterator[str]:
    """Yield what resolves, or is declared, although names or symbols are missing."""
    declared = [] if row.declared is None else _within(row.known, row.declared)
    for word, listed, outcomes in (
        ("declared but names are missing", declared, row.imports),
        ("resolves today but does not import", row.known, row.imports_today),
        ("resolves today but does not load", row.known, row.loads_today),
    ):
        failed = [each for each in listed if outcomes.get(each) == "failed"]
        if failed:
            yield f"{word}: {spans(failed, known=row.known)}"


def _unmet(statement: Statement, row: Row) -> Iterator[str]:
    """Yield how the metadata contradicts *statement*."""
    for version in statement.versions:
        where = f"{statement.kind} names {version}"
        if row.declared is not None and version not in row.declared:
            yield f"{where}, which the metadata excludes"
        if version in row.asked[Form.BARE] and version not in row.resolves[Form.BARE]:
            yield f"{where}, which does not resolve"
    if statement.specifier is None or row.declared is None:
        return
    declared = _within(row.known, row.declared)
    promised = [each for each in _within(row.known, statement.specifier) if each not in declared]
    if promised:
        listed = spans(promised, known=row.known)
        yield f"{statement.kind} says {statement.says}, the metadata excludes {listed}"


def _within(known: Sequence[str], specifier: SpecifierSet | None) -> list[str]:
    if specifier is None:
        return []
    return [version for version in known if specifier.contains(version, prereleases=True)]


def render_markdown(rows: Iterable[Row], *, day: str, python: str, glibc: str) -> str:
    """Return the table as Markdown."""
    scope = f"Python {python}, glibc {glibc}, as of {day}."
    columns = ["verl", "engine", "declared", "documented", "gated", "extra resolves"]
    columns += ["bare resolves", "verl's imports from it", "today's set imports"]
    columns += ["today's set loads", "disagreements"]
    lines = [
        "# Declared against true",
        "",
        f"{scope} `extra` is `verl[engine]==X engine==Y`, `bare` is `verl==X engine==Y`.",
        "",
        _LEGEND,
        "",
        f"| {' | '.join(columns)} |",
        "|---" * len(columns) + "|",
    ]
    lines += [_line(row) for row in rows]
    return "\n".join(lines) + "\n"


def _line(row: Row) -> str:
    stated = "; ".join(
        f"{each.kind} {', '.join(each.versions) or each.says}" for each in row.stated
    )
    declared = "-" if row.declared is None else (str(row.declared) or "any")
    cells = [
        row.verl,
        row.engine,
        f"`{declared}`",
        stated or "-",
        f"`{row.gated}`" if row.gated is not None else "-",
        _resolves(row, Form.EXTRA),
        _resolves(row, Form.BARE),
        _outcomes(row.imports, row),
        _outcomes(row.imports_today, row),
        _outcomes(row.loads_today, row),
        "; ".join(row.disagreements[:_SHOWN]) or "none seen",
    ]
    return "| " + " | ".join(cells) + " |"


def _outcomes(outcomes: Mapping[str, str], row: Row) -> str:
    """Return the releases by outcome; those that fail are the ones not named."""
    if not outcomes:
        return "untested"
    parts = []
    for word, label in (("passed", ""), ("partly", "some roles "), ("unknown", "undecided ")):
        listed = [each for each in row.known if outcomes.get(each) == word]
        parts += [f"{label}{spans(listed, known=row.known)}"] * bool(listed)
    return "; ".join(parts) or "none"


def _resolves(row: Row, form: Form) -> str:
    if form is Form.EXTRA and not row.has_extra:
        return "no such extra"
    if not row.asked[form]:
        return "untested"
    told = spans(row.resolves[form], known=row.known)
    untested = len(row.known) - len(row.asked[form])
    return f"{told} ({untested} untested)" if untested else told
