"""Predicted against real: install cells, run the imports of their roots, compare.

The engines of a family are installed one after another, without their dependencies, into one
environment: that of verl 0.6.1 with vLLM 0.11.0, or with SGLang 0.5.5, as of 2025-11-20. A root
that is raised out of by a line of verl itself is broken for the reason that is predicted; one
that is raised out of inside the engine says that the engine does not fit that environment,
which is not predicted here, and is counted apart; so is one whose import a signal ends, as
that of vLLM 0.12.0 with its libraries for torch 2.9. SGLang's kernels need the NVIDIA driver to
be loaded: they get a library that defines its names and finds no device.

One engine is one test (``-k vllm-0.11.0``); rows of earlier runs stay as long as the code that
predicts is the same, so that the whole can be run in parts, and a run that was cut goes on.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_verlcompat.checks.abi_load import build_driver_stub, find_driver_names
from pytest_verlcompat.checks.import_surface import judge
from pytest_verlcompat.checks.installed import IMPORT_CODE, digest_of
from pytest_verlcompat.checks.surface_environment import find_environment, read_world
from pytest_verlcompat.checks.surface_roles import roots_of
from pytest_verlcompat.environments.interpreters import find_python
from pytest_verlcompat.process.environ import tool_environ
from pytest_verlcompat.process.run import Limits, run
from pytest_verlcompat.resolve.uv import call_uv
from pytest_verlcompat.wheels.cache import MemberCache, default_cache_folder
from pytest_verlcompat.wheels.index import IndexClient
from pytest_verlcompat.wheels.surface_store import FactsStore
from tests.figures import FOLDER, write_figures

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_verlcompat.wheels.surface_facts import Facts

pytestmark = pytest.mark.truth

AS_OF = "2025-11-20"
TRAINERS = ("0.5.0", "0.6.0", "0.6.1", "0.7.1", "0.8.0", "0.9.1")
READ = ("vllm", "sglang", "transformers")
"""Providers whose names are predicted; the others are listed, and known not to be read."""

_VLLM_BASE = ("vllm==0.11.0", "verl==0.6.1", "transformers<5", "uvicorn", "fastapi",
              "setuptools<81", "peft", "codetiming", "datasets", "hydra-core")  # fmt: skip
_SGLANG_LOCK = (
    Path(__file__).parents[2]
    / "matrix"
    / "locks"
    / f"verl0.6.1-sglang0.5.5-python3.12-{AS_OF}"
    / "requirements.txt"
)


@dataclass(frozen=True, kw_only=True)
class Engine:
    """An engine release, and what stands beside it."""

    name: str
    version: str
    beside: tuple[str, ...] = field(default=())
    """Pins of distributions it needs to be imported at all."""


ENGINES = (
    Engine(name="vllm", version="0.8.5.post1", beside=("transformers==4.57.1",)),
    Engine(name="vllm", version="0.9.2", beside=("transformers==4.53.3",)),
    Engine(name="vllm", version="0.10.0", beside=("transformers==4.57.1",)),
    Engine(name="vllm", version="0.11.0", beside=("transformers==4.57.1",)),
    Engine(name="vllm", version="0.12.0", beside=("transformers==4.57.1",)),
    Engine(name="sglang", version="0.5.2", beside=("sgl-kernel==0.3.9.post2",)),
    Engine(name="sglang", version="0.5.5", beside=("sgl-kernel==0.3.16.post5",)),
)

FEWEST_CELLS = 24
FEWEST_BROKEN = 8
FEWEST_SGLANG = 4
LEAST = 0.95
DEADLINE_S = float(os.environ.get("VERLCOMPAT_TRUTH_DEADLINE_S", "3000"))
"""Of the imports beside one engine; what was done until then is kept, and not done again."""
NAME = "imports_truth"
CHILD = Path(__file__).with_name("imports_child.py")
RULES = digest_of(IMPORT_CODE)[:8]


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a folder for environments; ``VERLCOMPAT_TRUTH_ENV`` names one to be kept."""
    kept = os.environ.get("VERLCOMPAT_TRUTH_ENV")
    folder = Path(kept) if kept else tmp_path_factory.mktemp("truth")
    yield folder
    if not kept:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def trainers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the folders that hold one verl release each."""
    folder = tmp_path_factory.mktemp("trainers")
    found = {}
    for version in TRAINERS:
        found[version] = folder / version / "trainer"
        _uv("pip", "install", "--target", str(found[version]), "--no-deps", f"verl=={version}")
    return found


@pytest.fixture(scope="module")
def consumers() -> dict[str, Facts]:
    """Return what each trainer imports, from its wheel."""
    cache = MemberCache(default_cache_folder())
    store = FactsStore(IndexClient.configured(cache=cache), cache=cache)
    return {version: store.consumer("verl", version) for version in TRAINERS}


def _uv(*words: str) -> None:
    ended = call_uv(words, timeout_s=1800)
    assert ended.exit_status == 0, ended.messages


def _environment(scratch: Path, family: str) -> Path:
    """Return the environment of a family; that of another one is deleted first."""
    folder = scratch / family
    for other in scratch.glob("*/bin/python"):
        if other.parents[1] != folder:
            shutil.rmtree(other.parents[1])
    if not (folder / "bin" / "python").exists():
        _uv("venv", "--python", str(find_python("3.12")), str(folder))
        wanted = _VLLM_BASE if family == "vllm" else ("-r", str(_SGLANG_LOCK))
        _uv("pip", "install", "--python", str(folder), "--exclude-newer", AS_OF, *wanted)
    return folder


def _install(environment: Path, engine: Engine) -> None:
    pins = (f"{engine.name}=={engine.version}", *engine.beside)
    to = ("--python", str(environment))
    if engine.name == "vllm":  # its tokenizers and the like follow transformers
        _uv("pip", "install", *to, *engine.beside)
    _uv("pip", "install", *to, "--no-deps", *pins)


def _predict(environment: Path, consumer: Facts, engine: Engine) -> dict[str, dict[str, Any]]:
    """Return by role what is predicted for a trainer beside what is installed, and its roots."""
    world = read_world(find_environment(environment), consumer, providers=READ)
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
        if each.role.name.startswith(engine.name)
    }


def _really(
    environment: Path, jobs: list[dict[str, Any]], *, engine: Engine, folder: Path
) -> list[dict[str, Any]]:
    """Return what importing the roots of every job does."""
    path, output = folder / "jobs.json", folder / "output"
    path.write_text(json.dumps({"engine": engine.name, "jobs": jobs}))
    env = {**tool_environ(os.environ), "CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1"}
    if engine.name == "sglang":
        env["LD_LIBRARY_PATH"] = str(_driver(environment, folder))
    run(
        [environment / "bin" / "python", "-W", "ignore", str(CHILD), str(path)],
        env=env,
        cwd=folder,
        limits=Limits(timeout_s=DEADLINE_S),
        output=output,
    )
    lines = output.read_text(errors="replace").splitlines() if output.exists() else []
    return [json.loads(line) for line in lines if line.startswith('{"cell"')]


def _driver(environment: Path, folder: Path) -> Path:
    """Return a folder with a libcuda that defines what the kernels ask of it."""
    packages = next((environment / "lib").glob("python*/site-packages"))
    wanted = ("sgl_kernel/**/*.so", "torch_memory_saver*.so", "torch/lib/*.so")
    libraries = [path for pattern in wanted for path in packages.glob(pattern)]
    return build_driver_stub(folder, names=find_driver_names(libraries))


def _row(
    cell: str, role: str, *, predicted: dict[str, Any], real: list[Any], signal: int | None
) -> dict[str, Any]:
    raised = [each for each in real if each["error"]]
    own = [each for each in raised if each["owner"] == "verl"]
    return {
        "what": f"{cell}, {role}",
        "cell": cell,
        "role": role,
        "rules": RULES,
        "predicted": "broken" if predicted["broken"] else "ok",
        "undecided": predicted["unknown"][:3],
        "expected_first": predicted["broken"][:1],
        "real": "broken" if own else ("elsewhere" if raised else "ok"),
        "finished": len(real) == len(predicted["roots"]),
        "signal": signal,
        "raised": [
            f"{each['error']}: {plain(each['message'])} ({each['path']}:{each['line']})"
            for each in (own or raised)[:2]
        ],
    }


def plain(message: str) -> str:
    """Return *message* without the paths of this machine that Python and loaders add to it."""
    return re.sub(
        r"(?<![\w.])/(?:[\w.+-]+/)*([\w.+-]+)", r"\1", re.sub(r" \(/[^)]*\)", "", message)
    )


def _kept() -> list[dict[str, Any]]:
    """Return the rows that the code of today predicted."""
    path = FOLDER / f"{NAME}.json"
    rows = json.loads(path.read_text())["rows"] if path.exists() else []
    return [row for row in rows if row.get("rules") == RULES]


def _write(fresh: list[dict[str, Any]]) -> None:
    new = {row["what"] for row in fresh}
    rows = [row for row in _kept() if row["what"] not in new] + fresh
    path = FOLDER / f"{NAME}.json"
    if path.exists():  # rows of other code would count as if today's had predicted them
        path.unlink()
    write_figures(
        NAME,
        title="Imports predicted from files against imports really run",
        command="nox -s truth -- -k imports",
        figures=_figures(rows),
        rows=sorted(rows, key=lambda row: row["what"]),
    )


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _figures(rows: list[dict[str, Any]]) -> dict[str, Any]:
    counted = [row for row in rows if row["real"] != "elsewhere" and row["finished"]]
    both = [r for r in counted if r["predicted"] == "broken" and r["real"] == "broken"]
    predicted = [row for row in counted if row["predicted"] == "broken"]
    really = [row for row in counted if row["real"] == "broken"]
    return {
        "cells": len({row["cell"] for row in rows}),
        "cells_counted": len({row["cell"] for row in counted}),
        "cells_counted_sglang": len({r["cell"] for r in counted if "sglang" in r["cell"]}),
        "cells_predicted_broken": len({row["cell"] for row in predicted}),
        "roles": len(rows),
        "roles_counted": len(counted),
        "roles_raised_inside_the_engine": len([r for r in rows if r["real"] == "elsewhere"]),
        "cells_ended_by_a_signal": sorted({r["cell"] for r in rows if r.get("signal")}),
        "roles_undecided": len([r for r in rows if r["undecided"]]),
        "disagreements": [row["what"] for row in counted if (row in predicted) != (row in really)],
        "precision_of_broken": _share(len(both), len(predicted)),
        "recall_of_broken": _share(len(both), len(really)),
    }


@pytest.mark.parametrize("engine", ENGINES, ids=lambda each: f"{each.name}-{each.version}")
def test_imports_end_as_predicted(
    engine: Engine,
    scratch: Path,
    trainers: dict[str, Path],
    consumers: dict[str, Facts],
    tmp_path: Path,
) -> None:
    """Every root of every trainer beside one engine was tried, and the rows are kept."""
    cells = {f"verl {version} x {engine.name} {engine.version}": version for version in trainers}
    done = {row["cell"] for row in _kept() if row["finished"] or row.get("signal")}
    if set(cells) <= done:
        return
    environment = _environment(scratch, engine.name)
    _install(environment, engine)
    predictions = {
        cell: _predict(environment, consumers[version], engine)
        for cell, version in cells.items()
        if cell not in done
    }
    jobs = [
        {
            "cell": cell,
            "folder": str(trainers[cells[cell]]),
            "roots": list(dict.fromkeys(r for role in roles.values() for r in role["roots"])),
        }
        for cell, roles in predictions.items()
    ]
    real = _really(environment, jobs, engine=engine, folder=tmp_path)
    rows = make_rows(predictions, real)
    _write(rows)

    assert {row["cell"] for row in rows} == set(predictions)
    assert all(row["finished"] or row["signal"] for row in rows)


def make_rows(
    predictions: dict[str, dict[str, dict[str, Any]]], real: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return predicted beside real, a row for each role of each cell that was begun."""
    rows = []
    signals = {each["cell"]: each["signal"] for each in real if "signal" in each}
    for cell, roles in predictions.items():
        signal = signals.get(cell)
        for role, predicted in roles.items():
            mine = [r for r in real if r["cell"] == cell and r["root"] in predicted["roots"]]
            if mine or signal:
                rows.append(_row(cell, role, predicted=predicted, real=mine, signal=signal))
    return rows


def test_precision_and_recall_of_broken_are_high() -> None:
    """Over enough cells, SGLang's among them, what is called broken is, and the other way round."""
    figures = _figures(_kept())

    assert figures["cells_counted"] >= FEWEST_CELLS
    assert figures["cells_counted_sglang"] >= FEWEST_SGLANG
    assert figures["cells_predicted_broken"] >= FEWEST_BROKEN
    assert figures["precision_of_broken"] >= LEAST
    assert figures["recall_of_broken"] >= LEAST
