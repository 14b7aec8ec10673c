"""Turn the judged space into the data files that the pages load as scripts.

A page opened from a file may load a script beside it and may not fetch, so data are scripts
with one call. Everything in them is bounded text and numbers; the pages show it as text.

``data/space.js`` holds one character a cell, which is enough for the grid and its filters;
``data/verl-<version>.js`` holds what is known about the cells of one verl release.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from pytest_verlcompat.model.outcome import Rung
from pytest_verlcompat.report.inert import bounded
from pytest_verlcompat.report.site_records import version_order
from pytest_verlcompat.report.site_space import WORDS
from pytest_verlcompat.report.words import rung_state
from pytest_verlcompat.resolve.question import Resolution

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pytest_verlcompat.report.site_space import Place, Space
    from pytest_verlcompat.store.space_rungs import MissingName, MissingSymbol, RungFact

FIRST_CODE = 0x100
"""State 0 is this character; from there on nothing needs an escape in a script."""

_LISTED = 12
_ROTTEN, _INSTALLED = 1, 2


class Numbers:
    """Gives equal values one number, in the order in which they first come."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._known: dict[str, int] = {}

    def __call__(self, value: Any) -> int:  # noqa: ANN401 -- any JSON value
        """Return the number of *value*."""
        key = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
        number = self._known.setdefault(key, len(self.values))
        if number == len(self.values):
            self.values.append(value)
        return number


def render_space(
    space: Space,
    *,
    snapshot: str,
    released: Mapping[str, Mapping[str, str]],
    runtimes: Mapping[str, Mapping[str, str]],
    needs: Mapping[str, str],
    effects: Mapping[str, str],
) -> dict[str, str]:
    """Return file name to text of the data files.

    Args:
        released: Distribution to version to the day on which it could be installed.
        runtimes: CUDA runtime of each torch release, least driver of each CUDA major.
        needs: Trap code to what would avoid it.
        effects: Trap code to what happens.
    """
    verls = _sorted({each.cell.verl for each in space.places})
    engines = sorted(
        {(each.cell.engine, each.cell.release) for each in space.places},
        key=lambda each: (each[0] != "vllm", each[0], version_order(each[1])),
    )
    slices = sorted({_slice(each) for each in space.places}, key=_slice_order)
    torches = Numbers()
    states = Numbers()
    grid = _grid(
        space.places,
        verls=verls,
        engines=engines,
        slices=slices,
        state=lambda place: states(_state(place, torches)),
    )
    body = {
        **_names(verls, engines, released=released),
        "snapshot": snapshot,
        "words": WORDS,
        "rungs": [rung.value for rung in Rung],
        "slices": slices,
        "torches": torches.values,
        "cuda": runtimes.get("runtime_cuda", {}),
        "drivers": runtimes.get("least_driver", {}),
        "gpuFrom": runtimes.get("gpu_from", {}),
        "gpuBefore": runtimes.get("gpu_before", {}),
        "needs": _bounded(needs),
        "effects": _bounded(effects),
        "today": max((str(each.fact.as_of) for each in space.places), default=""),
        "states": states.values,
        "grid": grid,
        "first": FIRST_CODE,
    }
    files = {"data/space.js": render_script("space", body)}
    of_verl: dict[str, list[Place]] = {verl: [] for verl in verls}
    for place in space.places:
        of_verl[place.cell.verl].append(place)
    for verl, places in of_verl.items():
        files[f"data/{detail_name(verl)}"] = render_script(
            "detail", _details(verl, places, engines=engines, slices=slices)
        )
    return files


def _names(
    verls: Sequence[str],
    engines: Sequence[tuple[str, str]],
    *,
    released: Mapping[str, Mapping[str, str]],
) -> dict[str, Any]:
    """Return the releases along both sides of the grid, and the data file of each verl."""
    return {
        "verls": [[each, released.get("verl", {}).get(each, "")] for each in verls],
        "engines": [
            [name, version, released.get(name, {}).get(version, "")] for name, version in engines
        ],
        "files": {verl: detail_name(verl) for verl in verls},
    }


def detail_name(verl: str) -> str:
    """Return the name of the data file of a verl release."""
    return f"verl-{re.sub(r'[^a-z0-9.]+', '-', verl.lower())[:40]}.js"


def _bounded(texts: Mapping[str, str]) -> dict[str, str]:
    return {name: bounded(text) for name, text in sorted(texts.items())}


def _sorted(versions: Iterable[str]) -> list[str]:
    return sorted(versions, key=version_order)


def _slice(place: Place) -> tuple[str, str, str, str]:
    cell = place.cell
    return cell.python, cell.glibc, cell.when.value, cell.form.value


def _slice_order(each: tuple[str, str, str, str]) -> tuple[Any, ...]:
    return version_order(each[0]), version_order(each[1]), each[2:]


def _state(place: Place, torches: Numbers) -> list[int]:
    """Return word, highest rung, torch and flags as small numbers; -1 is unknown."""
    torch = place.fact.axes.get("torch")
    flags = _ROTTEN * bool(place.turns) + _INSTALLED * (place.installed is not None)
    return [
        WORDS.index(place.word),
        place.highest.order if place.highest is not None else -1,
        torches(bounded(torch, 40)) if torch else -1,
        flags,
    ]


def _grid(
    places: Iterable[Place],
    *,
    verls: Sequence[str],
    engines: Sequence[tuple[str, str]],
    slices: Sequence[tuple[str, str, str, str]],
    state: Callable[[Place], int],
) -> list[str]:
    """Return a text a slice, engine by engine and verl within; a blank is not recorded."""
    column = {verl: index for index, verl in enumerate(verls)}
    row = {engine: index for index, engine in enumerate(engines)}
    texts = {each: [" "] * (len(verls) * len(engines)) for each in slices}
    for place in places:
        at = row[place.cell.engine, place.cell.release] * len(verls) + column[place.cell.verl]
        texts[_slice(place)][at] = chr(FIRST_CODE + state(place))
    return ["".join(texts[each]) for each in slices]


def _details(
    verl: str,
    places: Iterable[Place],
    *,
    engines: Sequence[tuple[str, str]],
    slices: Sequence[tuple[str, str, str, str]],
) -> dict[str, Any]:
    texts, rungs, bodies, days, rows = Numbers(), Numbers(), Numbers(), Numbers(), Numbers()
    row = {engine: index for index, engine in enumerate(engines)}
    lines: dict[tuple[str, str, str, str], tuple[list[int], list[int]]] = {}
    known: dict[tuple[Any, ...], int] = {}
    for place in places:
        key = _likeness(place)
        if key not in known:
            known[key] = bodies(_body(place, texts=texts, rungs=rungs))
        body_of, day_of = lines.setdefault(
            _slice(place), ([-1] * len(engines), [-1] * len(engines))
        )
        at = row[place.cell.engine, place.cell.release]
        body_of[at] = known[key]
        day_of[at] = days(str(place.fact.as_of or ""))
    return {
        "verl": verl,
        "texts": texts.values,
        "rungs": rungs.values,
        "days": days.values,
        "bodies": bodies.values,
        "cells": [
            [index, rows(lines[each][0]), rows(lines[each][1])]
            for index, each in enumerate(slices)
            if each in lines
        ],
        "rows": rows.values,
    }


def _likeness(place: Place) -> tuple[Any, ...]:
    """Return what is equal only for places of which the same is known."""
    fact = place.fact
    return (
        fact.resolution,
        fact.resolver,
        fact.derived,
        fact.why,
        fact.between,
        fact.set_digest,
        tuple(fact.axes.items()),
        fact.cell.engine,
        place.word,
        place.opposed,
        place.failed,
        place.conditions,
        place.traps,
        # Records live as long as the space does.
        id(place.imports),
        id(place.loads),
        id(place.installed),
        tuple(map(id, place.turns)),
    )


def _body(place: Place, *, texts: Numbers, rungs: Numbers) -> dict[str, Any]:
    """Return what is known about one cell; texts and rungs are numbers, nothing is empty."""
    fact = place.fact

    def numbered(values: Iterable[str]) -> list[int]:
        return [texts(bounded(each)) for each in list(values)[:_LISTED]]

    body = {
        "resolution": numbered([fact.resolution.value])[0],
        "resolver": numbered([fact.resolver])[0],
        "failed": place.failed.order if place.failed is not None else None,
        "derived": numbered([fact.derived])[0] if fact.derived else None,
        "opposed": numbered([place.opposed])[0] if place.opposed else None,
        "why": numbered(fact.why),
        "between": numbered(fact.between),
        "axes": [
            [texts(name), texts(bounded(version, 60))]
            for name, version in sorted(fact.axes.items())
            if name not in {"verl", fact.cell.engine}
        ]
        if fact.resolution is Resolution.RESOLVED
        else [],
        "count": fact.count,
        "sdists": numbered(fact.sdists),
        "conditions": numbered(place.conditions),
        "traps": [numbered([each.code, each.weight, each.at]) for each in place.traps[:_LISTED]],
        "imports": rungs(_rung(place.imports, numbered)) if place.imports else None,
        "loads": rungs(_rung(place.loads, numbered)) if place.loads else None,
        "turns": [
            [
                *numbered([str(turn["fault"]), str(turn["day"])]),
                numbered(map(str, turn.get("culprits", ())))[:3],
            ]
            for turn in place.turns[:_LISTED]
        ],
        "installed": texts(place.installed.cell.id) if place.installed else None,
        "ladder": [rung_state(rung, place.installed.verdict) for rung in Rung]
        if place.installed
        else None,
    }
    return {key: value for key, value in body.items() if value not in (None, [], {})}


def _rung(fact: RungFact, numbered: Callable[[Iterable[str]], list[int]]) -> dict[str, Any]:
    return {
        "outcome": numbered([fact.outcome])[0],
        "undecided": fact.undecided,
        "roles": [numbered([role, said]) for role, said in sorted(fact.roles.items())[:_LISTED]],
        "missing": [numbered(_missing(each)) for each in fact.missing[:3]],
    }


_NAME = ("name", "provider", "at", "line", "since", "until", "moved_to")
_SYMBOL = ("symbol", "demangled", "file", "torch")


def _missing(each: MissingName | MissingSymbol) -> list[str]:
    """Return what is known about it as texts, in a fixed order; what is unknown is empty."""
    fields = _SYMBOL if hasattr(each, "symbol") else _NAME
    return [str(getattr(each, name, None) or "") for name in fields]


def render_script(name: str, body: Mapping[str, Any]) -> str:
    """Return a data file: one call that delivers *body* under *name*."""
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    # These two end a line in old scripts; nothing else in JSON means more to a script.
    text = text.replace("\u2028", " ").replace("\u2029", " ")
    return f"/* written by: verlcompat report */\nverlcompat.take({json.dumps(name)},{text});\n"
