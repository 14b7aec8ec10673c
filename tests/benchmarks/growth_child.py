"""One step of the growth figures, in a process of its own, so that its memory is its own.

``python -m tests.benchmarks.growth_child STEP FOLDER [COUNT]`` prints one JSON object.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import resource
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from pytest_verlcompat.model.codec import parse_line
from pytest_verlcompat.report.assemble import choose
from pytest_verlcompat.store.jsonl import load, load_cell_evidence
from tests.conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

PER_CELL = 100
GENERATIONS = 5
"""Locks that a cell had one after the other; the records of the last one count."""
_COLUMNS = (
    "cell_id VARCHAR, subject VARCHAR, rung VARCHAR, outcome VARCHAR, started_at VARCHAR, "
    "duration_s DOUBLE, lock_sha256 VARCHAR, subject_sha256 VARCHAR"
)
_NEWEST = """
    SELECT count(*), sum((said = 'failed')::INT) FROM (
        SELECT cell_id, subject, arg_max(outcome, started_at) AS said FROM {source}
        WHERE outcome IN ('passed', 'failed') GROUP BY cell_id, subject)
"""


def write(folder: Path, count: int) -> dict[str, Any]:
    """Write *count* records like the published ones, 100 a cell, as JSON Lines."""
    published = sorted((ROOT / "reports" / "evidence").glob("*.jsonl"))
    bodies = [json.loads(line) for path in published for line in path.read_text().splitlines()]
    dice = random.Random(7)  # noqa: S311 -- figures, not secrets
    evidence = folder / "reports" / "evidence"
    evidence.mkdir(parents=True)
    written_bytes = 0
    for number in range(count // PER_CELL):
        text = "".join(_lines(bodies, f"cell{number:06d}", dice))
        (folder / "reports" / "evidence" / f"cell{number:06d}.jsonl").write_text(
            text, encoding="utf-8"
        )
        written_bytes += len(text.encode())
    return {"bytes": written_bytes}


def _lines(bodies: list[dict[str, Any]], cell_id: str, dice: random.Random) -> Iterator[str]:
    """Yield the lines of one cell: everything that differs between real records differs."""
    for place in range(PER_CELL):
        body = bodies[dice.randrange(len(bodies))]
        generation = place * GENERATIONS // PER_CELL
        second = dice.randrange(86400)
        body.update(
            cell_id=cell_id,
            lock_sha256=_digest(f"{cell_id} {generation}"),
            environment_id=_digest(f"{cell_id} {generation} built")[:32],
            log_sha256=_digest(str(dice.random())) if body.get("log_sha256") else None,
            duration_s=round(dice.random() * 100, 3),
            started_at=f"2026-{generation + 1:02d}-01T{second // 3600:02d}:"
            f"{second // 60 % 60:02d}:{second % 60:02d}.{dice.randrange(10**6):06d}Z",
        )
        yield json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def jsonl_all(folder: Path) -> dict[str, Any]:
    """Load everything at once, and choose the newest of each cell."""
    found: dict[str | None, list[Any]] = {}
    for record in load(sorted((folder / "reports" / "evidence").glob("*.jsonl"))).records:
        found.setdefault(record.cell_id, []).append(record)
    return {"chosen": sum(len(choose(records)[0]) for records in found.values())}


def jsonl_cells(folder: Path) -> dict[str, Any]:
    """Load and choose one cell after the other, as the report does."""
    paths = sorted((folder / "reports" / "evidence").glob("*.jsonl"))
    chosen = sum(
        len(choose(load_cell_evidence(path.parent, path.stem).records)[0]) for path in paths
    )
    return {"chosen": chosen}


def duckdb_jsonl(folder: Path) -> dict[str, Any]:
    """Let DuckDB ask the JSON Lines as they are."""
    columns = ", ".join(f"{each.split()[0]}: '{each.split()[1]}'" for each in _COLUMNS.split(", "))
    source = f"read_ndjson('{folder}/reports/evidence/*.jsonl', columns={{{columns}}})"
    return {"found": _connect(folder).execute(_NEWEST.format(source=source)).fetchone()}


def parquet_write(folder: Path) -> dict[str, Any]:
    """Write all as one Parquet file, by the statement that the documentation has."""
    os.chdir(folder)
    _connect(folder).execute((ROOT / "docs" / "archive.sql").read_text(encoding="utf-8"))
    return {"bytes": (folder / "archive.parquet").stat().st_size}


def parquet_tenfold(folder: Path) -> dict[str, Any]:
    """Write ten times as many, each with a cell, times and digests of its own."""
    _connect(folder).execute(
        f"COPY (SELECT cell_id || '-' || n AS cell_id, subject, rung, outcome, started_at, "  # noqa: S608 -- our own folder
        "duration_s + n AS duration_s, sha256(lock_sha256 || n) AS lock_sha256, subject_sha256, "
        "replace(replace(line, lock_sha256, sha256(lock_sha256 || n)), cell_id, "
        "cell_id || '-' || n) AS line "
        f"FROM range(10) AS t(n), '{folder}/archive.parquet') TO '{folder}/tenfold.parquet' "
        "(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 20000)"
    )
    return {"bytes": (folder / "tenfold.parquet").stat().st_size}


def duckdb_parquet(folder: Path, name: str = "archive") -> dict[str, Any]:
    """Ask the Parquet file the same."""
    source = f"'{folder}/{name}.parquet'"
    return {"found": _connect(folder).execute(_NEWEST.format(source=source)).fetchone()}


def parquet_counting(folder: Path) -> dict[str, Any]:
    """Get and parse the lines under the newest lock of every cell, in one query."""
    place = f"{folder}/archive.parquet"
    rows = _connect(folder).execute(
        f"SELECT line FROM '{place}' JOIN (SELECT cell_id, arg_max(lock_sha256, started_at) "  # noqa: S608 -- our own folder
        f"AS lock_sha256 FROM '{place}' GROUP BY cell_id) USING (cell_id, lock_sha256)"
    )
    count = 0
    while batch := rows.fetchmany(10_000):
        count += sum(parse_line(line).cell_id is not None for (line,) in batch)
    return {"counting": count}


def parquet_cell(folder: Path, name: str = "archive") -> dict[str, Any]:
    """Get the lines of one cell, one query each; the median."""
    connection = _connect(folder)
    place = f"{folder}/{name}.parquet"
    cells = connection.execute(
        f"SELECT DISTINCT cell_id FROM '{place}' USING SAMPLE 20"  # noqa: S608 -- our own folder
    ).fetchall()
    spent, rows = [], 0
    for cell in cells:
        started = time.perf_counter()
        query = f"SELECT line FROM '{place}' WHERE cell_id = ?"  # noqa: S608 -- our own folder
        rows = len(connection.execute(query, cell).fetchall())
        spent.append(time.perf_counter() - started)
    return {"cell_ms": round(1000 * statistics.median(spent), 1), "rows": rows}


def _connect(folder: Path) -> duckdb.DuckDBPyConnection:
    """Return a connection that uses two threads, and the disk beyond 2 GiB of memory."""
    settings = {"threads": "2", "memory_limit": "2GiB", "temp_directory": str(folder / "spill")}
    connection = duckdb.connect(config=settings)
    connection.execute("SET preserve_insertion_order = false")
    return connection


def main() -> None:
    """Do one step and print what it took."""
    step, folder, *more = sys.argv[1:]
    arguments = [int(each) if each.isdigit() else each for each in more]
    started = time.perf_counter()
    found = globals()[step](Path(folder), *arguments)
    spent_s = time.perf_counter() - started
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(json.dumps({**found, "seconds": round(spent_s, 3), "peak_mib": peak_mib}))  # noqa: T201 -- the parent reads it


if __name__ == "__main__":
    main()
