"""Rows of the tables that people read: a verl release each, an extension wheel each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_verlcompat.model.outcome import Rung
from pytest_verlcompat.report.inert import bounded
from pytest_verlcompat.report.site_plots import render_strip
from pytest_verlcompat.report.site_records import version_order
from pytest_verlcompat.resolve.question import Resolution

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from markupsafe import Markup

    from pytest_verlcompat.report.assemble import Report
    from pytest_verlcompat.report.site_inputs import Declared, SiteInputs
    from pytest_verlcompat.report.site_space import Place, Space

PYTHON, GLIBC = "3.12", "2.35"
"""The slice that the row of a release is about."""

ENGINES = {"vllm": "vLLM", "sglang": "SGLang"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """The row of one verl release and one engine."""

    verl: str
    engine: str
    said: Declared | None
    extra: str
    """Engine releases that resolve as ``verl[engine]``, as ranges."""
    bare: str
    imports: str
    loads: str
    runs: tuple[tuple[str, str, str], ...]
    """Engine release, word and cell id of what was installed."""
    strip: Markup


def make_releases(report: Report, inputs: SiteInputs) -> list[Release]:
    """Return the rows, newest verl first, vLLM before SGLang."""
    said = {(each.verl, each.engine): each for each in inputs.declared}
    groups: dict[tuple[str, str], list[Place]] = {}
    known: dict[str, set[str]] = {}
    for place in report.space.places:
        cell = place.cell
        known.setdefault(cell.engine, set()).add(cell.release)
        groups.setdefault((cell.verl, cell.engine), [])
        if (cell.python, cell.glibc, cell.when.value) == (PYTHON, GLIBC, "today"):
            groups[cell.verl, cell.engine].append(place)
    ordered = {engine: sorted(found, key=version_order) for engine, found in known.items()}
    keys = sorted({*groups, *said}, key=lambda each: (version_order(each[0]), each[1]))
    return [
        _release(
            report,
            key=key,
            said=said.get(key),
            places=groups.get(key, []),
            known=ordered.get(key[1], []),
        )
        for key in reversed(keys)
    ]


def ranges(chosen: Iterable[str], known: Sequence[str]) -> str:
    """Return *chosen* as ranges over the *known* releases: ``0.8.5 to 0.14.0, 0.16.0``."""
    wanted, parts, run = set(chosen), [], list[str]()
    for version in [*known, ""]:
        if version in wanted:
            run.append(version)
        elif run:
            parts.append(run[0] if len(run) == 1 else f"{run[0]} to {run[-1]}")
            run = []
    return ", ".join(parts)


def _release(
    report: Report,
    *,
    key: tuple[str, str],
    said: Declared | None,
    places: Sequence[Place],
    known: Sequence[str],
) -> Release:
    verl, engine = key

    def where(test: Callable[[Place], bool]) -> str:
        return ranges((each.cell.release for each in places if test(each)), known)

    def resolved(form: str) -> str:
        return where(
            lambda each: (
                each.cell.form.value == form and each.fact.resolution is Resolution.RESOLVED
            )
        )

    return Release(
        verl=verl,
        engine=engine,
        said=said,
        extra=resolved("extra"),
        bare=resolved("bare"),
        imports=_rung(places, known, Rung.IMPORTS),
        loads=_rung(places, known, Rung.LOADS),
        runs=tuple(_runs(report, verl, engine)),
        strip=render_strip(places, known, label=f"verl {verl}, {ENGINES[engine]}"),
    )


def _rung(places: Iterable[Place], known: Sequence[str], rung: Rung) -> str:
    """Return the releases whose names or symbols are all there; empty where none is known."""
    facts = {
        each.cell.release: fact
        for each in places
        if (fact := each.imports if rung is Rung.IMPORTS else each.loads) is not None
    }
    passed = ranges((name for name, fact in facts.items() if fact.outcome == "passed"), known)
    said = any(fact.outcome in {"passed", "failed"} for fact in facts.values())
    return passed or ("none" if said else "")


def _runs(report: Report, verl: str, engine: str) -> Iterable[tuple[str, str, str]]:
    for each in report.cells:
        versions = {**each.cell.values, **each.versions}
        tried = any(record.rung.order >= Rung.CPU.order for record in each.records)
        if tried and versions.get("verl") == verl and engine in versions:
            yield versions[engine], each.verdict.kind.value, each.cell.id


def make_extensions(figure: Mapping[str, Any]) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the torch releases and a table of wheels for each distribution."""
    torches = [str(each) for each in figure.get("torch", ())]
    tables: dict[str, list[dict[str, Any]]] = {}
    for row in figure.get("rows", ()):
        fits = set(map(str, row.get("fits", ())))
        crashes = set(map(str, row.get("crashes", ())))
        marks = [_fit(torch, fits, crashes) for torch in torches]
        tables.setdefault(str(row.get("distribution", "")), []).append(
            {
                "version": bounded(str(row.get("version", "")), 60),
                "day": str(row.get("uploaded", ""))[:10],
                "pin": bounded(str(row.get("torch_pin") or ""), 60),
                "cuda": ", ".join(map(str, row.get("cuda") or ())),
                "glibc": str(row.get("glibc") or ""),
                "marks": marks,
            }
        )
    shown = [
        {"name": name, "rows": list(reversed(rows)), "columns": _columns(rows, torches)}
        for name, rows in tables.items()
    ]
    return torches, shown


def _fit(torch: str, fits: set[str], crashes: set[str]) -> tuple[str, str]:
    """Return mark and word: loads, crashes although it loads, or a symbol is missing."""
    if torch in crashes:
        return "!", "crashes"
    return ("✔", "loads") if torch in fits else ("✘", "missing")


def _columns(rows: Sequence[Mapping[str, Any]], torches: Sequence[str]) -> list[int]:
    """Return the places of those torch releases that any of the *rows* loads with."""
    return [
        index
        for index in reversed(range(len(torches)))
        if any(row["marks"][index][1] != "missing" for row in rows)
    ]


def make_rot(space: Space) -> list[dict[str, Any]]:
    """Return the pairs that were sound on their release day, the first to turn first."""
    rows = []
    for line in space.timelines:
        engine = "vllm" if "vllm" in line else "sglang"
        turns = [
            {
                "fault": bounded(str(turn["fault"]), 80),
                "day": str(turn["day"])[:10],
                "culprits": [bounded(str(each), 120) for each in turn.get("culprits", ())][:3],
                "others": turn.get("others", 0),
            }
            for turn in line.get("turns", ())
        ]
        rows.append(
            {
                "pair": bounded(f"verl {line['verl']} + {ENGINES[engine]} {line[engine]}", 80),
                "python": str(line["python"])[:8],
                "address": _address(line, engine),
                "born": str(line["born"])[:10],
                "today": str(line["today"])[:10],
                "turns": turns,
                "unknown": bool(line.get("unknown")),
            }
        )
    return sorted(rows, key=_turned)


def make_turns(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what turned: a row for each day, fault and culprit, with the pairs it took."""
    groups: dict[tuple[str, str, tuple[str, ...]], list[Mapping[str, Any]]] = {}
    for row in rows:
        for turn in row["turns"]:
            key = (turn["day"], turn["fault"], tuple(turn["culprits"]))
            groups.setdefault(key, []).append(row)
    return [
        {"day": day, "fault": fault, "culprits": culprits, "pairs": pairs}
        for (day, fault, culprits), pairs in sorted(groups.items(), key=lambda each: each[0])
    ]


def _turned(row: Mapping[str, Any]) -> tuple[bool, str, str]:
    return not row["turns"], row["turns"][0]["day"] if row["turns"] else "", row["pair"]


def _address(line: Mapping[str, Any], engine: str) -> str:
    return bounded(
        f"verl{line['verl']}-{engine}{line[engine]}-{line['form']}"
        f"-python{line['python']}-glibc{line['glibc']}-today",
        200,
    )
