"""The row of a verl release and the table of extensions say what is recorded, as ranges."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.report.site_inputs import Declared, SiteInputs, load_runtimes
from pytest_verlcompat.report.site_tables import (
    make_extensions,
    make_releases,
    make_rot,
    make_turns,
    ranges,
)
from tests.report.conftest import make_report, record_beside, record_space

if TYPE_CHECKING:
    from tests.tiny import TinyWorkspace


@pytest.mark.parametrize(
    ("chosen", "text"),
    [
        ([], ""),
        (["1"], "1"),
        (["1", "2"], "1 to 2"),
        (["1", "3", "4"], "1, 3 to 4"),
        (["4", "2", "1", "9"], "1 to 2, 4"),
    ],
)
def test_releases_are_said_as_ranges_over_the_known_ones(chosen: list[str], text: str) -> None:
    """Neighbours are joined, a gap starts anew, what is not known is left out."""
    assert ranges(chosen, ["1", "2", "3", "4"]) == text


def test_row_of_a_release_goes_from_declared_to_runs(checkout: TinyWorkspace) -> None:
    """Each column is read from its own records; what no record says stays empty."""
    record_space(
        checkout,
        {"release": "0.18.0"},
        {"release": "0.19.0", "form": "bare"},
        {"release": "0.20.0", "resolution": "unresolvable"},
        {"release": "0.19.0", "python": "3.11"},
    )
    rung = {"schema": 1, "rung": "imports", "rules": "0", "outcome": "passed"}
    record_beside(
        checkout,
        "rungs/imports/0.6.1.jsonl",
        {**rung, "versions": {"verl": "0.6.1", "vllm": "0.18.0"}},
        {**rung, "versions": {"verl": "0.6.1", "vllm": "0.19.0"}, "outcome": "failed"},
    )
    said = Declared(
        verl="0.6.1", engine="vllm", declared="<=0.19", documented=(), gated=None, disagreements=()
    )

    (row,) = make_releases(make_report(checkout), SiteInputs(declared=(said,)))

    assert (row.verl, row.engine, row.said) == ("0.6.1", "vllm", said)
    assert (row.extra, row.bare) == ("0.18.0", "0.19.0")
    assert (row.imports, row.loads) == ("0.18.0", "")
    assert ("0.11.0", "compatible", "verl0.6.1-vllm0.11.0") in row.runs
    assert "0.14.0" not in {version for version, _, _ in row.runs}


def test_release_without_records_keeps_its_row(checkout: TinyWorkspace) -> None:
    """What a release declares is shown even where nothing was asked."""
    said = Declared(
        verl="0.9.0", engine="sglang", declared=None, documented=(), gated=None, disagreements=()
    )

    (row,) = make_releases(make_report(checkout), SiteInputs(declared=(said,)))

    assert (row.extra, row.imports, row.runs) == ("", "", ())


def test_extension_marks_what_loads_crashes_and_lacks() -> None:
    """A torch that no wheel of a distribution loads with has no column."""
    row = {"distribution": "x", "version": "1", "fits": ["2.8.0"], "crashes": ["2.9.0"]}

    torches, (table,) = make_extensions({"torch": ["2.7.0", "2.8.0", "2.9.0"], "rows": [row]})

    marks = [table["rows"][0]["marks"][index] for index in table["columns"]]
    assert [torches[index] for index in table["columns"]] == ["2.9.0", "2.8.0"]
    assert marks == [("!", "crashes"), ("✔", "loads")]


def test_extension_table_that_is_missing_is_empty() -> None:
    """Without the figure there is a page that says so."""
    assert make_extensions({}) == ([], [])


def test_pairs_that_one_release_broke_stand_together(checkout: TinyWorkspace) -> None:
    """One row a day, fault and culprit, with every pair it took; sound pairs come last."""
    turn = {"fault": "f", "day": "2026-10-09", "culprits": ["pyarrow 25 -> 26"]}
    plain = {"verl": "0.6.1", "form": "extra", "python": "3.12", "glibc": "2.35"}
    plain |= {"born": "2026-01-01", "today": "2026-11-19"}
    lines = [
        {**plain, "vllm": "0.13.0"},
        {**plain, "vllm": "0.12.0", "turns": [turn]},
        {**plain, "sglang": "0.5.5", "turns": [turn]},
    ]
    checkout.write("reports/space/rot.jsonl", "\n".join(json.dumps(each) for each in lines))

    rows = make_rot(make_report(checkout).space)
    (turned,) = make_turns(rows)

    assert [row["pair"] for row in rows][-1] == "verl 0.6.1 + vLLM 0.13.0"
    assert [row["pair"] for row in turned["pairs"]] == [
        "verl 0.6.1 + SGLang 0.5.5",
        "verl 0.6.1 + vLLM 0.12.0",
    ]


def test_every_torch_of_the_committed_space_has_a_runtime_and_each_runtime_a_driver() -> None:
    """The filters by CUDA and driver would pass over a torch they do not know."""
    found = load_runtimes()
    folder = Path(__file__).parents[2] / "reports" / "evidence" / "space"
    picked = {
        torch
        for path in folder.glob("*.jsonl")
        for torch in re.findall(r'"torch":"([^"]+)"', path.read_text(encoding="utf-8"))
    }

    assert picked <= set(found["runtime_cuda"])
    assert {runtime.split(".")[0] for runtime in found["runtime_cuda"].values()} <= set(
        found["least_driver"]
    )
