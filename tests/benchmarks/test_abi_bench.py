"""What the symbol rung costs: bytes and seconds per wheel, the whole table, a live environment.

Each test measures for itself and keeps its figures beside those of the others; ask for one with
``-k``. A torch release is measured in ``test_abi_index_bench.py``.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_verlcompat.checks.abi_live import LiveReport, check_installed
from pytest_verlcompat.checks.abi_load import (
    build_driver_stub,
    find_driver_names,
    has_driver,
    load_libraries,
)
from pytest_verlcompat.checks.abi_table import find_wheels, make_table
from pytest_verlcompat.model.finding import Weight
from pytest_verlcompat.wheels.archive import open_wheel
from pytest_verlcompat.wheels.cache import MemberCache
from pytest_verlcompat.wheels.exports import load_exports
from pytest_verlcompat.wheels.gpu_code import read_gpu_code
from pytest_verlcompat.wheels.index import IndexClient, IndexFile, choose_wheel
from pytest_verlcompat.wheels.needs import read_needs
from tests.figures import write_figures

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

COMMAND = "pytest -m bench tests/benchmarks/test_abi_bench.py"
TITLE = "What judging extensions by their symbols costs, and what other tools find"
PYTHON = Path(sys.executable).resolve()
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
STACK = ("vllm==0.11.0", "transformers<5")
OTHER_TORCH = "2.9.1"
SITE = os.environ.get("VERLCOMPAT_BENCH_SITE")
"""site-packages of an installed stack to measure on; without it one is made, and replaced."""
WHEELS = (
    "vllm==0.8.5",
    "vllm==0.11.0",
    "vllm==0.20.2",
    "vllm==0.33.0",
    "sgl-kernel==0.3.9",
    "sglang-kernel==0.4.9",
    "xformers==0.0.32.post1",
    "torchvision==0.23.0",
    "torchaudio==2.8.0",
)

pytestmark = pytest.mark.bench


def _find(spec: str) -> IndexFile:
    name, _, version = spec.partition("==")
    files = IndexClient.configured().releases(name)
    file = choose_wheel(files, version=version, python=VERSION, platform="manylinux_2_39_x86_64")
    assert file is not None, spec
    return file


def _keep(figures: Mapping[str, Any], rows: Sequence[Mapping[str, Any]] = ()) -> None:
    write_figures("abi_bench", title=TITLE, command=COMMAND, figures=figures, rows=rows)


@pytest.fixture(scope="module")
def scratch() -> Iterator[Path]:
    """Return a folder on a disk with room, deleted afterwards."""
    folder = Path(os.environ.get("VERLCOMPAT_SCRATCH", "/tmp")) / "verlcompat-abi-bench"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def test_wheel_costs_a_few_megabytes() -> None:
    """Symbols, then GPU code within its limit, read remotely without a cache."""
    rows: list[dict[str, Any]] = []
    for spec in WHEELS:
        file = _find(spec)
        started = time.monotonic()
        with open_wheel(file.url, digest=file.sha256) as wheel:
            needs = read_needs(wheel)
            seconds, read = time.monotonic() - started, wheel.bytes_read
            code = read_gpu_code(wheel)
            rows.append(
                {
                    "what": f"{spec} read from the index",
                    "bytes_for_symbols": read,
                    "requests_for_symbols": wheel.requests_sent,
                    "seconds_for_symbols": round(seconds, 2),
                    "shared_objects": len(needs.extensions),
                    "bytes_for_gpu_code": wheel.bytes_read - read,
                    "objects_with_gpu_code_known": len(code.architectures),
                    "objects_with_gpu_code_unknown": len(code.unread),
                    "bytes_for_the_unknown": sum(code.unread.values()),
                    "seconds": round(time.monotonic() - started, 2),
                }
            )
    _keep({"bytes_for_symbols_most": max(row["bytes_for_symbols"] for row in rows)}, rows)

    assert max(row["bytes_for_symbols"] for row in rows if "vllm" in row["what"]) < 5_500_000


@pytest.mark.parametrize("state", ["cold", "warm"])
def test_whole_table(state: str) -> None:
    """Every known extension wheel against every torch release."""
    exports = load_exports()
    folder = Path(os.environ.get("VERLCOMPAT_SCRATCH", "/tmp")) / "verlcompat-abi-table"
    if state == "cold":
        shutil.rmtree(folder, ignore_errors=True)
    cache = MemberCache(folder)
    started = time.monotonic()
    rows = make_table(list(find_wheels(IndexClient.configured())), exports=exports, cache=cache)
    cache.close()
    if state == "warm":
        shutil.rmtree(folder, ignore_errors=True)
    _keep(
        {
            f"table_{state}": {
                "seconds": round(time.monotonic() - started, 1),
                "bytes": sum(row.bytes_read for row in rows),
                "wheels": len(rows),
                "pairs": len(rows) * len(exports.releases),
                "unreadable": sum(bool(row.problems) for row in rows),
            }
        }
    )

    assert state == "cold" or not sum(row.bytes_read for row in rows)


def _time(command: Sequence[object], **environ: str) -> tuple[float, str]:
    started = time.monotonic()
    ended = subprocess.run(
        list(map(str, command)),
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
        env={**os.environ, **environ},
    )
    return time.monotonic() - started, ended.stdout + ended.stderr


def _install(environment: Path, *words: str) -> None:
    uv = shutil.which("uv")
    assert uv is not None
    command = [uv, "-q", "pip", "install", "--python", str(environment), *words]
    subprocess.run(command, check=True, timeout=1800)


@pytest.fixture(scope="module")
def site(scratch: Path) -> Path:
    """Return the site-packages of a whole stack."""
    if SITE:
        return Path(SITE)
    environment, uv = scratch / "stack", shutil.which("uv")
    assert uv is not None
    subprocess.run([uv, "-q", "venv", "--python", PYTHON, environment], check=True, timeout=60)
    _install(environment, *STACK)
    (found,) = environment.glob("lib/python3*/site-packages")
    return found


def _measure_live(site: Path, what: str) -> tuple[LiveReport, dict[str, Any]]:
    """Return wall and processor time of the live check, first and again."""
    walls, processor = [], []
    for _ in range(7):
        started, used = time.perf_counter(), time.process_time()
        report = check_installed(site)
        walls.append(time.perf_counter() - started)
        processor.append(time.process_time() - used)
    broken = [each for each in report.findings if each.weight is Weight.BROKEN]
    return report, {
        "what": f"{what}: live check",
        "seconds": round(statistics.median(walls), 3),
        "seconds_first": round(walls[0], 3),
        "cpu_seconds": round(statistics.median(processor), 3),
        "load_average": round(os.getloadavg()[0], 1),
        "distributions": len(list(site.glob("*.dist-info"))),
        "shared_objects": report.scanned,
        "judged": len(report.judged),
        "finds": f"{len(broken)} that cannot load",
        "example": broken[0].cause.first_line if broken else None,
    }


def _measure_ldd(site: Path, judged: Sequence[Path], what: str) -> dict[str, Any]:
    """Return what ``ldd -r`` says when it is told where torch and CUDA are."""
    known = ":".join(map(str, [site / "torch" / "lib", *site.glob("nvidia/*/lib")]))
    told = [_time(["ldd", "-r", path], LD_LIBRARY_PATH=known) for path in judged]
    lines = [[line for line in text.splitlines() if "undefined symbol" in line] for _, text in told]
    of_torch = [found for found in lines if any(map(_is_torch, found))]
    example = next(filter(_is_torch, of_torch[0])).strip() if of_torch else None
    return {
        "what": f"{what}: ldd -r",
        "seconds": round(sum(seconds for seconds, _ in told), 2),
        "judged": len(judged),
        "finds": (
            f"undefined symbols in {sum(map(bool, lines))}, of torch in {len(of_torch)}; "
            "Python's own are among them, and libraries that import torch opens are not known"
        ),
        "example": example.replace(f"{site}/", "") if example else None,
    }


def _is_torch(line: str) -> bool:
    return any(mark in line for mark in ("3c10", "2at", "5torch", "torch_"))


def _measure_loading(
    site: Path, judged: Sequence[Path], what: str, *, scratch: Path
) -> dict[str, Any]:
    folder = scratch / "load"
    folder.mkdir(exist_ok=True)
    stub = None if has_driver() else build_driver_stub(folder, names=find_driver_names(judged))
    started = time.monotonic()
    python = site.parents[2] / "bin" / "python"
    loaded = load_libraries(python, judged, folder=folder, stub=stub)
    failed = [each.error for each in loaded if each.error]
    return {
        "what": f"{what}: import torch and load each",
        "seconds": round(time.monotonic() - started, 2),
        "judged": len(judged),
        "finds": (
            f"{len(failed)} did not load (ffmpeg and sox of optional ones among them), "
            f"{sum(each.signal is not None for each in loaded)} crashed"
        ),
        "example": failed[0][-200:].rpartition("/")[2] if failed else None,
    }


def _compare(site: Path, what: str, scratch: Path) -> list[dict[str, Any]]:
    report, live = _measure_live(site, what)
    judged = [site / name for name in report.judged]
    return [
        live,
        _measure_ldd(site, judged, what),
        _measure_loading(site, judged, what, scratch=scratch),
    ]


def test_live_check_beside_other_tools(site: Path, scratch: Path) -> None:
    """A whole vLLM stack, once as resolved and once beside another torch."""
    rows = _compare(site, "vLLM stack as resolved", scratch)
    _keep({"live_check_s": rows[0]["seconds"], "live_check_cpu_s": rows[0]["cpu_seconds"]}, rows)
    assert rows[0]["finds"] == "0 that cannot load"
    assert rows[0]["cpu_seconds"] < 1.0
    if SITE:
        pytest.skip("VERLCOMPAT_BENCH_SITE is somebody's; torch is replaced in an own stack only")

    _install(site.parents[2], f"torch=={OTHER_TORCH}")
    broken = _compare(site, f"the same with torch {OTHER_TORCH}", scratch)
    _keep({}, broken)

    assert broken[0]["finds"] != "0 that cannot load"


def test_auditwheel_beside_the_command(scratch: Path) -> None:
    """The same wheel on disk: what auditwheel shows, and what we say."""
    wheel = _find("vllm==0.11.0")
    path = scratch / wheel.filename
    with path.open("wb") as stream:
        IndexClient.configured().transport.download(
            wheel.url, write=stream.write, limit_bytes=1 << 30
        )
    rows = []
    for what, words in (
        ("auditwheel show", ["-m", "auditwheel", "show", path]),
        ("verlcompat abi", ["-m", "pytest_verlcompat.cli", "abi", path, "--torch", OTHER_TORCH]),
    ):
        seconds, told = _time([sys.executable, *words])
        rows.append(
            {
                "what": f"vllm 0.11.0 wheel on disk: {what}",
                "seconds": round(seconds, 2),
                "finds": f"undefined symbols of torch: {'undefined symbol' in told}",
                "example": " ".join(told.replace(str(path), wheel.filename).split())[:300],
            }
        )
    _keep({}, rows)

    assert "True" in rows[1]["finds"]
