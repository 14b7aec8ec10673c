"""What reading and judging the whole space costs: cold, warm, and one new release."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from packaging.version import Version

from pytest_verlcompat.checks.surface_space import judge_space, read_space
from pytest_verlcompat.wheels.cache import MemberCache
from pytest_verlcompat.wheels.index import IndexClient
from pytest_verlcompat.wheels.remote import RemoteWheel
from pytest_verlcompat.wheels.surface_store import FactsStore
from tests.figures import write_figures

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_verlcompat.checks.import_surface import CellSurface
    from pytest_verlcompat.wheels.archive import FileTree
    from pytest_verlcompat.wheels.index import IndexFile
    from pytest_verlcompat.wheels.surface_facts import Facts

pytestmark = [pytest.mark.bench, pytest.mark.network]

SPACE = {"vllm": "0.8.5", "sglang": "0.4.6"}
OLDEST_VERL = "0.4.1"
COLD_S, COLD_BYTES = 360.0, 150_000_000
WARM_S = 20.0
NEW_S, NEW_BYTES = 15.0, 5_000_000
PROTOTYPE_CELLS_PER_S = 270 / 297
"""What the issue states of a careless prototype; it asked for every member on its own."""
BETTER = 5.0


class _Store(FactsStore):
    """Remembers its readers of wheels, for their counters."""

    def __init__(self, client: IndexClient, *, cache: MemberCache | None) -> None:
        super().__init__(client, cache=cache)
        self.readers: list[RemoteWheel] = []

    def open_file(self, file: IndexFile) -> FileTree:
        """Return a reader of *file*, and keep it."""
        reader = super().open_file(file)
        if isinstance(reader, RemoteWheel):
            self.readers.append(reader)
        return reader


class _Run:
    """One pass over the space with its own store, and what it cost."""

    def __init__(self, folder: Path, *, late: bool) -> None:
        self.started = time.monotonic()
        cache = MemberCache(folder)
        self.client = IndexClient.configured(cache=cache)
        self.store = _Store(self.client, cache=cache)
        self.late = late
        self.cells: dict[str, dict[str, dict[str, CellSurface]]] = {}

    def consumers(self) -> list[Facts]:
        """Return the releases of verl that count."""
        return [
            self.store.consumer("verl", str(version))
            for version in self.store.versions("verl")
            if version >= Version(OLDEST_VERL)
        ]

    def everything(self, *, without: str | None = None) -> None:
        """Judge the whole space, one vLLM release left out if asked."""
        consumers = self.consumers()
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
        wheels = [each for each in self.store.readers if each.requests_sent]
        members = sum(each.members_read for each in wheels)
        return {
            "cells": count,
            "wall_s": round(wall_s, 1),
            "cells_per_s": round(count / wall_s, 2),
            "bytes": self.client.transport.bytes_read,
            "requests": self.client.transport.requests_sent,
            "wheels": len(wheels),
            "members": members,
        }


def _rows(run: _Run) -> list[dict[str, Any]]:
    return [
        {
            "what": f"verl {trainer} x {name} {version}",
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


def _added(one: dict[str, Any], two: dict[str, Any]) -> dict[str, Any]:
    names = ("wall_s", "bytes", "requests", "wheels", "members")
    return {name: round(one[name] + two[name], 1) for name in names}


def test_whole_space_within_its_bounds(tmp_path: Path) -> None:
    """Cold, warm and one new release stay within what is promised."""
    before_new = _Run(tmp_path / "cache", late=False)
    newest = str(before_new.store.versions("vllm")[-1])
    before_new.everything(without=newest)
    most = before_new.cost()
    new = _Run(tmp_path / "cache", late=False)
    read_space(new.store, new.consumers(), distribution="vllm", versions=[newest])
    new_cost = new.cost()
    warm = _Run(tmp_path / "cache", late=False)
    warm.everything()
    warm_cost = warm.cost()
    suspects = _Run(tmp_path / "cache", late=True)
    suspects.everything()
    suspects_cost = suspects.cost()
    cold = {"cells": warm_cost["cells"], **_added(most, new_cost)}
    cold["cells_per_s"] = round(cold["cells"] / cold["wall_s"], 2)
    # The prototype: the end of a wheel, its directory, and then every member.
    one_by_one = cold["members"] + 2 * cold["wheels"]
    better = {
        "cells_per_s": round(cold["cells_per_s"] / PROTOTYPE_CELLS_PER_S, 1),
        "requests": round(one_by_one / cold["requests"], 1),
        "requests_one_by_one": one_by_one,
    }
    write_figures(
        "imports_bench",
        title="Import surfaces of the whole space: cold, warm, one new release",
        command="nox -s bench -- tests/benchmarks/test_imports_bench.py",
        figures={
            "cold": cold,
            "warm": warm_cost,
            "warm_with_suspects": suspects_cost,
            "one_new_vllm": new_cost,
            "better_than_the_prototype": better,
            "cache_bytes": (tmp_path / "cache" / "wheel-members.sqlite").stat().st_size,
        },
        rows=_rows(suspects),
    )

    assert cold["wall_s"] < COLD_S
    assert cold["bytes"] < COLD_BYTES
    assert warm_cost["wall_s"] < WARM_S
    assert new_cost["wall_s"] < NEW_S
    assert new_cost["bytes"] < NEW_BYTES
    assert better["cells_per_s"] >= BETTER
    assert better["requests"] >= BETTER
