"""Data files hold what was judged, bounded and inert, and the same bytes each time."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from pytest_verlcompat.report.publish import render_all
from pytest_verlcompat.report.site_data import FIRST_CODE
from pytest_verlcompat.report.site_space import WORDS
from tests.report.conftest import HOSTILE, make_report, record_beside, record_space

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.tiny import TinyWorkspace


def read_data(text: str) -> tuple[str, dict[str, Any]]:
    """Return name and body of a data file, read as a script reads it."""
    found = re.fullmatch(r'/\* .*? \*/\nverlcompat\.take\("([a-z]+)",(.*)\);\n', text, re.DOTALL)
    assert found is not None
    return found[1], json.loads(found[2])


def _words(core: Mapping[str, Any], slice_at: int) -> list[str | None]:
    states = core["states"]
    return [
        None if each == " " else WORDS[states[ord(each) - FIRST_CODE][0]]
        for each in core["grid"][slice_at]
    ]


def test_grid_holds_the_word_of_each_cell(checkout: TinyWorkspace) -> None:
    """One character a cell, engine by engine, verl within; what is not recorded is a blank."""
    record_space(checkout, {"release": "0.19.0", "resolution": "unresolvable"})
    record_space(checkout, {"verl": "0.7.0", "release": "0.9.0"}, name="0.7.0")

    name, core = read_data(render_all(make_report(checkout))["data/space.js"])

    assert name == "space"
    assert [each[0] for each in core["verls"]] == ["0.6.1", "0.7.0"]
    assert [each[:2] for each in core["engines"]] == [["vllm", "0.9.0"], ["vllm", "0.19.0"]]
    assert core["slices"] == [["3.12", "2.35", "today", "extra"]]
    assert _words(core, 0) == [None, "untested", "unresolvable", None]


def test_details_hold_both_sides_of_a_missing_name(checkout: TinyWorkspace) -> None:
    """A reader of the cell sees who needs a name, where, and where it went."""
    record_space(checkout, {"release": "0.19.0"})
    missing = {"name": "vllm.a.b", "provider": "vllm", "at": "verl/x.py:3", "moved_to": "vllm.c"}
    line = {"schema": 1, "rung": "imports", "versions": {"verl": "0.6.1", "vllm": "0.19.0"}}
    line |= {"outcome": "failed", "rules": "0", "missing": [missing], "roles": {"fsdp": "failed"}}
    record_beside(checkout, "rungs/imports/0.6.1.jsonl", line)

    name, file = read_data(render_all(make_report(checkout))["data/verl-0.6.1.js"])
    body = file["bodies"][file["rows"][file["cells"][0][1]][0]]
    rung = file["rungs"][body["imports"]]
    texts = [file["texts"][number] for number in rung["missing"][0]]

    assert name == "detail"
    assert texts == ["vllm.a.b", "vllm", "verl/x.py:3", "", "", "", "vllm.c"]
    assert [file["texts"][number] for number in rung["roles"][0]] == ["fsdp", "failed"]


def test_hostile_text_is_bounded_and_loses_its_control_characters(checkout: TinyWorkspace) -> None:
    """Megabytes in one field come out as two thousand characters, escapes as spaces."""
    record_space(
        checkout,
        {"release": "0.19.0", "resolution": "unresolvable", "why": [HOSTILE, "y" * 3_000_000]},
        {"release": "</script>\u2028", "resolution": "unresolvable"},
    )

    files = render_all(make_report(checkout))
    data = {name: text for name, text in files.items() if name.startswith("data/")}

    assert sum(map(len, data.values())) < 20_000
    for text in data.values():
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u2028\u2029\u202a-\u202e]", text)
        read_data(text)


def test_same_records_in_another_order_give_the_same_bytes(checkout: TinyWorkspace) -> None:
    """Two branches whose ledgers were merged the other way round publish the same."""
    lines = [{"release": f"0.{n}.0", "resolution": "unresolvable"} for n in range(12, 20)]
    record_space(checkout, *lines)
    before = render_all(make_report(checkout))
    path = checkout.workspace.evidence / "space" / "0.6.1.jsonl"
    path.write_text("".join(reversed(path.read_text().splitlines(keepends=True))))

    assert render_all(make_report(checkout)) == before


def test_snapshot_changes_with_what_is_known_of_the_space(checkout: TinyWorkspace) -> None:
    """Every page names a snapshot; one more fact is another one."""
    before = make_report(checkout).snapshot
    record_space(checkout, {"release": "0.19.0"})

    assert make_report(checkout).snapshot != before
    assert make_report(checkout).snapshot in render_all(make_report(checkout))["data/space.js"]
