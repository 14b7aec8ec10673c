"""The statement of the documentation archives evidence without loss, and answers the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.model.codec import parse_line
from pytest_verlcompat.report.assemble import choose
from pytest_verlcompat.store.jsonl import append, load
from tests.conftest import ROOT
from tests.tiny import make_evidence

if TYPE_CHECKING:
    from pathlib import Path

duckdb = pytest.importorskip("duckdb")
pytestmark = pytest.mark.slow


def test_archive_holds_every_record_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Quotes, separators and other scripts survive; the columns are those of the record."""
    texts = ('"quoted", \\ and \x01', "tab\t; 中文 ; \U0001f600", "x" * 3_000_000)
    for number, text in enumerate(texts):
        record = make_evidence(
            cell_id=f"cell{number}", started_at=f"2026-01-0{number + 1}", facts={"said": text}
        )
        append(record, path=tmp_path / "reports" / "evidence" / f"{record.cell_id}.jsonl")
    monkeypatch.chdir(tmp_path)

    with duckdb.connect() as connection:
        connection.execute((ROOT / "docs" / "archive.sql").read_text(encoding="utf-8"))
        rows = connection.execute(
            "SELECT cell_id, duration_s, line FROM 'archive.parquet' ORDER BY cell_id"
        ).fetchall()

    kept = load(sorted((tmp_path / "reports" / "evidence").iterdir())).records
    assert tuple(parse_line(line) for _, _, line in rows) == kept
    assert [row[:2] for row in rows] == [(each.cell_id, each.duration_s) for each in kept]


def test_archive_of_the_published_evidence_chooses_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest that says something, of each subject, by SQL and by the report."""
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "evidence").symlink_to(ROOT / "reports" / "evidence")
    monkeypatch.chdir(tmp_path)

    with duckdb.connect() as connection:
        connection.execute((ROOT / "docs" / "archive.sql").read_text(encoding="utf-8"))
        found = connection.execute(
            "SELECT cell_id, subject, arg_max(outcome, started_at) FROM 'archive.parquet' "
            "WHERE outcome IN ('passed', 'failed') GROUP BY ALL ORDER BY ALL"
        ).fetchall()

    expected = []
    for path in sorted((ROOT / "reports" / "evidence").glob("*.jsonl")):
        chosen, _ = choose(load([path]).records)
        expected += [
            (each.cell_id, subject, each.outcome.value)
            for subject, each in chosen.items()
            if each.outcome.value in {"passed", "failed"}
        ]
    assert found == sorted(expected)
