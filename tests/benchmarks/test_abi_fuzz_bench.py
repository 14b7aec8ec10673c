"""Mutated real files through every reader: how many, how long, how much memory.

The default tests do a few hundred of small files; here are thousands of cases of files from
wheels, in a process of their own that tells its peak of memory.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_verlcompat.wheels.archive import open_wheel
from pytest_verlcompat.wheels.index import IndexClient, choose_wheel
from tests.figures import write_figures

COMMAND = "pytest -m bench tests/benchmarks/test_abi_fuzz_bench.py"
CASES = int(os.environ.get("VERLCOMPAT_FUZZ_CASES", "10000"))
FILES = (
    ("torchvision==0.23.0", "torchvision/image.so"),
    ("torch==2.8.0", "torch/lib/libc10_cuda.so"),
    ("vllm==0.11.0", "vllm/cumem_allocator.abi3.so"),
    ("vllm==0.33.0", "vllm/_flashmla_extension_C.abi3.so"),
)
CHILD = Path(__file__).with_name("abi_fuzz_child.py")
ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.bench


def _fetch(spec: str, member: str, target: Path) -> None:
    project, _, version = spec.partition("==")
    client = IndexClient.configured()
    file = choose_wheel(
        client.releases(project), version=version, python="3.12", platform="manylinux_2_39_x86_64"
    )
    assert file is not None, spec
    with open_wheel(file.url, digest=file.sha256) as wheel:
        target.write_bytes(b"".join(wheel.stream(member)))


def test_no_mutation_of_real_files_crashes_hangs_or_takes_memory(tmp_path: Path) -> None:
    """Only errors of ours come out, each case within seconds, all within 500 MB."""
    for spec, member in FILES:
        _fetch(spec, member, tmp_path / f"{spec}-{Path(member).name}")
    ended = subprocess.run(
        [sys.executable, CHILD, tmp_path, str(CASES)],
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    told = json.loads(ended.stdout)

    write_figures(
        "abi_fuzz",
        title="Mutated real shared objects, wheels and environments through the readers of symbols",
        command=COMMAND,
        figures={**told, "files": [f"{spec}: {member}" for spec, member in FILES]},
        rows=[],
    )
    assert told["cases"] == CASES
    assert told["peak_memory_mib"] < 500
    assert told["slowest_case_s"] < 10
