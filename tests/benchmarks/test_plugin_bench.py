"""Figures of the plugin in other people's repositories. Run by ``nox -s bench``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.conftest import ROOT
from tests.figures import Spent, make_venv, measure_command, median_ms, write_figures

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

pytestmark = pytest.mark.bench

TITLE = "The plugin in a repository: idle, collecting, 5,000 tests"
COMMAND = "nox -s bench -- tests/benchmarks/test_plugin_bench.py"
ROUNDS = 11
MANY_ROUNDS = 3
FILES, TESTS = 50, 100
WORKERS = 8
COLLECT_LIMIT_MS = 150.0
STACK = ("verl-0.6.1", "vllm-0.11.0", "torch-2.8.0", "transformers-4.57.1", "ray-2.51.1")


def _keep(figures: Mapping[str, object], rows: Sequence[Mapping[str, object]]) -> None:
    write_figures("plugin_bench", title=TITLE, command=COMMAND, figures=figures, rows=rows)


@pytest.fixture(scope="module")
def pythons(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return an interpreter with pytest and xdist, and one with the plugin too."""
    folder = tmp_path_factory.mktemp("envs")
    beside = ("pytest", "packaging", "pytest-xdist")
    return {
        "absent": make_venv(folder / "absent", *beside),
        "verlcompat": make_venv(folder / "verlcompat", *beside, str(ROOT)),
    }


def _spend(
    pythons: Mapping[str, Path], folder: Path, *, rounds: int, words: Mapping[str, Sequence[str]]
) -> dict[str, list[Spent]]:
    """Return what each of *words* cost, in turns, without the first round."""
    env = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    spent: dict[str, list[Spent]] = {name: [] for name in words}
    for turn in range(rounds + 1):
        for name, more in words.items():
            python = pythons["absent" if name == "absent" else "verlcompat"]
            argv = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", *more]
            once = measure_command(argv, cwd=folder, env=env)
            if turn:
                spent[name].append(once)
    return spent


def _differences(spent: Mapping[str, Sequence[Spent]], name: str) -> dict[str, float]:
    pairs = list(zip(spent[name], spent["absent"], strict=True))
    return {
        "cpu_ms": median_ms([one.cpu_s - bare.cpu_s for one, bare in pairs]),
        "wall_ms": median_ms([one.wall_s - bare.wall_s for one, bare in pairs]),
    }


def _rows(what: str, spent: Mapping[str, Sequence[Spent]]) -> list[dict[str, object]]:
    return [
        {
            "what": f"{what}, plugin: {name}",
            "rounds": len(each),
            "median_wall_ms": median_ms([once.wall_s for once in each]),
            "median_cpu_ms": median_ms([once.cpu_s for once in each]),
        }
        for name, each in spent.items()
    ]


def test_collecting_a_verdict_costs_at_most_150_ms(
    pythons: dict[str, Path], tmp_path: Path
) -> None:
    """``--verlcompat --collect-only`` beside a stack of metadata, against pytest alone."""
    (site,) = (pythons["verlcompat"].parent.parent / "lib").glob("python*/site-packages")
    for name in STACK:
        (site / f"{name}.dist-info").mkdir(exist_ok=True)
    (tmp_path / "test_own.py").write_text("def test_own(): pass\n")
    words = {
        "absent": ["--collect-only"],
        "idle": ["--collect-only"],
        "verlcompat": ["--collect-only", "--verlcompat"],
    }
    spent = _spend(pythons, tmp_path, rounds=ROUNDS, words=words)
    idle, judging = _differences(spent, "idle"), _differences(spent, "verlcompat")
    _keep(
        {
            "idle_with_xdist_cpu_ms": idle["cpu_ms"],
            "collect_only_cost_cpu_ms": judging["cpu_ms"],
            "collect_only_cost_wall_ms": judging["wall_ms"],
            "collect_only_limit_ms": COLLECT_LIMIT_MS,
        },
        _rows("pytest --collect-only", spent),
    )

    assert judging["cpu_ms"] <= COLLECT_LIMIT_MS


def test_repository_of_5000_tests_under_8_workers(pythons: dict[str, Path], tmp_path: Path) -> None:
    """What the idle plugin adds to a whole run of tests that do nothing."""
    body = "import pytest\n@pytest.mark.parametrize('number', range(%d))\ndef test(number): pass\n"
    for number in range(FILES):
        (tmp_path / f"test_{number}.py").write_text(body % TESTS)
    words: dict[str, Sequence[str]] = {
        name: ["-n", str(WORKERS)] for name in ("absent", "verlcompat")
    }
    spent = _spend(pythons, tmp_path, rounds=MANY_ROUNDS, words=words)
    added = _differences(spent, "verlcompat")
    bare_ms = median_ms([each.cpu_s for each in spent["absent"]])
    _keep(
        {
            "tests": FILES * TESTS,
            "workers": WORKERS,
            "added_cpu_ms": added["cpu_ms"],
            "added_wall_ms": added["wall_ms"],
            "added_cpu_share": round(added["cpu_ms"] / bare_ms, 4),
        },
        _rows(f"{FILES * TESTS} tests under -n {WORKERS}", spent),
    )

    assert added["cpu_ms"] / bare_ms <= 0.05
