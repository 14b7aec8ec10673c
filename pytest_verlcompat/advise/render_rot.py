"""Render timelines: who rotted when and why, compactly, and a line a pair for machines."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from packaging.version import Version

from pytest_verlcompat.advise.declared import spans
from pytest_verlcompat.advise.rot import Timeline, Turn
from pytest_verlcompat.checks.resolution_facts import load_facts
from pytest_verlcompat.errors import EvidenceError
from pytest_verlcompat.resolve.lines import read_lines
from pytest_verlcompat.resolve.space import Form, SpaceCell, When

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from pytest_verlcompat.checks.resolution_facts import UnstatedRequirement

_SHOWN = 3


def render_markdown(timelines: Iterable[Timeline], *, known: Mapping[str, Sequence[str]]) -> str:
    """Return the timelines as Markdown: counts, then a row per turn and all pairs it hit.

    Args:
        timelines: All of them.
        known: Every release of each engine, oldest first, so that neighbours become ranges.
    """
    listed = list(timelines)
    rotten = [each for each in listed if each.turns]
    lines = ["# Rot", ""]
    lines.append(
        f"{len(listed)} pairs resolved to a set when they came out; {len(rotten)} of them have "
        "something broken today that was not there then. A timeline per pair is in `rot.jsonl`."
    )
    lines += ["", *_counts(listed), "", *_imports(listed), *_turns(rotten, known)]
    unknown = [each for each in listed if each.unknown]
    if unknown:
        lines += ["", f"{len(unknown)} pairs could not be judged: {unknown[0].unknown}"]
    return "\n".join(lines) + "\n"


def _counts(timelines: Sequence[Timeline]) -> list[str]:
    kinds: dict[tuple[str, str, str], Counter[str]] = {}
    for each in timelines:
        key = (each.cell.engine, each.cell.form.value, each.cell.python)
        kinds.setdefault(key, Counter())[_word(each)] += 1
    words = ("rotted", "broken from the first day", "as it was", "unknown")
    lines = [f"| engine | form | python | {' | '.join(words)} |", "|---" * (3 + len(words)) + "|"]
    return lines + [
        f"| {' | '.join(key)} | {' | '.join(str(counts[word]) for word in words)} |"
        for key, counts in sorted(kinds.items())
    ]


def _imports(timelines: Sequence[Timeline]) -> list[str]:
    """Return how many pairs found their names on the first day and find them today."""
    counts = Counter(each.imports for each in timelines if any(each.imports))
    if not counts:
        return []
    lines = ["Whether verl finds all names it imports in the set, read from wheels:", ""]
    lines += ["| first day | today | pairs |", "|---|---|---|"]
    lines += [
        f"| {first or 'untested'} | {last or 'untested'} | {count} |"
        for (first, last), count in sorted(counts.items(), key=lambda each: -each[1])
    ]
    return [*lines, ""]


def _word(timeline: Timeline) -> str:
    if timeline.unknown:
        return "unknown"
    if timeline.turns:
        return "rotted"
    return "broken from the first day" if timeline.born_with else "as it was"


def _turns(rotten: Sequence[Timeline], known: Mapping[str, Sequence[str]]) -> list[str]:
    """Return a row per day, fault and culprit; pairs that differ in Python or form alone join."""
    rows: dict[tuple[dt.date, str, str], dict[tuple[str, str], set[tuple[str, str, str]]]] = {}
    for each in rotten:
        cell = each.cell
        for turn in each.turns:
            key = (turn.day, turn.fault, "; ".join(turn.culprits[:_SHOWN]) or "-")
            how = (cell.python, cell.form.value)
            pair = (cell.verl, cell.engine, cell.release)
            rows.setdefault(key, {}).setdefault(how, set()).add(pair)
    lines = ["| turned | fault | what came out | pairs | which |", "|---" * 5 + "|"]
    for (day, fault, culprit), hit in sorted(rows.items()):
        count = sum(map(len, hit.values()))
        lines.append(f"| {day} | {fault} | {culprit} | {count} | {_which(hit, known)} |")
    met = {fault for _day, fault, _culprit in rows}
    lines += ["", "| fault | what is wrong |", "|---|---|"]
    told = {fact.id: _needs(fact) for fact in reversed(load_facts()) if fact.id in met}
    return lines + [f"| {fault} | {text} |" for fault, text in sorted(told.items())]


def _needs(fact: UnstatedRequirement) -> str:
    asked = ", ".join(f"{name}{versions}" for name, versions in fact.needs.items())
    return f"needs {asked}, which no metadata states: {fact.effect}"


def _which(
    hit: Mapping[tuple[str, str], set[tuple[str, str, str]]],
    known: Mapping[str, Sequence[str]],
) -> str:
    """Return the pairs as ranges of engine releases, with the Pythons and forms they share."""
    groups: dict[tuple[str, str, tuple[str, ...]], list[tuple[str, str]]] = {}
    for how, pairs in hit.items():
        by_verl: dict[tuple[str, str], list[str]] = {}
        for verl, engine, release in pairs:
            by_verl.setdefault((verl, engine), []).append(release)
        for (verl, engine), releases in by_verl.items():
            found = tuple(sorted(releases, key=Version))
            groups.setdefault((verl, engine, found), []).append(how)
    parts = []
    for (verl, engine, found), hows in sorted(
        groups.items(), key=lambda each: (Version(each[0][0]), each[0][1:])
    ):
        pythons = ", ".join(sorted({python for python, _ in hows}, key=Version))
        forms = ", ".join(sorted({form for _, form in hows}))
        ranges = spans(found, known=known.get(engine, found))
        parts.append(f"verl {verl} {engine} {ranges} ({forms}; {pythons})")
    return "; ".join(parts)


def render_line(timeline: Timeline, *, rules: str) -> str:
    """Return *timeline* as one JSON line for a machine.

    Args:
        timeline: See there.
        rules: Digest of the rules that judged it.
    """
    cell = timeline.cell
    body = {
        "verl": cell.verl,
        cell.engine: cell.release,
        "form": cell.form.value,
        "python": cell.python,
        "glibc": cell.glibc,
        "born": timeline.born.isoformat(),
        "today": timeline.today.isoformat(),
        "sets": list(timeline.sets) if any(timeline.sets) else None,
        "rules": rules,
        "imports": list(timeline.imports) if any(timeline.imports) else None,
        "born_with": list(timeline.born_with),
        "mended": list(timeline.mended),
        "turns": [
            {
                "fault": turn.fault,
                "day": turn.day.isoformat(),
                "culprits": list(turn.culprits),
                "others": turn.others,
            }
            for turn in timeline.turns
        ],
        "unknown": timeline.unknown,
    }
    kept = {key: value for key, value in body.items() if value not in (None, [])}
    return json.dumps(kept, separators=(",", ":"), ensure_ascii=False)


def load_timelines(path: Path, *, rules: str) -> dict[SpaceCell, Timeline]:
    """Return the timelines that *path* holds under the same *rules*; sentences are not kept.

    Raises:
        EvidenceError: If a line is not one of ours.
    """
    found: dict[SpaceCell, Timeline] = {}
    for number, line in read_lines(path) if path.exists() else ():
        try:
            body = json.loads(line)
            cell = _cell(body)
            if body.get("rules") == rules and "sets" in body:
                found[cell] = _timeline(body)
        except (ValueError, KeyError, TypeError) as error:
            raise EvidenceError(
                f"not a timeline: {error!r}", where=f"{path.name}:{number}"
            ) from error
    return found


def _timeline(body: Mapping[str, Any]) -> Timeline:
    first, last = body["sets"]
    then, now = body.get("imports", (None, None))
    turns = (
        Turn(
            fault=turn["fault"],
            day=dt.date.fromisoformat(turn["day"]),
            culprits=tuple(turn["culprits"]),
            others=turn["others"],
            sentence="",
        )
        for turn in body.get("turns", ())
    )
    return Timeline(
        cell=_cell(body),
        born=dt.date.fromisoformat(body["born"]),
        today=dt.date.fromisoformat(body["today"]),
        turns=tuple(turns),
        born_with=tuple(body.get("born_with", ())),
        mended=tuple(body.get("mended", ())),
        sets=(first, last),
        imports=(then, now),
    )


def _cell(body: Mapping[str, Any]) -> SpaceCell:
    engine = "vllm" if "vllm" in body else "sglang"
    return SpaceCell(
        verl=body["verl"],
        engine=engine,
        release=body[engine],
        form=Form(body["form"]),
        python=body["python"],
        glibc=body["glibc"],
        when=When.RELEASE,
    )
