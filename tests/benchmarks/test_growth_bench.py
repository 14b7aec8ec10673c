"""Figures of growth: evidence a thousand times as large as today's. Run by ``nox -s bench``.

JSON Lines as they are kept, against one Parquet file written by DuckDB: bytes, seconds, memory.
Ten million records as JSON Lines are 18 GB, so those are not written: what is said of them
follows from a million, and the Parquet file of ten million is made from that of one.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.figures import write_figures
from tests.tiny import python_path

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("duckdb")
pytestmark = pytest.mark.bench

TITLE = "Growth: JSON Lines against Parquet written by DuckDB"
COMMAND = "nox -s bench -- tests/benchmarks/test_growth_bench.py"
SIZES = [int(each) for each in os.environ.get("VERLCOMPAT_BENCH_RECORDS", "100000 1000000").split()]
ROOM_BYTES = 6 << 30
STEPS = (
    "jsonl_cells",
    "duckdb_jsonl",
    "parquet_write",
    "duckdb_parquet",
    "parquet_counting",
    "parquet_cell",
)


def _step(name: str, folder: Path, *words: object) -> dict[str, Any]:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.growth_child", name, str(folder)]
        + [str(each) for each in words],
        env={**os.environ, "PYTHONPATH": python_path()},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return dict(json.loads(ended.stdout))


@pytest.mark.parametrize("count", SIZES)
def test_growth(tmp_path: Path, count: int) -> None:
    """The same question to the same records, kept in two ways."""
    if shutil.disk_usage(tmp_path).free < ROOM_BYTES * count // 1_000_000:
        pytest.skip(f"wants {ROOM_BYTES * count // 10**9} MB of disk")
    row: dict[str, Any] = {"what": f"{count} records"}
    row["jsonl_bytes"] = _step("write", tmp_path, count)["bytes"]
    steps = [
        "jsonl_cells",
        "duckdb_jsonl",
        "parquet_write",
        "duckdb_parquet",
        "parquet_counting",
        "parquet_cell",
    ]
    if count <= 100_000:
        steps.insert(0, "jsonl_all")  # of a million it takes more memory than there may be
    answers = {}
    for step in steps:
        answers[step] = _step(step, tmp_path)
        row[f"{step}_s"] = answers[step]["seconds"]
        row[f"{step}_peak_mib"] = answers[step]["peak_mib"]
    row["parquet_bytes"] = answers["parquet_write"]["bytes"]
    row["parquet_cell_ms"] = answers["parquet_cell"]["cell_ms"]
    rows = [row]
    if count == max(SIZES):
        shutil.rmtree(tmp_path / "reports")
        rows.append(_tenfold(tmp_path, count))
    shutil.rmtree(tmp_path)

    write_figures(
        "growth_bench",
        title=TITLE,
        command=COMMAND,
        figures={
            f"growth_{count}_parquet_share": round(row["parquet_bytes"] / row["jsonl_bytes"], 4),
            f"growth_{count}_speedup": round(row["jsonl_cells_s"] / row["duckdb_parquet_s"], 1),
        },
        rows=rows,
    )
    assert answers["duckdb_jsonl"]["found"] == answers["duckdb_parquet"]["found"]
    assert answers["parquet_cell"]["rows"] == 100
    assert answers["parquet_counting"]["counting"] == count // 5


def _tenfold(folder: Path, count: int) -> dict[str, Any]:
    """Return the row of ten times as many records, in Parquet alone."""
    made = _step("parquet_tenfold", folder)
    asked = _step("duckdb_parquet", folder, "tenfold")
    one = _step("parquet_cell", folder, "tenfold")
    return {
        "what": f"{10 * count} records, Parquet alone",
        "parquet_bytes": made["bytes"],
        "duckdb_parquet_s": asked["seconds"],
        "duckdb_parquet_peak_mib": asked["peak_mib"],
        "parquet_cell_ms": one["cell_ms"],
    }
