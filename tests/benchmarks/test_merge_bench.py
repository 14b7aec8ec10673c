"""A million records of eight contributors into one evidence: time, memory, equal bytes."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_verlcompat.model.codec import render_line
from pytest_verlcompat.model.outcome import Outcome
from tests.figures import write_figures
from tests.tiny import make_evidence

if TYPE_CHECKING:
    from collections.abc import Iterable

COMMAND = "pytest -m bench tests/benchmarks/test_merge_bench.py"
RECORDS = int(os.environ.get("VERLCOMPAT_MERGE_RECORDS", "1000000"))
CELLS, SUBJECTS, CONTRIBUTORS = 200, 40, 8
CHILD = Path(__file__).with_name("merge_child.py")
ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.bench


def _write_contributions(folder: Path) -> list[Path]:
    """Return the files; every tenth record is in two, some contradict others."""
    dice = random.Random(20261120)  # noqa: S311 -- to be had again, nothing secret
    detail = {"versions": {f"distribution-{n}": f"1.{n}.0" for n in range(12)}}
    line = render_line(make_evidence(cell_id="CELL", subject="SUBJECT", facts=detail))
    failed = line.replace('"outcome":"passed"', '"outcome":"failed"')
    assert failed != line, Outcome.FAILED
    paths = [folder / f"contributor-{number}.jsonl" for number in range(CONTRIBUTORS)]
    files = [path.open("w", encoding="utf-8") for path in paths]
    for number in range(RECORDS):
        started = f"2026-01-{1 + number % 28:02}T{number % 24:02}:00:00.{number % 10**6:06}Z"
        text = (
            (failed if number % 1009 == 0 else line)
            .replace("CELL", f"cell{number % CELLS}")
            .replace("SUBJECT", f"subject{number // CELLS % SUBJECTS}")
            .replace("2026-01-02T03:04:05Z", started)
        )
        first = dice.randrange(CONTRIBUTORS)
        files[first].write(text + "\n")
        if number % 10 == 0:
            files[(first + 1) % CONTRIBUTORS].write(text + "\n")
    for file in files:
        file.close()
    return paths


def _merge(evidence: Path, files: Iterable[Path]) -> dict[str, Any]:
    ended = subprocess.run(
        [sys.executable, CHILD, evidence, str(CELLS), *files],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    told: dict[str, Any] = json.loads(ended.stdout)
    return told


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.jsonl")):
        digest.update(path.name.encode())
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()


def test_a_million_records_merge_in_bounded_memory_to_the_same_bytes(tmp_path: Path) -> None:
    """All at once, then four contributors' again in the other order: nothing changes."""
    files = _write_contributions(tmp_path)
    size_mib = sum(path.stat().st_size for path in files) >> 20
    first = _merge(tmp_path / "evidence", files)
    before = _digest(tmp_path / "evidence")
    again = _merge(tmp_path / "evidence", files[:3:-1])
    after = _digest(tmp_path / "evidence")

    write_figures(
        "merge",
        title="Records of eight contributors merged into the evidence of 200 cells",
        command=COMMAND,
        figures={
            "records": RECORDS,
            "input_mib": size_mib,
            "first": first,
            "four_again_in_other_order": again,
            "same_bytes": before == after,
        },
        rows=[],
    )
    assert (first["added"], first["refused"]) == (RECORDS, 0)
    assert (again["added"], before == after) == (0, True)
    assert max(first["peak_memory_mib"], again["peak_memory_mib"]) < 500
