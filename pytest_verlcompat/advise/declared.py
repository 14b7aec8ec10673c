"""One row per verl release: what it declares, says, gates, and what resolves; who disagrees.

Nothing here asks an index: rows are made from the axes, the ledger of the space, and the
statements kept in ``declared.toml`` with their sources.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from pytest_verlcompat.checks.resolution_facts import load_facts
from pytest_verlcompat.resolve.question import Resolution
from pytest_verlcompat.resolve.space import Form, When

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_verlcompat.model.axis import Axis
    from pytest_verlcompat.resolve.ledger import Fact

_FILE = Path(__file__).with_suffix(".toml")
_SHOWN = 6
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
    imports: tuple[str, ...] | None
    """Releases whose names verl finds; None while no such evidence exists."""
    disagreements: tuple[str, ...]


def make_rows(
    axes: Mapping[str, Axis],
    facts: Iterable[Fact],
    *,
    python: str = "3.12",
    glibc: str = "2.35",
    imports: Mapping[tuple[str, str], tuple[str, ...]] | None = None,
) -> list[Row]:
    """Return the rows of all verl releases, for one Python and C library.

    Args:
        axes: The axes verl, vllm and sglang, with what discovery found.
        facts: The ledger's facts; only those of today are used.
        python: See above.
        glibc: See above.
        imports: Releases that import, by verl release and engine, once rung 2 exists.
    """
    answers: dict[tuple[str, str, Form], dict[str, Resolution]] = {}
    for fact in facts:
        cell = fact.cell
        if cell.when is When.TODAY and (cell.python, cell.glibc) == (python, glibc):
            key = (cell.verl, cell.engine, cell.form)
            answers.setdefault(key, {})[cell.release] = fact.resolution
    statements = load_statements()
    rows = []
    for value in sorted(axes["verl"].values, key=lambda each: Version(each.text)):
        pins = (value.facts or {}).get("pins", ())
        for engine in ("vllm", "sglang"):
            known = tuple(sorted((each.text for each in axes[engine].values), key=Version))
            told = {form: answers.get((value.text, engine, form), {}) for form in Form}
            row = Row(
                verl=value.text,
                engine=engine,
                declared=_declared(pins if isinstance(pins, list) else (), engine),
                stated=tuple(
                    each for each in statements if (each.verl, each.engine) == (value.text, engine)
                ),
                gated=_gate(value.text, engine),
                known=known,
                resolves={form: _which(known, told[form], Resolution.RESOLVED) for form in Form},
                asked={
                    form: tuple(v for v in known if told[form].get(v) in _SAYS) for form in Form
                },
                imports=(imports or {}).get((value.text, engine)),
                disagreements=(),
            )
            rows.append(_with_disagreements(row))
    return rows


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
    told = [*_unresolvable(row), *_refused(row)]
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
    columns += ["bare resolves", "imports", "disagreements"]
    lines = [
        "# Declared against true",
        "",
        f"{scope} `extra` is `verl[engine]==X engine==Y`, `bare` is `verl==X engine==Y`.",
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
        spans(row.imports, known=row.known) if row.imports is not None else "untested",
        "; ".join(row.disagreements[:_SHOWN]) or "none seen",
    ]
    return "| " + " | ".join(cells) + " |"


def _resolves(row: Row, form: Form) -> str:
    if not row.asked[form]:
        return "untested"
    told = spans(row.resolves[form], known=row.known)
    untested = len(row.known) - len(row.asked[form])
    return f"{told} ({untested} untested)" if untested else told
