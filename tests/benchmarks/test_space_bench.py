"""Figures of the space: cold, warm, and with nothing to do. Takes some twelve quiet minutes.

Cold and warm: verl >= 0.4 x vLLM >= 0.8.5 x Python 3.11 and 3.12, both forms, as of release day
and today, into a new ledger. Nothing new: the whole space, from the committed ledger.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.cli import main
from pytest_verlcompat.matrix.load import load_axis
from pytest_verlcompat.resolve.ledger import Ledger
from pytest_verlcompat.resolve.question import Resolution
from pytest_verlcompat.resolve.space import Selection, find_cells, releases_of
from pytest_verlcompat.wheels.index import IndexClient
from pytest_verlcompat.wheels.transport import Transport
from tests.figures import Spent, measure, write_figures

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = [pytest.mark.bench, pytest.mark.network, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
SPACE = Path("reports", "evidence", "space")
COMMAND = "nox -s bench -- tests/benchmarks/test_space_bench.py"
SUBSET = (
    *("--engine", "vllm", "--from", "verl==0.4", "--from", "vllm==0.8.5", "--glibc", "2.35"),
    *("--python", "3.11", "--python", "3.12"),
)
LEAST = {"verl": "0.4", "vllm": "0.8.5"}


def count_cells() -> int:
    """Return how many cells the subset has."""
    axes = ROOT / "matrix" / "axes"
    releases = {
        name: releases_of(load_axis(axes / f"{name}.toml")) for name in ("verl", "vllm", "sglang")
    }
    selection = Selection(engines=["vllm"], pythons=["3.11", "3.12"], glibcs=["2.35"], least=LEAST)
    return len(tuple(find_cells(releases, selection)))


def run_space(root: Path, words: Sequence[str] = ()) -> Spent:
    """Run the command over *root* and return what it cost; every cell must get an answer."""
    statuses: list[int] = []
    spent = measure(lambda: statuses.append(main(["space", "--root", str(root), *words])))
    assert statuses == [0]
    return spent


def make_root(folder: Path) -> Path:
    """Return a checkout that holds the axes alone."""
    shutil.copytree(ROOT / "matrix", folder / "matrix")
    return folder


def test_subset_is_fast_enough_cold_and_warm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cold under 30 minutes, warm at 8 cells a second; warm has uv's cache and nothing else."""
    monkeypatch.setenv("VERLCOMPAT_CACHE_DIR", str(tmp_path / "cache"))
    roots = {name: make_root(tmp_path / name) for name in ("cold", "warm")}
    cells = count_cells()

    cold = run_space(roots["cold"], SUBSET)
    (tmp_path / "cache" / "space.sqlite").unlink()
    warm = run_space(roots["warm"], SUBSET)
    again = run_space(roots["warm"], SUBSET)

    facts = list(Ledger(roots["warm"] / SPACE).facts())
    words = Counter(fact.resolution.value for fact in facts)
    write_figures(
        "space_bench",
        title="The space of releases: cold, warm, and with nothing to do",
        command=COMMAND,
        figures={
            "subset": "verl >= 0.4 x vLLM >= 0.8.5 x Python 3.11 and 3.12, dated and today",
            "cells": cells,
            "asked": len(facts),
            "derived": cells - len(facts),
            "cold_minutes": round(cold.wall_s / 60, 1),
            "warm_cells_per_s": round(cells / warm.wall_s, 1),
            "warm_asked_per_s": round(len(facts) / warm.wall_s, 1),
            "warm_asked_per_cpu_s": round(len(facts) / warm.cpu_s, 1),
            "bytes_of_one_new_release": bytes_of_one_new_release(),
        },
        rows=[
            {"what": what, "wall_s": round(each.wall_s, 1), "cpu_s": round(each.cpu_s, 1)}
            for what, each in (("cold", cold), ("warm", warm), ("subset again", again))
        ],
    )
    assert words[Resolution.RESOLVED.value] > 0
    assert cold.wall_s < 30 * 60
    assert len(facts) / warm.wall_s >= 8


def test_rerun_of_the_whole_space_without_news_takes_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every page that an answer rests on is compared, and nothing is asked, under 10 seconds.

    The first run on a machine parses every page; those after it only the pages that changed.
    """
    monkeypatch.setenv("VERLCOMPAT_CACHE_DIR", str(tmp_path / "cache"))
    root = make_root(tmp_path / "root")
    shutil.copytree(ROOT / SPACE, root / SPACE)
    runs = (root / SPACE / "runs.jsonl").read_text(encoding="utf-8").splitlines()
    day = max(json.loads(line)["as_of"] for line in runs)
    before = ledger_lines(root)

    first = run_space(root, ["--as-of", day])
    again = run_space(root, ["--as-of", day])

    write_figures(
        "space_bench",
        title="The space of releases: cold, warm, and with nothing to do",
        command=COMMAND,
        figures={
            "whole_space_nothing_new_s": round(again.wall_s, 1),
            "ledger_bytes": sum(path.stat().st_size for path in (root / SPACE).rglob("*.jsonl")),
        },
        rows=[
            {"what": what, "wall_s": round(each.wall_s, 1), "cpu_s": round(each.cpu_s, 1)}
            for what, each in (
                ("whole space, first look on a machine", first),
                ("whole space, nothing new", again),
            )
        ],
    )
    assert ledger_lines(root) == before
    assert again.wall_s < 10


def ledger_lines(root: Path) -> int:
    """Return how many facts the ledger holds."""
    return sum(1 for _ in Ledger(root / SPACE).facts())


def bytes_of_one_new_release() -> int:
    """Return what discovery of the newest vLLM release costs, its project page included."""
    transport = Transport()
    urls = IndexClient.configured()._index_urls[:1]  # noqa: SLF001 -- counts from zero
    client = IndexClient(urls, transport=transport)
    newest = [file for file in client.releases("vllm") if file.is_wheel][-1]

    client.metadata(newest)

    assert transport.bytes_read < 1_000_000
    return transport.bytes_read
