"""No record is torn or lost: several writers, a cut last line, damage, duplicates."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.errors import EvidenceError
from pytest_verlcompat.model.codec import render_line
from pytest_verlcompat.store.jsonl import append, load, load_cell_evidence
from tests.tiny import make_evidence, python_path

if TYPE_CHECKING:
    from pathlib import Path

_WRITER = """
import sys
from pathlib import Path
from pytest_verlcompat.store.jsonl import append
from tests.tiny import make_evidence
for number in range(40):
    record = make_evidence(subject=f"{sys.argv[2]}-{number}", facts={"long": "x" * 9000})
    append(record, path=Path(sys.argv[1]))
"""


def test_records_come_back_in_the_order_they_were_written(tmp_path: Path) -> None:
    """What was appended is read back whole; folders are made."""
    path = tmp_path / "evidence" / "cell.jsonl"
    records = tuple(make_evidence(subject=f"probe-{number}") for number in range(3))

    for record in records:
        append(record, path=path)

    assert load([path]).records == records
    assert load([path]).damaged == ()


def test_several_processes_append_without_tearing(tmp_path: Path) -> None:
    """Two runs in one checkout lose and damage nothing, even with records of several pages."""
    path = tmp_path / "cell.jsonl"
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", _WRITER, path, name],
            env={**os.environ, "PYTHONPATH": python_path()},
        )
        for name in "abc"
    ]

    assert [writer.wait(timeout=60) for writer in writers] == [0, 0, 0]

    loaded = load([path])
    assert loaded.damaged == ()
    assert {record.subject for record in loaded.records} == {
        f"{name}-{number}" for name in "abc" for number in range(40)
    }


def test_torn_last_line_stays_alone(tmp_path: Path) -> None:
    """What a power cut left is one damaged line; the record after it is whole."""
    path = tmp_path / "cell.jsonl"
    append(make_evidence(subject="first"), path=path)
    with path.open("ab") as handle:
        handle.write(render_line(make_evidence(subject="torn")).encode()[:40])

    append(make_evidence(subject="after"), path=path)

    loaded = load([path])
    assert [record.subject for record in loaded.records] == ["first", "after"]
    assert loaded.damaged == ("cell.jsonl:2: not a JSON object; was the file edited or cut?",)


def test_whole_last_line_without_its_end_still_counts(tmp_path: Path) -> None:
    """An editor that drops the last line end costs no record."""
    path = tmp_path / "cell.jsonl"
    path.write_text(render_line(make_evidence(subject="first")))

    append(make_evidence(subject="second"), path=path)

    assert [record.subject for record in load([path]).records] == ["first", "second"]


def test_damaged_lines_are_reported_and_the_rest_is_read(tmp_path: Path) -> None:
    """Each damaged line is one sentence with file and line number; blank lines are nothing."""
    path = tmp_path / "cell.jsonl"
    good = render_line(make_evidence()).encode()
    path.write_bytes(b"\n".join([b"<<<<<<< HEAD", good, b"", b"\xff\xfe", b"{}", b"   "]) + b"\n")

    loaded = load([path])

    assert len(loaded.records) == 1
    assert [line.partition(": ")[0] for line in loaded.damaged] == [
        "cell.jsonl:1",
        "cell.jsonl:4",
        "cell.jsonl:5",
    ]


def test_exact_duplicates_are_one_record(tmp_path: Path) -> None:
    """Two branches that carry the same record merge to one; another start time is another."""
    path, other = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    for each in (path, other, other):
        append(make_evidence(), path=each)
    append(make_evidence(started_at="2026-01-02T03:04:06Z"), path=other)

    assert len(load([path, other]).records) == 2


def test_cell_without_a_file_has_no_evidence(tmp_path: Path) -> None:
    """A cell that never ran is not an error."""
    assert load_cell_evidence(tmp_path, "none").records == ()


def test_unwritable_place_is_an_evidence_error(tmp_path: Path) -> None:
    """Evidence that cannot be kept stops the run, and the file is named."""
    (tmp_path / "evidence").write_text("a file where a folder should be")

    with pytest.raises(EvidenceError, match=r"cell\.jsonl: cannot be written"):
        append(make_evidence(), path=tmp_path / "evidence" / "cell.jsonl")
