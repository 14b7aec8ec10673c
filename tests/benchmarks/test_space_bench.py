"""Figures of the whole space: cold, warm, and with nothing to do. Takes half an hour.

``VERLCOMPAT_BENCH_KEEP`` names a folder that keeps the ledger of the cold run, which is as
good as any other.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import resource
import shutil
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.cli import main
from pytest_verlcompat.resolve.ledger import Ledger
from pytest_verlcompat.resolve.question import Resolution
from pytest_verlcompat.wheels.index import IndexClient
from pytest_verlcompat.wheels.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = [pytest.mark.bench, pytest.mark.network, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
SUBSET = (
    *("--engine", "vllm", "--from", "verl==0.4", "--from", "vllm==0.8.5"),
    *("--python", "3.11", "--python", "3.12"),
)


def machine() -> dict[str, object]:
    """Return what the figures depend on, without naming the machine."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cpus": len(os.sched_getaffinity(0)),
        "memory_mib": pages >> 20,
        "platform": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def write_figures(name: str, *, title: str, figures: Mapping[str, object], rows: object) -> None:
    """Write one page of figures, as the report reads them."""
    body = {
        "title": title,
        "command": f"pytest -m '' {Path(__file__).relative_to(ROOT)}",
        "date": dt.datetime.now(dt.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "machine": machine(),
        "figures": figures,
        "rows": rows,
    }
    path = ROOT / "reports" / "figures" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(body, indent=2) + "\n", encoding="utf-8")


def timed_space(root: Path) -> dict[str, object]:
    """Run the subset under *root* and return how long it took and what came out."""
    load = os.getloadavg()[0]
    started, cpu_s = time.monotonic(), spent_cpu_s()
    status = main(["space", "--root", str(root), *SUBSET])
    seconds = time.monotonic() - started
    counts = Counter(fact.resolution for fact in Ledger(root / "reports/evidence/space").facts())
    return {
        "seconds": round(seconds, 1),
        "cpu_s": round(spent_cpu_s() - cpu_s, 1),
        "exit_status": status,
        "load_before": round(load, 1),
        "cells": sum(counts.values()),
        **{kind.value: counts.get(kind, 0) for kind in Resolution},
    }


def spent_cpu_s() -> float:
    """Return the processor seconds of this process and of the children it waited for."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(used.ru_utime + used.ru_stime for used in map(resource.getrusage, kinds))


def test_space_is_fast_enough_cold_warm_and_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cold under 30 minutes, warm at 8 cells a second, nothing to do under 10 seconds."""
    monkeypatch.setenv("VERLCOMPAT_CACHE_DIR", str(tmp_path / "cache"))
    roots = {name: tmp_path / name for name in ("cold", "warm")}
    for root in roots.values():
        shutil.copytree(ROOT / "matrix", root / "matrix")

    cold = timed_space(roots["cold"])
    (tmp_path / "cache" / "space.sqlite").unlink()
    warm = timed_space(roots["warm"])
    again = timed_space(roots["warm"])

    rows = [{"run": "cold", **cold}, {"run": "warm", **warm}, {"run": "nothing new", **again}]
    cells = int(str(cold["cells"]))
    ledger = sum(path.stat().st_size for path in (roots["cold"] / "reports").rglob("*.jsonl"))
    write_figures(
        "space_bench",
        title="verl >= 0.4 x vLLM >= 0.8.5 x Python 3.11 and 3.12, both forms, dated and today",
        figures={
            "cells": cells,
            "cold_s": cold["seconds"],
            "warm_s": warm["seconds"],
            "warm_cells_per_s": round(cells / float(str(warm["seconds"])), 1),
            "warm_cells_per_cpu_s": round(cells / float(str(warm["cpu_s"])), 1),
            "nothing_new_s": again["seconds"],
            "ledger_bytes": ledger,
            "bytes_of_one_new_release": bytes_of_one_new_release(),
        },
        rows=rows,
    )
    if "VERLCOMPAT_BENCH_KEEP" in os.environ:
        shutil.copytree(roots["cold"] / "reports", os.environ["VERLCOMPAT_BENCH_KEEP"])
    assert float(str(cold["seconds"])) < 30 * 60
    assert cells / float(str(warm["seconds"])) >= 8
    assert float(str(again["seconds"])) < 10


def bytes_of_one_new_release() -> int:
    """Return what discovery of the newest vLLM release costs beside its project page."""
    transport = Transport()
    client = IndexClient.configured()
    client = IndexClient(client._index_urls[:1], transport=transport)  # noqa: SLF001 -- counts from zero
    newest = [file for file in client.releases("vllm") if file.is_wheel][-1]
    before = transport.bytes_read

    client.metadata(newest)

    spent = transport.bytes_read - before
    assert before + spent < 1_000_000
    return before + spent
