"""flash-attn has no wheel on the index: its own source is built, judged and loaded for real.

The half of the extension that speaks with torch is compiled from the published source; the GPU
kernels, which take hours and the vendor's compiler, are empty functions of the same names.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
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
from pytest_verlcompat.model.finding import Weight
from pytest_verlcompat.wheels.index import IndexClient
from pytest_verlcompat.wheels.needs import read_file_needs
from tests.abi_objects import define, record
from tests.figures import write_figures

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMAND = "pytest -m truth tests/truth/test_abi_flash_attn_truth.py"
PYTHON = Path(sys.executable).resolve()
RELEASE = "2.8.3"
TORCHES = ("2.8.0", "2.9.1", "2.10.0")
HEADERS = ("nvidia-cuda-nvcc-cu12==12.8.*", "nvidia-cuda-cccl-cu12==12.8.*", "numpy")
MODULE = f"flash_attn_2_cuda.cpython-3{sys.version_info.minor}-x86_64-linux-gnu.so"


def _run(*words: object, timeout_s: float = 1500) -> str:
    ended = subprocess.run(
        list(map(str, words)), capture_output=True, text=True, timeout=timeout_s, check=False
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    return ended.stdout


@pytest.fixture(scope="module")
def scratch() -> Iterator[Path]:
    """Return a folder on a disk with room, deleted afterwards."""
    folder = Path(os.environ.get("VERLCOMPAT_SCRATCH", "/tmp")) / "verlcompat-abi-flash-attn"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def _fetch_source(folder: Path) -> Path:
    client = IndexClient.configured()
    (file,) = (
        file
        for file in client.releases("flash-attn")
        if str(file.version) == RELEASE and not file.is_wheel
    )
    path = folder / file.filename
    with path.open("wb") as stream:
        client.transport.download(file.url, write=stream.write, limit_bytes=64 << 20)
    with tarfile.open(path) as archive:
        archive.extractall(folder, filter="data")
    return folder / f"flash_attn-{RELEASE}" / "csrc"


def _make_environment(folder: Path, torch: str) -> Path:
    uv = shutil.which("uv")
    assert uv is not None
    _run(uv, "-q", "venv", "--python", PYTHON, folder)
    _run(uv, "-q", "pip", "install", "--python", folder, f"torch=={torch}", *HEADERS)
    (site,) = folder.glob("lib/python3*/site-packages")
    return site


def _build(source: Path, site: Path, folder: Path) -> Path:
    """Return flash-attn's extension as its setup builds it for the torch in *site*."""
    folder.mkdir()
    includes = [
        source / "flash_attn",
        source / "flash_attn" / "src",
        source / "cutlass" / "include",
        site / "torch" / "include",
        site / "torch" / "include" / "torch" / "csrc" / "api" / "include",
        *sorted(site.glob("nvidia/*/include")),
        _run(PYTHON, "-c", "import sysconfig; print(sysconfig.get_paths()['include'])").strip(),
    ]
    compiled = folder / "flash_api.o"
    flags = ["-O0", "-std=c++17", "-fPIC", "-w", "-DTORCH_EXTENSION_NAME=flash_attn_2_cuda"]
    api = source / "flash_attn" / "flash_api.cpp"
    _run("g++", *flags, *(f"-I{each}" for each in includes), "-c", api, "-o", compiled)
    libraries = ["c10", "torch", "torch_cpu", "torch_python", "c10_cuda", "torch_cuda"]
    linking = [f"-L{site / 'torch' / 'lib'}", *(f"-l{name}" for name in libraries)]
    linking += [f"-L{site / 'nvidia' / 'cuda_runtime' / 'lib'}", "-l:libcudart.so.12"]
    target = folder / MODULE
    _run("g++", "-shared", compiled, *linking, "-o", target)
    kernels = [name for name in read_file_needs(target).other if name.startswith("_ZN5flash")]
    assert kernels
    stubs, code = folder / "kernels.o", folder / "kernels.c"
    code.write_text(define(*kernels))
    _run("gcc", "-fPIC", "-c", code, "-o", stubs)
    _run("g++", "-shared", compiled, stubs, *linking, "-o", target)
    return target


def _judge(path: Path, torch: str) -> dict[str, Any]:
    """Return what the command says of the file, as a user asks it."""
    ended = subprocess.run(
        [sys.executable, "-m", "pytest_verlcompat.cli", "abi", path, "--torch", torch, "--json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ended.returncode in {0, 1}, ended.stderr
    return {**json.loads(ended.stdout), "status": ended.returncode}


def _load(path: Path, site: Path, scratch: Path) -> str:
    scratch.mkdir(exist_ok=True)
    stub = None if has_driver() else build_driver_stub(scratch, names=find_driver_names([path]))
    python = site.parents[2] / "bin" / "python"
    (result,) = load_libraries(python, [path], folder=scratch, stub=stub)
    if result.signal is not None:
        return f"signal {result.signal}"
    symbol = re.search(r"undefined symbol: (\w+)", result.error or "")
    return f"undefined symbol: {symbol[1]}" if symbol else result.error or "loaded"


@pytest.mark.truth
def test_flash_attn_builds_load_where_they_are_said_to(scratch: Path) -> None:
    """Built against three releases of torch and loaded beside each, by file and installed."""
    source = _fetch_source(scratch)
    sites = {torch: _make_environment(scratch / f"torch-{torch}", torch) for torch in TORCHES}
    built = {torch: _build(source, site, scratch / f"for-{torch}") for torch, site in sites.items()}
    rows: list[dict[str, Any]] = []

    for made_for, path in built.items():
        for torch, site in sites.items():
            told = _judge(path, torch)
            installed = shutil.copy(path, site / MODULE)
            record(site, name="flash_attn", version=RELEASE, files=[MODULE])
            live = [f for f in check_installed(site).findings if f.weight is Weight.BROKEN]
            ended = _load(Path(installed), site, scratch / "load")
            missing = [each["cause"]["first_line"] for each in told["findings"]]
            rows.append(
                {
                    "what": f"flash-attn {RELEASE} built for {made_for}, beside {torch}",
                    "built_for_by_symbols": told["built_for"],
                    "says": "loads" if told["loads"] else missing[0].partition(": ")[2],
                    "installed_says": "loads" if not live else live[0].code,
                    "ended": ended,
                    "agrees": told["loads"] == (ended == "loaded") == (not live),
                }
            )

    write_figures(
        "abi_flash_attn",
        title="flash-attn built from its source against one torch and loaded beside another",
        command=COMMAND,
        figures={
            "pairs": len(rows),
            "loaded": sum(row["ended"] == "loaded" for row in rows),
            "agreements": sum(row["agrees"] for row in rows),
        },
        rows=rows,
    )
    assert [row for row in rows if not row["agrees"]] == []
    assert all(row["what"].split()[4].rstrip(",") in row["built_for_by_symbols"] for row in rows)
    assert {row["ended"] == "loaded" for row in rows} == {True, False}
