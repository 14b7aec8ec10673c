"""Predictions from symbols against extensions that were installed and loaded for real."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_verlcompat.checks.abi_live import LiveReport, check_installed
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
from pytest_verlcompat.checks.installed import list_checks
from pytest_verlcompat.model.finding import Weight
from pytest_verlcompat.wheels.archive import open_wheel
from pytest_verlcompat.wheels.exports import load_exports
from pytest_verlcompat.wheels.index import IndexClient, choose_wheel
from pytest_verlcompat.wheels.loader import load_loader_cache
from pytest_verlcompat.wheels.needs import WheelNeeds, read_needs
from pytest_verlcompat.wheels.symbols import ExtensionNeeds, Origin, origin_of_library
from tests.figures import write_figures

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

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


def _live_broken(report: LiveReport) -> frozenset[str]:
    """Return the objects of which the installed check says that they would not load."""
    found: set[str] = set()
    for finding in report.findings:
        if finding.weight is not Weight.BROKEN:
            continue
        line, detail = finding.cause.first_line, finding.cause.detail or ""
        needed_by = re.match(r"needed by ([^;]+);", detail)
        found.add(needed_by[1] if needed_by else line.partition(":")[0])
    return frozenset(found)


def _load_pair(
    needs: WheelNeeds, site: Path, *, torch: str, scratch: Path
) -> Iterator[dict[str, Any]]:
    """Yield a row for each extension of one distribution that is installed in *site*."""
    exports = load_exports()
    release = exports.release(torch)
    built_for = find_built_for(needs, exports=exports)
    names = _judged_names(needs, site)
    libraries = [site / name for name in names]
    broken = _live_broken(check_installed(site))
    stub = None
    if not has_driver():
        scratch.mkdir(exist_ok=True)
        stub = build_driver_stub(scratch, names=find_driver_names(libraries))
    python = site.parents[2] / "bin" / "python"
    loaded = load_libraries(python, libraries, folder=scratch, stub=stub)
    assert len(loaded) == len(libraries), loaded
    by_name = {each.name: each for each in needs.extensions}
    for name, result in zip(names, loaded, strict=True):
        verdict = judge_extension(
            by_name[name], exports=exports, release=release, built_for=built_for
        )
        ending, agrees = _compare(verdict, result)
        yield {
            "extension": name,
            "predicted": "loads" if verdict.loads else "cannot load",
            "predicted_missing": len(verdict.missing),
            "predicted_other_cuda": verdict.other_cuda,
            "predicted_crash": verdict.silent_break is not None and not verdict.missing,
            "installed_predicted": "cannot load" if name in broken else "loads",
            "ended": ending,
            "agrees": agrees,
            "installed_agrees": (name not in broken) == ending.startswith("loaded"),
        }


@pytest.fixture(scope="module")
def scratch() -> Iterator[Path]:
    """Return a folder on a disk with room, deleted afterwards."""
    folder = Path(os.environ.get("VERLCOMPAT_SCRATCH", "/tmp")) / "verlcompat-abi-truth"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.truth
@pytest.mark.parametrize("torch", TORCHES)
def test_predictions_agree_with_loading(scratch: Path, torch: str) -> None:
    """Every extension loads exactly where its symbols say, beside one torch after another.

    Each torch can be asked for alone (``-k 2.8.0``); the figures are those of all that were.
    """
    environment = scratch / f"torch-{torch}"
    _uv("venv", "--python", PYTHON, environment)
    _uv("pip", "install", "--python", environment, f"torch=={torch}")
    (site,) = environment.glob("lib/python3*/site-packages")
    rows: list[dict[str, Any]] = []

    for spec in EXTENSIONS:
        _uv("pip", "install", "--no-deps", "--python", environment, spec)
        for row in _load_pair(_read(spec), site, torch=torch, scratch=scratch / "load"):
            what = f"{spec} beside torch {torch}: {row['extension']}"
            rows.append({"what": what, "distribution": spec, "torch": torch, **row})
        _uv("pip", "uninstall", "--python", environment, spec.partition("==")[0])
    shutil.rmtree(environment)

    _write(rows)
    assert {row["distribution"] for row in rows} == set(EXTENSIONS)
    assert [row for row in rows if not (row["agrees"] and row["installed_agrees"])] == []


def _write(new: Sequence[dict[str, Any]]) -> None:
    """Keep *new* rows, and the figures of all rows of the same rules."""
    rules = next(each.sha256 for each in list_checks() if each.name == "abi_symbols")[:8]
    new = [{**row, "rules": rules} for row in new]
    known = json.loads(FIGURES.read_text(encoding="utf-8"))["rows"] if FIGURES.is_file() else []
    fresh = {row["what"] for row in new}
    rows = [row for row in known if row.get("rules") == rules and row["what"] not in fresh] + new
    FIGURES.unlink(missing_ok=True)

    def pairs(chosen: Iterable[dict[str, Any]]) -> int:
        return len({(row["distribution"], row["torch"]) for row in chosen})

    undefined = [row for row in rows if row["ended"].startswith("undefined symbol")]
    crashed = [row for row in rows if row["ended"].startswith("bound, then signal")]
    write_figures(
        "abi_truth",
        title="Extensions installed and loaded for real beside torch, against the prediction",
        command=COMMAND,
        figures={
            "driver": "real" if has_driver() else "stub libcuda.so.1",
            "pairs": pairs(rows),
            "pairs_predicted_not_to_load": pairs(r for r in rows if r["predicted"] != "loads"),
            "pairs_that_did_not_load": pairs(r for r in rows if r["ended"][:6] != "loaded"),
            "loads_of_shared_objects": len(rows),
            "ended_with_undefined_symbol": len(undefined),
            "undefined_symbol_predicted": sum(row["agrees"] for row in undefined),
            "crashed_after_all_symbols_were_bound": len(crashed),
            "crash_predicted": sum(row["agrees"] for row in crashed),
            "agreements": sum(row["agrees"] for row in rows),
            "disagreements": sum(not row["agrees"] for row in rows),
            "installed_check_agreements": sum(row["installed_agrees"] for row in rows),
            "installed_check_disagreements": sum(not row["installed_agrees"] for row in rows),
            "limits": (
                "agrees means: the loader bound every symbol where that was predicted, named a "
                "predicted one where not, and a crash in initialisers was predicted. The rule "
                "that predicts those crashes (checks/abi_breaks.py) was learned from an earlier "
                "run of this test. Extensions that ask for ffmpeg or sox are left out."
            ),
        },
        rows=rows,
    )
