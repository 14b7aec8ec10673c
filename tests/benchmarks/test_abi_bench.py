"""What the symbol rung costs: bytes and seconds per wheel, the whole table, a live environment."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_verlcompat.checks.abi_live import check_installed
from pytest_verlcompat.checks.abi_load import (
    build_driver_stub,
    find_driver_names,
    has_driver,
    load_libraries,
)
from pytest_verlcompat.checks.abi_table import find_wheels, make_table
from pytest_verlcompat.wheels.archive import open_wheel
from pytest_verlcompat.wheels.cache import MemberCache
from pytest_verlcompat.wheels.exports import (
    TorchExports,
    load_exports,
    merge_exports,
    read_release,
    render_exports,
)
from pytest_verlcompat.wheels.index import IndexClient, IndexFile, choose_wheel
from pytest_verlcompat.wheels.needs import read_needs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FIGURES = Path(__file__).parents[2] / "reports" / "figures" / "abi_bench.json"
COMMAND = "pytest -m bench tests/benchmarks/test_abi_bench.py"
PYTHON = Path(sys.executable).resolve()
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
STACK = ("vllm==0.11.0", "xformers==0.0.32.post1", "torchvision==0.23.0", "torchaudio==2.8.0")
FULL_STACK = os.environ.get("VERLCOMPAT_BENCH_SITE")
"""site-packages of a whole installed stack, to time the live check on."""
VLLM = ("0.8.5", "0.11.0", "0.20.2", "0.33.0")

pytestmark = pytest.mark.bench


def _find(spec: str) -> IndexFile:
    name, _, version = spec.partition("==")
    files = IndexClient.configured().releases(name)
    file = choose_wheel(files, version=version, python=VERSION, platform="manylinux_2_39_x86_64")
    assert file is not None, spec
    return file


def _keep(figures: dict[str, Any]) -> None:
    """Merge *figures* into the file, beside those of the other measurements."""
    body: dict[str, Any] = {}
    if FIGURES.is_file():
        body = json.loads(FIGURES.read_text(encoding="utf-8"))
    body |= {
        "title": "What judging extensions by their symbols costs",
        "command": COMMAND,
        "date": dt.datetime.now(dt.timezone.utc).strftime("%Y-%m-%d"),
        "machine": {
            "cpus": os.cpu_count(),
            "memory_gib": round(
                os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
            ),
            "platform": platform.platform(),
        },
        "rows": [],
    }
    body["figures"] = body.get("figures", {}) | figures
    FIGURES.parent.mkdir(parents=True, exist_ok=True)
    FIGURES.write_text(json.dumps(body, indent=1, sort_keys=True) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def scratch() -> Iterator[Path]:
    """Return a folder on a disk with room, deleted afterwards."""
    folder = Path(os.environ.get("VERLCOMPAT_SCRATCH", "/tmp")) / "verlcompat-abi-bench"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def test_vllm_wheels_cost_about_a_megabyte_each() -> None:
    """Read remotely, without a cache."""
    figures: dict[str, Any] = {}
    for version in VLLM:
        file = _find(f"vllm=={version}")
        started = time.monotonic()
        with open_wheel(file.url, digest=file.sha256) as wheel:
            needs = read_needs(wheel)
            figures[f"vllm {version}"] = {
                "bytes": wheel.bytes_read,
                "requests": wheel.requests_sent,
                "seconds": round(time.monotonic() - started, 2),
                "shared_objects": len(needs.extensions),
            }
    _keep({"vllm_wheels": figures})

    assert max(each["bytes"] for each in figures.values()) < 5_500_000


def test_torch_release_costs_one_pass_and_few_bytes_of_data() -> None:
    """Read remotely for the table of exports, and what it adds to that file."""
    file = _find("torch==2.15.0")
    started = time.monotonic()
    with open_wheel(file.url, digest=file.sha256) as wheel:
        read = read_release(wheel, version="2.15.0", sha256=file.sha256)
        cost = {"bytes": wheel.bytes_read, "seconds": round(time.monotonic() - started, 2)}
    exports = load_exports()
    body = render_exports(exports)
    size = len(body)
    alone = len(render_exports(merge_exports(TorchExports((), names=(), places=()), [read])))
    _keep(
        {
            "torch_wheel": cost,
            "exports_bytes": size,
            "exports_releases": len(exports.releases),
            "exports_bytes_per_release": size // len(exports.releases),
            "exports_bytes_one_release_alone": alone,
        }
    )

    assert size < 2 << 20
    assert render_exports(merge_exports(exports, [read])) == body, (
        "shipped data is not what is read"
    )


def test_whole_table_cold_and_warm(scratch: Path) -> None:
    """Every known extension wheel against every torch release."""
    exports = load_exports()
    cache = MemberCache(scratch / "cache")
    figures: dict[str, Any] = {}
    for name in ("cold", "warm"):
        started = time.monotonic()
        rows = make_table(list(find_wheels(IndexClient.configured())), exports=exports, cache=cache)
        figures[name] = {
            "seconds": round(time.monotonic() - started, 1),
            "bytes": sum(row.bytes_read for row in rows),
        }
    figures |= {
        "wheels": len(rows),
        "pairs": len(rows) * len(exports.releases),
        "unreadable": sum(bool(row.problems) for row in rows),
    }
    cache.close()
    _keep({"table": figures})

    assert figures["warm"]["bytes"] == 0


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


def test_live_check_beside_other_tools(scratch: Path) -> None:
    """The same installed stack, once right and once beside another torch."""
    uv = shutil.which("uv")
    assert uv is not None
    environment = scratch / "stack"
    python = environment / "bin" / "python"
    subprocess.run([uv, "-q", "venv", "--python", PYTHON, environment], check=True, timeout=60)
    install = [uv, "-q", "pip", "install", "--python", environment]
    subprocess.run([*install, "torch==2.8.0"], check=True, timeout=1800)
    subprocess.run([*install, "--no-deps", *STACK], check=True, timeout=1800)
    (site,) = environment.glob("lib/python3*/site-packages")
    figures = {"right": _compare_tools(site, python, scratch)}
    subprocess.run([*install, "torch==2.9.1"], check=True, timeout=1800)
    figures["torch_replaced_by_2_9_1"] = _compare_tools(site, python, scratch)
    wheel = _find("vllm==0.11.0")
    path = scratch / wheel.filename
    with path.open("wb") as stream:
        IndexClient.configured().transport.download(
            wheel.url, write=stream.write, limit_bytes=1 << 30
        )
    seconds, told = _time([sys.executable, "-m", "auditwheel", "show", path])
    figures["auditwheel_show_vllm_wheel"] = {
        "seconds": round(seconds, 2),
        "finds_undefined_torch_symbols": "undefined symbol" in told,
        "says": " ".join(told.split())[:300],
    }
    if FULL_STACK:
        figures["full_stack"] = _time_live_check(Path(FULL_STACK))
    _keep({"live": figures})

    assert figures["right"]["live_check"]["broken"] == 0
    assert figures["torch_replaced_by_2_9_1"]["live_check"]["broken"] > 0
    assert figures["right"]["live_check"]["cpu_seconds"] < 1.0


def _time_live_check(site: Path) -> dict[str, Any]:
    """Return wall and processor time of the live check; the machine may be busy with others."""
    walls, processor = [], []
    for _ in range(5):
        started, used = time.monotonic(), time.process_time()
        report = check_installed(site)
        walls.append(time.monotonic() - started)
        processor.append(time.process_time() - used)
    return {
        "seconds_first": round(walls[0], 3),
        "seconds_best_of_5": round(min(walls), 3),
        "cpu_seconds": round(min(processor), 3),
        "load_average": round(os.getloadavg()[0], 1),
        "distributions": len(list(site.glob("*.dist-info"))),
        "scanned": report.scanned,
        "judged": len(report.judged),
        "broken": sum(each.weight.value == "broken" for each in report.findings),
    }


def _compare_tools(site: Path, python: Path, scratch: Path) -> dict[str, Any]:
    timed = _time_live_check(site)
    report = check_installed(site)
    judged = [site / name for name in report.judged]
    folders = [site / "torch" / "lib", *site.glob("nvidia/*/lib")]
    known = ":".join(map(str, folders))
    told = [_time(["ldd", "-r", path], LD_LIBRARY_PATH=known) for path in judged]
    flagged = [path.name for path, (_, text) in zip(judged, told, strict=True) if _c10(text)]
    load = scratch / "load"
    load.mkdir(exist_ok=True)
    stub = None if has_driver() else build_driver_stub(load, names=find_driver_names(judged))
    started = time.monotonic()
    loaded = load_libraries(python, judged, folder=load, stub=stub)
    return {
        "live_check": timed,
        "ldd_r": {
            "seconds": round(sum(seconds for seconds, _ in told), 2),
            "objects_with_undefined_torch_symbols": len(flagged),
            "objects_with_any_undefined_symbol": sum("undefined symbol" in t for _, t in told),
        },
        "loading": {
            "seconds": round(time.monotonic() - started, 2),
            "did_not_load": sum(each.error is not None for each in loaded),
            "crashed": sum(each.signal is not None for each in loaded),
        },
    }


def _c10(text: str) -> bool:
    lines = [line for line in text.splitlines() if "undefined symbol" in line]
    return any(mark in line for line in lines for mark in ("3c10", "2at", "5torch", "torch_"))
