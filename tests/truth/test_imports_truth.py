"""Predicted against real: install cells, run the imports of their roots, compare.

Engines are installed one after another, without their dependencies, into one environment whose
other distributions are those of verl 0.6.1 with vLLM 0.11.0 as of 2025-11-20. A root that is
raised out of by a line of verl itself is broken for the reason that is predicted; one that is
raised out of inside the engine says that the engine does not fit that environment, which is
not predicted here, and is counted apart.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_verlcompat.checks.import_surface import judge
from pytest_verlcompat.checks.surface_environment import (
    find_environment,
    read_world,
)
from pytest_verlcompat.checks.surface_roles import roots_of
from pytest_verlcompat.environments.interpreters import find_python
from pytest_verlcompat.process.environ import tool_environ
from pytest_verlcompat.process.run import Limits, run
from pytest_verlcompat.resolve.uv import call_uv
from pytest_verlcompat.wheels.cache import MemberCache, default_cache_folder
from pytest_verlcompat.wheels.index import IndexClient
from pytest_verlcompat.wheels.surface_store import FactsStore

if TYPE_CHECKING:
    from pytest_verlcompat.wheels.surface_facts import Facts

pytestmark = pytest.mark.truth

ENGINES = {
    "0.8.5.post1": "4.57.1",
    "0.9.2": "4.53.3",
    "0.10.0": "4.57.1",
    "0.11.0": "4.57.1",
    "0.12.0": "4.57.1",
}
"""vLLM releases, each with a transformers that it imports with."""

TRAINERS = ("0.5.0", "0.6.0", "0.6.1", "0.7.1", "0.8.0", "0.9.1")
BASE = ("vllm==0.11.0", "verl==0.6.1", "transformers<5", "uvicorn", "fastapi", "setuptools<81",
        "peft", "codetiming", "datasets", "hydra-core")  # fmt: skip
AS_OF = "2025-11-20"
FEWEST_CELLS = 24
FEWEST_BROKEN = 8
LEAST = 0.95
DEADLINE_S = 900.0
REPORT = Path(__file__).parents[2] / "reports" / "figures" / "imports_truth.json"
CHILD = Path(__file__).with_name("imports_child.py")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an environment to install cells into; ``VERLCOMPAT_TRUTH_ENV`` keeps one for reuse."""
    kept = os.environ.get("VERLCOMPAT_TRUTH_ENV")
    folder = Path(kept) if kept else tmp_path_factory.mktemp("truth") / "env"
    if not (folder / "bin" / "python").exists():
        _uv("venv", "--python", str(find_python("3.12")), str(folder))
        _uv("pip", "install", "--python", str(folder), "--exclude-newer", AS_OF, *BASE)
    yield folder
    if not kept:
        shutil.rmtree(folder, ignore_errors=True)


def _uv(*words: str) -> None:
    ended = call_uv(words, timeout_s=1800)
    assert ended.exit_status == 0, ended.messages


def _install_trainers(folder: Path) -> dict[str, Path]:
    """Return the folders that hold one verl release each."""
    found = {}
    for version in TRAINERS:
        target = folder / version / "trainer"
        _uv("pip", "install", "--target", str(target), "--no-deps", f"verl=={version}")
        found[version] = target
    return found


def _predict(environment: Path, consumer: Facts) -> dict[str, dict[str, Any]]:
    """Return by role what is predicted for a trainer beside what is installed, and its roots."""
    world = read_world(find_environment(environment), consumer, providers=("vllm",))
    surface = judge(consumer, world.members[1:], world=world, late=False)
    return {
        each.role.name: {
            "broken": [
                f"{failure.kind}: {failure.message} ({failure.path}:{failure.line})"
                for failure in each.failures
            ],
            "unknown": [doubt.reason for doubt in each.doubts],
            "roots": roots_of(each.role, consumer),
        }
        for each in surface.roles
        if each.role.name.startswith("vllm")
    }


def _really(environment: Path, jobs: list[dict[str, Any]], scratch: Path) -> list[dict[str, Any]]:
    """Return what importing the roots of every job does."""
    path, output = scratch / "jobs.json", scratch / "output"
    path.write_text(json.dumps(jobs))
    env = {**tool_environ(os.environ), "CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1"}
    run(
        [environment / "bin" / "python", "-W", "ignore", str(CHILD), str(path)],
        env=env,
        cwd=scratch,
        limits=Limits(timeout_s=DEADLINE_S),
        output=output,
    )
    lines = output.read_text(errors="replace").splitlines() if output.exists() else []
    return [json.loads(line) for line in lines if line.startswith('{"cell"')]


def _row(cell: str, role: str, *, predicted: dict[str, Any], real: list[Any]) -> dict[str, Any]:
    raised = [each for each in real if each["error"]]
    own = [each for each in raised if each["owner"] == "verl"]
    return {
        "cell": cell,
        "role": role,
        "predicted": "broken" if predicted["broken"] else "ok",
        "undecided": predicted["unknown"][:3],
        "expected_first": predicted["broken"][:1],
        "real": "broken" if own else ("elsewhere" if raised else "ok"),
        "finished": len(real) == len(predicted["roots"]),
        "raised": [
            f"{each['error']}: {plain(each['message'])} ({each['path']}:{each['line']})"
            for each in (own or raised)[:2]
        ],
    }


def plain(message: str) -> str:
    """Return *message* without the path of this machine that Python adds to it."""
    return re.sub(r" \(/[^)]*\)", "", message)


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _write(rows: list[dict[str, Any]], started: float) -> dict[str, Any]:
    counted = [row for row in rows if row["real"] != "elsewhere" and row["finished"]]
    both = [r for r in counted if r["predicted"] == "broken" and r["real"] == "broken"]
    predicted = [row for row in counted if row["predicted"] == "broken"]
    really = [row for row in counted if row["real"] == "broken"]
    figures = {
        "cells": len({row["cell"] for row in rows}),
        "cells_predicted_broken": len({r["cell"] for r in rows if r["predicted"] == "broken"}),
        "roles": len(rows),
        "roles_counted": len(counted),
        "roles_raised_inside_the_engine": len([r for r in rows if r["real"] == "elsewhere"]),
        "precision_of_broken": _share(len(both), len(predicted)),
        "recall_of_broken": _share(len(both), len(really)),
        "wall_s": round(time.monotonic() - started, 1),
    }
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    body = {
        "title": "Imports predicted from files against imports really run",
        "command": "nox -s truth -- -k imports",
        "date": datetime.now(tz=timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "machine": {
            "cpus": os.cpu_count(),
            "memory_mib": memory,
            "platform": f"{platform.system()} {platform.machine()}",
            "python": ".".join(map(str, sys.version_info[:3])),
        },
        "figures": figures,
        "rows": rows,
    }
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n")
    return figures


def _kept_rows(engines: list[str]) -> list[dict[str, Any]]:
    """Return the rows of engines that are not run again, from the last report."""
    kept = [engine for engine in ENGINES if engine not in engines]
    if not kept or not REPORT.exists():
        return []
    rows = json.loads(REPORT.read_text())["rows"]
    return [
        {**row, "raised": [plain(text) for text in row["raised"]]}
        for row in rows
        if row["cell"].rpartition(" ")[2] in kept
    ]


def test_predicted_imports_are_the_real_ones(environment: Path, tmp_path: Path) -> None:
    """Precision and recall of `broken` are at least 0.95 over at least 24 cells."""
    started = time.monotonic()
    trainers = _install_trainers(tmp_path)
    cache = MemberCache(default_cache_folder())
    store = FactsStore(IndexClient.configured(cache=cache), cache=cache)
    consumers = {version: store.consumer("verl", version) for version in TRAINERS}
    chosen = os.environ.get("VERLCOMPAT_TRUTH_ENGINES", "").split(",")
    engines = [engine for engine in ENGINES if chosen == [""] or engine in chosen]
    rows = _kept_rows(engines)
    figures: dict[str, Any] = {}
    for engine in engines:
        wanted = f"transformers=={ENGINES[engine]}"
        _uv("pip", "install", "--python", str(environment), wanted)
        _uv("pip", "install", "--python", str(environment), "--no-deps", f"vllm=={engine}")
        predictions = {
            f"verl {version} x vllm {engine}": (folder, _predict(environment, consumers[version]))
            for version, folder in trainers.items()
        }
        jobs = [
            {
                "cell": cell,
                "folder": str(folder),
                "roots": list(dict.fromkeys(r for role in roles.values() for r in role["roots"])),
            }
            for cell, (folder, roles) in predictions.items()
        ]
        real = _really(environment, jobs, tmp_path)
        for cell, (_, roles) in predictions.items():
            for role, predicted in roles.items():
                mine = [r for r in real if r["cell"] == cell and r["root"] in predicted["roots"]]
                rows.append(_row(cell, role, predicted=predicted, real=mine))
        figures = _write(rows, started)

    assert figures["cells"] >= FEWEST_CELLS
    assert figures["cells_predicted_broken"] >= FEWEST_BROKEN
    assert figures["precision_of_broken"] >= LEAST
    assert figures["recall_of_broken"] >= LEAST
