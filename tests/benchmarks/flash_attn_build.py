"""Build flash-attn from its source distribution for one architecture, then check its numbers.

Runs on a machine with a GPU, CUDA's compiler and torch, without network: the build needs the
sources and some wheels (``wheel``, ``ninja``, ``psutil``, ``einops``) that were carried there::

    PYTHONPATH=FOLDER/runner python3 tests/benchmarks/flash_attn_build.py SDIST \
        --wheels FOLDER --architecture 90 --jobs 14 --out FILE

What is measured: wall seconds, the most memory that all processes of the build had resident at
once (looked at each second, shared pages counted for each), compiler calls, bytes of the wheel.
Then the wheel is installed into this Python and the probe ``flash_attention_numbers`` run there.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from pytest_verlcompat.environments.installed import ask_python, installed_versions, versions_sha256
from pytest_verlcompat.model.codec import encode
from pytest_verlcompat.probes.launch import Patient
from pytest_verlcompat.probes.on_gpus import launch_on
from pytest_verlcompat.probes.registry import find_probes, list_probes
from pytest_verlcompat.process.gpu_lease import GpuPool
from pytest_verlcompat.process.inventory import describe_machine

_PAGE = os.sysconf("SC_PAGE_SIZE")
_MIB = 1 << 20
_UNIT = re.compile(r"^\[\d+/(\d+)\]", re.MULTILINE)


def main() -> int:
    """Return 0 once it is built, its numbers are checked and both are written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sdist", type=Path)
    parser.add_argument("--wheels", type=Path, required=True, help="folder of what a build needs")
    parser.add_argument("--architecture", default="90")
    parser.add_argument("--jobs", type=int, default=14)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    pip = [sys.executable, "-m", "pip"]
    offline = ["--no-index", "--no-deps", "--quiet"]
    subprocess.run([*pip, "install", *offline, *args.wheels.glob("*.whl")], check=True)
    row = _build(args.sdist.resolve(), pip, architecture=args.architecture, jobs=args.jobs)
    wheel = row.pop("path")
    _write(args.out, row)
    if wheel is None:
        return 1
    subprocess.run([*pip, "install", *offline, wheel], check=True)
    row["numbers"] = encode(_check_numbers(args.out.parent / "logs"))
    _write(args.out, row)
    return 0


def _build(sdist: Path, pip: list[str], *, architecture: str, jobs: int) -> dict[str, Any]:
    """Return what the build took; ``path`` is its wheel, ``None`` where it failed."""
    folder = Path(tempfile.mkdtemp(prefix="fa-"))
    setting = {
        "FLASH_ATTENTION_FORCE_BUILD": "TRUE",
        "FLASH_ATTN_CUDA_ARCHS": architecture,
        "MAX_JOBS": str(jobs),
        "NVCC_THREADS": "1",
    }
    log = folder / "log"
    started = time.perf_counter()
    with log.open("wb") as output:
        build = subprocess.Popen(
            [*pip, "wheel", "-v", "--no-build-isolation", "--no-deps", "--no-index", sdist],
            cwd=folder,
            env={**os.environ, **setting},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        peak = [0]
        watch = threading.Thread(target=_watch, args=(build, peak), daemon=True)
        watch.start()
        status = build.wait()
    seconds = time.perf_counter() - started
    watch.join()
    text = log.read_text(encoding="utf-8", errors="replace")
    wheels = sorted(folder.glob("*.whl"))
    return {
        "sdist": sdist.name,
        "sdist_sha256": hashlib.sha256(sdist.read_bytes()).hexdigest(),
        "torch": importlib.metadata.version("torch"),
        "nvcc": _nvcc(),
        "python": sys.version.split()[0],
        "cores": os.cpu_count(),
        "environment": setting,
        "status": status,
        "wall_s": round(seconds, 1),
        "peak_resident_mib": peak[0] // _MIB,
        "compilations": int(found[-1]) if (found := _UNIT.findall(text)) else None,
        "wheel": wheels[0].name if wheels else None,
        "wheel_bytes": wheels[0].stat().st_size if wheels else None,
        "log_tail": None if status == 0 else text[-4000:],
        "path": wheels[0] if wheels else None,
    }


def _watch(build: subprocess.Popen[bytes], peak: list[int]) -> None:
    """Keep in *peak* the most bytes that the session of *build* had resident."""
    while build.poll() is None:
        total = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2]
            except OSError:
                continue  # it ended meanwhile
            numbers = fields.split()
            if int(numbers[3]) == build.pid:
                total += int(numbers[21]) * _PAGE
        peak[0] = max(peak[0], total)
        time.sleep(1)


def _check_numbers(logs: Path) -> Any:  # noqa: ANN401 -- a record
    (probe,) = find_probes(["flash_attention_numbers"], probes=list_probes())
    python = Path(sys.executable)
    interpreter, folders = ask_python(python)
    versions = installed_versions(folders)
    patient = Patient(
        python=python,
        interpreter=interpreter,
        versions=versions,
        lock_sha256=versions_sha256(versions),
        environment_id=None,
        machine=describe_machine(),
    )
    return launch_on(GpuPool(), probe, patient, logs=logs)


def _nvcc() -> str:
    command = [shutil.which("nvcc") or "nvcc", "--version"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return text.strip().splitlines()[-1]


def _write(path: Path, row: dict[str, Any]) -> None:
    path.write_text(json.dumps(row, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
