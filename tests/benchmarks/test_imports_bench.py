"""What reading and judging the whole space costs: cold, warm, and one new release."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from packaging.version import Version

from pytest_verlcompat.checks.surface_space import judge_space, read_space
from pytest_verlcompat.wheels.cache import MemberCache
from pytest_verlcompat.wheels.index import IndexClient
from pytest_verlcompat.wheels.surface_store import FactsStore

if TYPE_CHECKING:
    from pytest_verlcompat.checks.import_surface import CellSurface

pytestmark = [pytest.mark.bench, pytest.mark.network]

SPACE = {"vllm": "0.8.5", "sglang": "0.4.6"}
OLDEST_VERL = "0.4.1"
REPORT = Path(__file__).parents[2] / "reports" / "figures" / "imports_bench.json"
COLD_S, COLD_BYTES = 360.0, 150_000_000
WARM_S = 20.0
NEW_S, NEW_BYTES = 15.0, 5_000_000


class _Run:
    """One pass over the space with its own store, and what it cost."""

    def __init__(self, folder: Path, *, late: bool) -> None:
        self.started = time.monotonic()
        cache = MemberCache(folder)
        self.client = IndexClient.configured(cache=cache)
        self.store = FactsStore(self.client, cache=cache)
        self.late = late
        self.cells: dict[str, dict[str, dict[str, CellSurface]]] = {}

    def everything(self, *, without: str | None = None) -> None:
        """Judge the whole space, one vLLM release left out if asked."""
        consumers = [
            self.store.consumer("verl", str(version))
            for version in self.store.versions("verl")
            if version >= Version(OLDEST_VERL)
        ]
        for name, oldest in SPACE.items():
            versions = [
                str(version)
                for version in self.store.versions(name)
                if version >= Version(oldest) and str(version) != without
            ]
            facts = read_space(self.store, consumers, distribution=name, versions=versions)
            self.cells[name] = judge_space(consumers, facts, late=self.late)

    def cost(self) -> dict[str, Any]:
        """Return cells, seconds, bytes and requests so far."""
        count = sum(len(row) for rows in self.cells.values() for row in rows.values())
        wall_s = time.monotonic() - self.started
        return {
            "cells": count,
            "wall_s": round(wall_s, 1),
            "cells_per_s": round(count / wall_s, 2),
            "bytes": self.client.transport.bytes_read,
            "requests": self.client.transport.requests_sent,
        }


def _rows(run: _Run) -> list[dict[str, Any]]:
    return [
        {
            "consumer": f"verl {trainer}",
            "provider": f"{name} {version}",
            "roles": {
                role.role.name: "ok" if role.weight is None else role.weight.value
                for role in surface.roles
            },
            "first": next((str(finding.cause) for finding in surface.findings), None),
        }
        for name, rows in run.cells.items()
        for trainer, row in rows.items()
        for version, surface in row.items()
    ]


def test_whole_space_within_its_bounds(tmp_path: Path) -> None:
    """Cold, warm and one new release stay within what is promised."""
    before_new = _Run(tmp_path / "cache", late=False)
    newest = str(before_new.store.versions("vllm")[-1])
    before_new.everything(without=newest)
    most = before_new.cost()
    new = _Run(tmp_path / "cache", late=False)
    new_started = time.monotonic()
    read_space(
        new.store,
        [
            new.store.consumer("verl", str(v))
            for v in new.store.versions("verl")
            if v >= Version(OLDEST_VERL)
        ],
        distribution="vllm",
        versions=[newest],
    )
    new_cost = {**new.cost(), "wall_s": round(time.monotonic() - new_started, 1)}
    warm = _Run(tmp_path / "cache", late=False)
    warm.everything()
    warm_cost = warm.cost()
    suspects = _Run(tmp_path / "cache", late=True)
    suspects.everything()
    suspects_cost = suspects.cost()
    size = (tmp_path / "cache" / "wheel-members.sqlite").stat().st_size
    cold = {
        "cells": warm_cost["cells"],
        "wall_s": round(most["wall_s"] + new_cost["wall_s"], 1),
        "bytes": most["bytes"] + new_cost["bytes"],
        "requests": most["requests"] + new_cost["requests"],
    }
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    body = {
        "title": "Import surfaces of the whole space: cold, warm, one new release",
        "command": "nox -s bench -- -k imports",
        "date": datetime.now(tz=timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "machine": {
            "cpus": os.cpu_count(),
            "memory_mib": memory,
            "platform": f"{platform.system()} {platform.machine()}",
            "python": ".".join(map(str, sys.version_info[:3])),
            "load_average": os.getloadavg()[0],
        },
        "figures": {
            "cold": cold,
            "warm": warm_cost,
            "warm_with_suspects": suspects_cost,
            "one_new_vllm": new_cost,
            "cache_bytes": size,
        },
        "rows": _rows(suspects),
    }
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n")

    assert cold["wall_s"] < COLD_S
    assert cold["bytes"] < COLD_BYTES
    assert warm_cost["wall_s"] < WARM_S
    assert new_cost["wall_s"] < NEW_S
    assert new_cost["bytes"] < NEW_BYTES
