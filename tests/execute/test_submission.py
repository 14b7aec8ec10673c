"""What is offered is judged by what this checkout knows, not by what it says of itself."""

from __future__ import annotations

import datetime as dt
import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from pytest_verlcompat.execute.submission import Rules, find_faults
from pytest_verlcompat.model.cause import Cause
from pytest_verlcompat.model.codec import render_line
from pytest_verlcompat.model.outcome import Ending, Outcome, Rung
from pytest_verlcompat.process.redact import make_redactor
from tests.tiny import make_evidence

if TYPE_CHECKING:
    from pathlib import Path

RULES = Rules(
    locks={"alpha1.0": "bb"},
    subjects={"engine": (Rung.CPU, "aa"), "install": (Rung.INSTALLS, None)},
    now=dt.datetime(2026, 6, 1, tzinfo=dt.timezone.utc),
    redact=make_redactor(os.environ),
)
_CAUSE = Cause(kind="ImportError", first_line="no")


def _faults(path: Path, **changes: Any) -> list[str]:  # noqa: ANN401 -- fields of Evidence
    path.write_text(render_line(make_evidence(**changes)) + "\n")
    return list(find_faults(path, RULES))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"outcome": Outcome.FAILED, "cause": _CAUSE, "ending": Ending.EXITED},
        {"outcome": Outcome.SKIPPED, "lacks": ("a GPU",)},
        {"subject": "install", "rung": Rung.INSTALLS, "subject_sha256": None},
    ],
)
def test_record_as_this_checkout_makes_it_is_acceptable(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    """Passed, failed with a cause, skipped for a named lack, and the steps of uv."""
    assert _faults(tmp_path / "in.jsonl", **changes) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"cell_id": "beta2.0"}, "is of beta2.0, which has no lock here"),
        ({"cell_id": None}, "is of an installed environment, which has no lock here"),
        ({"lock_sha256": "cc"}, "was made under another lock"),
        ({"lock_sha256": None}, "was made under another lock"),
        ({"subject": "mine"}, "is no probe or check of this checkout"),
        ({"subject_sha256": "ff"}, "was made by other code"),
        ({"subject_sha256": None}, "was made by other code"),
        ({"rung": Rung.TRAIN}, "stands on the rung cpu, not train"),
        ({"outcome": Outcome.SKIPPED}, "does not say what the machine lacked"),
        ({"lacks": ("a GPU",)}, "passed, and yet lacked a GPU"),
        ({"outcome": Outcome.ERRORED}, "errored, which says nothing"),
        ({"outcome": Outcome.FAILED}, "failed without a cause"),
        ({"ending": Ending.TIMED_OUT}, "passed, and yet ended as: timed out"),
        ({"started_at": "2026-06-02T00:00:00Z"}, "is from the future"),
        ({"duration_s": -1.0}, "took -1.0 s"),
        ({"facts": {"home": "/home/somebody/x"}}, "holds a secret, a home or a user"),
        ({"facts": {"url": "https://me:hunter2@host/simple"}}, "holds a secret"),
    ],
)
def test_record_that_may_not_stand_beside_ours_is_named(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    """Each rule gives one sentence with file and line."""
    faults = _faults(tmp_path / "in.jsonl", **changes)

    assert any(said in fault for fault in faults), faults
    assert all(fault.startswith("in.jsonl:1: ") for fault in faults)


def test_secret_in_a_key_that_no_reader_knows_is_found(tmp_path: Path) -> None:
    """What a merge would keep is what is looked through."""
    body = json.loads(render_line(make_evidence()))
    path = tmp_path / "in.jsonl"
    path.write_text(json.dumps({**body, "later": ["hf_" + "a" * 30]}))

    assert list(find_faults(path, RULES)) == [
        "in.jsonl:1: engine: holds a secret, a home or a user; take it out"
    ]


def test_file_without_records_is_not_acceptable(tmp_path: Path) -> None:
    """Whoever offers nothing made a mistake."""
    (tmp_path / "in.jsonl").write_text("\n")

    assert list(find_faults(tmp_path / "in.jsonl", RULES)) == ["in.jsonl: holds no record"]


@pytest.mark.parametrize(
    "line",
    [
        "[" * 100_000,
        '{"schema_version":1,"a":' + "[" * 200 + "]" * 200 + "}",
        '{"schema_version":1' + "0" * 5000 + "}",
        '{"schema_version":1,"duration_s":1e999}',
        '{"schema_version":1,"duration_s":NaN}',
        '{"schema_version":1e400}',
        "x" * 5_000_000,
    ],
    ids=["depth", "nesting", "huge integer", "infinity", "nan", "huge version", "long line"],
)
def test_hostile_line_is_one_fault(tmp_path: Path, line: str) -> None:
    """Depth, numbers that no reader holds and endless lines are damage, not a crash."""
    path = tmp_path / "in.jsonl"
    path.write_text(line + "\n")

    (fault,) = find_faults(path, RULES)

    assert fault.startswith("in.jsonl:1: ")
