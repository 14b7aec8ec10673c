"""A cell of the space gets the word its records bear out, and no better one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pytest_verlcompat.model.outcome import Rung
from pytest_verlcompat.report.site_space import load_space
from pytest_verlcompat.resolve.lock import load_lock
from pytest_verlcompat.store.jsonl import append
from tests.report.conftest import make_report, record_beside, record_space
from tests.tiny import make_evidence

if TYPE_CHECKING:
    from pytest_verlcompat.report.site_space import Place
    from tests.tiny import TinyWorkspace

IMPORTS = {"schema": 1, "rung": "imports", "versions": {"verl": "0.6.1", "vllm": "0.19.0"}}
LOADS = {"schema": 1, "rung": "loads", "versions": {"vllm": "0.19.0", "torch": "2.8.0"}}
TRAP = {"set": "5e7", "as_of": "2026-11-19", "rules": "0badcafe"}


def _places(checkout: TinyWorkspace) -> list[Place]:
    return list(make_report(checkout).space.places)


def _imports(outcome: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 -- JSON values
    return {**IMPORTS, "outcome": outcome, "rules": "0badcafe", **more}


def _loads(outcome: str) -> dict[str, Any]:
    return {**LOADS, "outcome": outcome, "rules": "0badcafe"}


@pytest.mark.parametrize(
    ("resolution", "word"),
    [
        ("unresolvable", "unresolvable"),
        ("errored", "errored"),
        ("not attempted", "untested"),
        ("resolved", "untested"),
    ],
)
def test_what_the_resolver_said_alone_is_never_green(
    checkout: TinyWorkspace, resolution: str, word: str
) -> None:
    """That a set resolves is no sign that it works; a question not asked says nothing."""
    record_space(checkout, {"release": "0.19.0", "resolution": resolution})

    (place,) = _places(checkout)

    assert place.word == word
    assert (place.highest is Rung.RESOLVES) is (resolution == "resolved")


@pytest.mark.parametrize(
    ("imports", "loads", "word", "highest"),
    [
        ("passed", None, "compatible", Rung.IMPORTS),
        (None, "passed", "compatible", Rung.LOADS),
        ("unknown", "unknown", "untested", Rung.RESOLVES),
        ("failed", "passed", "incompatible", Rung.LOADS),
        ("passed", "failed", "incompatible", Rung.IMPORTS),
    ],
)
def test_static_rungs_decide_where_they_say_something(
    checkout: TinyWorkspace, imports: str | None, loads: str | None, word: str, highest: Rung
) -> None:
    """A rung that passed lifts a cell, one that failed breaks it, an unknown one does neither."""
    record_space(checkout, {"release": "0.19.0"})
    if imports:
        record_beside(checkout, "rungs/imports/0.6.1.jsonl", _imports(imports))
    if loads:
        record_beside(checkout, "rungs/loads.jsonl", _loads(loads))

    (place,) = _places(checkout)

    assert (place.word, place.highest) == (word, highest)


@pytest.mark.parametrize(
    ("traps", "word", "conditions"),
    [
        ([["transformers-gone", "broken", "transformers 5.0"]], "incompatible", ()),
        ([["loop", "suspect", "uvloop 0.22.1"]], "conditional", ("uvloop<0.22",)),
        ([["stale-dependency", "suspect", "ray 2.47.1"]], "compatible", ()),
        ([["nameless", "suspect", "x 1"]], "conditional", ("nameless",)),
    ],
)
def test_trap_makes_a_set_broken_or_conditional(
    checkout: TinyWorkspace, traps: list[list[str]], word: str, conditions: tuple[str, ...]
) -> None:
    """A certain trap breaks a set that imports; a likely one becomes its condition, if any."""
    record_space(checkout, {"release": "0.19.0"})
    record_beside(checkout, "rungs/imports/0.6.1.jsonl", _imports("passed"))
    record_beside(checkout, "traps/0.6.1.jsonl", {**TRAP, "traps": traps})

    (place,) = _places(checkout)

    assert (place.word, place.conditions) == (word, conditions)


def test_trap_of_another_day_is_not_counted(checkout: TinyWorkspace) -> None:
    """The same set looked at under other rules of another day is another record."""
    record_space(checkout, {"release": "0.19.0"})
    broken = [["transformers-gone", "broken", "transformers 5.0"]]
    record_beside(checkout, "traps/0.6.1.jsonl", {**TRAP, "as_of": "2026-01-01", "traps": broken})

    assert _places(checkout)[0].traps == ()


def test_installed_cell_with_the_same_versions_lends_its_verdict(checkout: TinyWorkspace) -> None:
    """What ran counts more than what was read; another torch or Python is another set."""
    same = {"axes": {"torch": "2.8.0"}}
    record_space(
        checkout,
        same,
        {**same, "when": "release", "axes": {"torch": "2.7.0"}},
        {**same, "python": "3.11"},
        {**same, "glibc": "2.31"},
    )

    found = {place.cell.id: place.installed is not None for place in _places(checkout)}

    assert [name for name, lent in found.items() if lent] == [
        "verl0.6.1-vllm0.11.0-extra-python3.12-glibc2.35-today"
    ]


def test_rotten_is_said_of_today_alone(checkout: TinyWorkspace) -> None:
    """A pair that turned was sound on its release day."""
    record_space(checkout, {"release": "0.19.0"}, {"release": "0.19.0", "when": "release"})
    turn = {"fault": "pyarrow-numpy", "day": "2026-10-09", "culprits": ["pyarrow 25 -> 26"]}
    line = {"verl": "0.6.1", "vllm": "0.19.0", "form": "extra", "python": "3.12", "glibc": "2.35"}
    line |= {"born": "2026-01-01", "today": "2026-11-19", "turns": [turn]}
    checkout.write("reports/space/rot.jsonl", json.dumps(line))

    turned = {place.cell.when.value: len(place.turns) for place in _places(checkout)}

    assert turned == {"release": 0, "today": 1}


def test_bad_lines_are_told_and_the_rest_counts(checkout: TinyWorkspace) -> None:
    """Newer schema, half a line, other types and nonsense cost themselves alone."""
    record_space(checkout, {"release": "0.19.0"}, {"release": "0.20.0", "schema": 99})
    record_space(checkout, {"release": ["0.21.0"]}, {"release": "0.22.0", "why": "x", "set": None})
    folder = checkout.workspace.evidence / "space"
    with (folder / "0.6.1.jsonl").open("a", encoding="utf-8") as handle:
        handle.write('[1]\n\x00\n{"schema": 1, "verl"')
    record_beside(checkout, "rungs/imports/0.6.1.jsonl", _imports("perhaps"), {"schema": 7})
    record_beside(checkout, "traps/0.6.1.jsonl", {"set": 1}, {**TRAP, "traps": [["a"]]})
    checkout.write("reports/space/rot.jsonl", '{"verl": 1}\n[]')

    space = make_report(checkout).space

    assert "0.19.0" in {place.cell.release for place in space.places}
    assert "0.20.0" not in {place.cell.release for place in space.places}
    assert len(space.damaged) == 11


def test_of_two_facts_about_one_cell_the_later_counts(checkout: TinyWorkspace) -> None:
    """Duplicates and older answers of the same question do not show."""
    record_space(
        checkout,
        {"release": "0.19.0", "resolution": "unresolvable", "as_of": "2026-11-19"},
        {"release": "0.19.0", "as_of": "2026-01-01"},
        {"release": "0.19.0", "resolution": "unresolvable", "as_of": "2026-11-19"},
    )

    (place,) = _places(checkout)

    assert place.word == "unresolvable"


def test_opposite_records_of_one_day_are_flaky_in_whatever_order(checkout: TinyWorkspace) -> None:
    """Two machines that disagree about the same day are both told."""
    lines = [{"release": "0.19.0"}, {"release": "0.19.0", "resolution": "unresolvable"}]
    record_space(checkout, *lines)
    (first,) = _places(checkout)
    (checkout.workspace.evidence / "space" / "0.6.1.jsonl").unlink()
    record_space(checkout, *reversed(lines))
    (second,) = _places(checkout)

    assert {first.fact.resolution.value, first.opposed} == {"resolved", "unresolvable"}
    assert (first.word, first.opposed) == (second.word, second.opposed)


def test_what_other_code_judged_does_not_count(checkout: TinyWorkspace) -> None:
    """Records die with the code that made them, and the page says how many."""
    record_space(checkout, {"release": "0.19.0"})
    record_beside(checkout, "rungs/imports/0.6.1.jsonl", _imports("passed"))
    record_beside(checkout, "rungs/loads.jsonl", _loads("failed"))
    broken = [["transformers-gone", "broken", "transformers 5.0"]]
    record_beside(checkout, "traps/0.6.1.jsonl", {**TRAP, "traps": broken})
    folder = checkout.workspace.evidence / "space"

    space = load_space(
        folder,
        rot=folder / "none",
        needs={},
        cells=(),
        rules={"imports": "0badcafe", "loads": "other", "traps": "other"},
    )

    assert [(each.word, each.highest) for each in space.places] == [("compatible", Rung.IMPORTS)]
    assert space.stale == 2


def test_installed_cell_that_only_installed_lends_nothing(checkout: TinyWorkspace) -> None:
    """An untested installed cell says less than what was read."""
    cell_id = "verl0.6.1-vllm0.15.0"
    lock = load_lock(checkout.matrix().cells[cell_id], folder=checkout.workspace.locks)
    record = make_evidence(
        cell_id=cell_id, lock_sha256=lock.sha256, subject="install", subject_sha256=None,
        rung=Rung.INSTALLS,
    )  # fmt: skip
    append(record, path=checkout.workspace.evidence / f"{cell_id}.jsonl")
    record_space(checkout, {"release": "0.15.0", "axes": {"torch": "2.8.0"}})

    (place,) = _places(checkout)

    assert (place.word, place.installed) == ("untested", None)
