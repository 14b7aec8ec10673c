"""Predictions from symbols against extensions that were installed and loaded for real."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_verlcompat.checks.abi_load import (
    LoadResult,
    build_driver_stub,
    find_driver_names,
    has_driver,
    load_libraries,
)
from pytest_verlcompat.checks.abi_symbols import (
    ExtensionVerdict,
    find_built_for,
    judge_extension,
)
from pytest_verlcompat.wheels.archive import open_wheel
from pytest_verlcompat.wheels.exports import TorchExports, load_exports
from pytest_verlcompat.wheels.index import IndexClient, choose_wheel
from pytest_verlcompat.wheels.loader import load_loader_cache
from pytest_verlcompat.wheels.needs import WheelNeeds, read_needs
from pytest_verlcompat.wheels.symbols import ExtensionNeeds, Origin, origin_of_library

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FIGURES = Path(__file__).parents[2] / "reports" / "figures" / "abi_truth.json"
COMMAND = "pytest -m truth tests/truth/test_abi_truth.py"
PYTHON = Path(sys.executable).resolve()
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
TORCHES = ("2.8.0", "2.9.1", "2.7.1", "2.10.0", "2.14.1")
EXTENSIONS = (
    "vllm==0.10.0",
    "vllm==0.11.0",
    "vllm==0.12.0",
    "vllm==0.33.0",
    "sgl-kernel==0.3.9",
    "xformers==0.0.32.post1",
    "torchvision==0.23.0",
    "torchaudio==2.8.0",
)
JUDGED = frozenset(
    {Origin.TORCH, Origin.CUDA, Origin.NCCL, Origin.DRIVER, Origin.SYSTEM, Origin.PYTHON}
)


def _uv(*words: object) -> None:
    uv = shutil.which("uv")
    assert uv is not None
    subprocess.run([uv, "-q", *map(str, words)], check=True, timeout=1500)


def _read(spec: str) -> WheelNeeds:
    """Return the needs of the wheel on the index, by range, as a user would get them."""
    name, _, version = spec.partition("==")
    files = IndexClient.configured().releases(name)
    file = choose_wheel(files, version=version, python=VERSION, platform="manylinux_2_36_x86_64")
    assert file is not None, spec
    with open_wheel(file.url, digest=file.sha256) as wheel:
        return read_needs(wheel)


def _judged_names(needs: WheelNeeds, folder: Path) -> list[str]:
    """Return the extensions that bind to torch and ask for no library of others.

    What asks for such a library through a sibling is left out as well: whether ffmpeg or sox
    is installed is not the question here.
    """
    files = {each.name.rpartition("/")[2]: each for each in needs.extensions}

    def is_judged(extension: ExtensionNeeds) -> bool:
        return all(
            is_judged(files[soname]) if soname in files else origin_of_library(soname) in JUDGED
            for soname in extension.needed
        )

    return [
        each.name
        for each in needs.extensions
        if each.torch and is_judged(each) and (folder / each.name).is_file()
    ]


def _compare(verdict: ExtensionVerdict, result: LoadResult) -> tuple[str, bool]:
    """Return how the load ended, in words, and whether that is what was predicted."""
    if result.signal is not None:
        return f"bound, then signal {result.signal}", verdict.silent_break is not None
    if result.error is None:
        own = f"libcudart.so.{verdict.other_cuda}" in load_loader_cache()
        if verdict.other_cuda is not None and own and not verdict.missing:
            return "loaded, with another CUDA of this machine", True
        return "loaded", verdict.loads
    symbol = re.search(r"undefined symbol: (\w+)", result.error)
    if symbol:
        return f"undefined symbol: {symbol[1]}", symbol[1] in verdict.missing
    library = re.search(r"(\S+\.so\S*): cannot open shared object", result.error)
    if library:
        # The loader looks for libraries before symbols, so it does not come to the latter.
        expected = verdict.other_cuda is not None
        return f"missing library: {library[1]}", expected and str(verdict.other_cuda) in library[1]
    return result.error, False


def _load_pair(
    needs: WheelNeeds, folder: Path, *, torch: str, python: Path, scratch: Path
) -> list[dict[str, Any]]:
    exports = load_exports()
    release = exports.release(torch)
    built_for = find_built_for(needs, exports=exports)
    names = _judged_names(needs, folder)
    libraries = [folder / name for name in names]
    stub = None
    if not has_driver():
        scratch.mkdir(exist_ok=True)
        stub = build_driver_stub(scratch, names=find_driver_names(libraries))
    loaded = load_libraries(python, libraries, folder=scratch, stub=stub)
    assert len(loaded) == len(libraries), loaded
    by_name = {each.name: each for each in needs.extensions}
    rows = []
    for name, result in zip(names, loaded, strict=True):
        verdict = judge_extension(
            by_name[name], exports=exports, release=release, built_for=built_for
        )
        ending, agrees = _compare(verdict, result)
        rows.append(
            {
                "extension": name,
                "predicted": "loads" if verdict.loads else "cannot load",
                "predicted_missing": len(verdict.missing),
                "predicted_other_cuda": verdict.other_cuda,
                "predicted_crash": verdict.silent_break is not None and not verdict.missing,
                "ended": ending,
                "agrees": agrees,
            }
        )
    return rows


@pytest.fixture(scope="module")
def scratch() -> Iterator[Path]:
    """Return a folder on a disk with room, deleted afterwards."""
    folder = Path(os.environ.get("VERLCOMPAT_SCRATCH", "/tmp")) / "verlcompat-abi-truth"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.truth
def test_predictions_agree_with_loading(scratch: Path) -> None:
    """Every extension loads exactly where its symbols say, on all pairs."""
    needs = {spec: _read(spec) for spec in EXTENSIONS}
    for spec in EXTENSIONS:
        _uv("pip", "install", "--no-deps", "--python", PYTHON, "--target", scratch / spec, spec)
    rows: list[dict[str, Any]] = []

    for torch in TORCHES:
        environment = scratch / f"torch-{torch}"
        _uv("venv", "--python", PYTHON, environment)
        _uv("pip", "install", "--python", environment, f"torch=={torch}")
        for spec in EXTENSIONS:
            found = _load_pair(
                needs[spec],
                scratch / spec,
                torch=torch,
                python=environment / "bin" / "python",
                scratch=scratch / "load",
            )
            rows += [{"distribution": spec, "torch": torch, **row} for row in found]
        shutil.rmtree(environment)
        _write(rows, exports=load_exports())

    pairs = {(row["distribution"], row["torch"]) for row in rows}
    broken = {
        (row["distribution"], row["torch"]) for row in rows if row["predicted"] == "cannot load"
    }
    assert len(pairs) >= 20
    assert len(broken) >= 8
    assert [row for row in rows if not row["agrees"]] == []


def _write(rows: Sequence[dict[str, Any]], *, exports: TorchExports) -> None:
    pairs = {(row["distribution"], row["torch"]) for row in rows}
    broken = {
        (row["distribution"], row["torch"]) for row in rows if row["predicted"] == "cannot load"
    }
    failed = {
        (row["distribution"], row["torch"]) for row in rows if not row["ended"].startswith("loaded")
    }
    undefined = [row for row in rows if row["ended"].startswith("undefined symbol")]
    crashed = [row for row in rows if row["ended"].startswith("bound, then signal")]
    body = {
        "title": "Extensions loaded for real beside torch, against the prediction from symbols",
        "command": COMMAND,
        "date": dt.datetime.now(dt.timezone.utc).strftime("%Y-%m-%d"),
        "machine": {
            "cpus": os.cpu_count(),
            "memory_gib": round(
                os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
            ),
            "platform": platform.platform(),
            "driver": "real" if has_driver() else "stub libcuda.so.1",
        },
        "figures": {
            "pairs": len(pairs),
            "pairs_predicted_not_to_load": len(broken),
            "pairs_that_did_not_load": len(failed),
            "loads_of_shared_objects": len(rows),
            "ended_with_undefined_symbol": len(undefined),
            "undefined_symbol_predicted": sum(row["agrees"] for row in undefined),
            "crashed_after_all_symbols_were_bound": len(crashed),
            "crash_predicted": sum(row["agrees"] for row in crashed),
            "agreements": sum(row["agrees"] for row in rows),
            "disagreements": sum(not row["agrees"] for row in rows),
        },
        "limits": (
            "agrees means: the loader bound every symbol where that was predicted, named a "
            "predicted one where not, and a crash in initialisers was predicted. The rule that "
            "predicts those crashes (checks/abi_breaks.py) was learned from a run of this session."
        ),
        "rows": list(rows),
    }
    FIGURES.parent.mkdir(parents=True, exist_ok=True)
    FIGURES.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
