"""Mutated inputs through every parser of what others made: how many, how long, how much memory.

Each parser has a minute (``VERLCOMPAT_FUZZ_S`` seconds), in a process of its own with 4 GiB of
address space and ten seconds a case. ``nox -s fuzz`` is this file.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.execute.manifest import Manifest, Piece, render_manifest
from tests.figures import known_rows, write_figures

if TYPE_CHECKING:
    from collections.abc import Mapping

COMMAND = "nox -s fuzz"
SECONDS = float(os.environ.get("VERLCOMPAT_FUZZ_S", "60"))
CHILD = Path(__file__).with_name("fuzz_child.py")
ROOT = Path(__file__).parents[2]
_LAUNCH = """\
#!/usr/bin/env bash
set -xeuo pipefail
MODEL=${MODEL:-Qwen/Qwen2.5-0.5B}  # a comment
export VLLM_USE_V1=1 HYDRA_FULL_ERROR='1'
ARGS=(data.train_batch_size=64 "actor_rollout_ref.model.path=$MODEL")
if [ "$1" = lora ]; then
  EXTRA="actor_rollout_ref.model.lora_rank=32 \\
    +actor_rollout_ref.model.extra={a: [1, 2]}"
fi
cat <<EOF > notes
trainer.n_gpus_per_node=8
EOF
torchrun --nproc_per_node=2 -m verl.trainer.main_ppo --config-name=ppo "${ARGS[@]}" $EXTRA \\
  trainer.logger='["console","wandb"]' ~trainer.val_before_train "$@" 2>&1 | tee log
"""
_YAML = """\
# @package _global_
defaults: [_self_, {model: hf}]
base: &base {lr: 1e-6, betas: [0.9, 0.95]}
actor: {<<: *base, kl: {coef: 0.001}}
text: |
  several
  lines
trainer:
  logger: ["console", "wandb"]
  n: 8
"""

pytestmark = pytest.mark.bench


def _elf() -> dict[str, bytes]:
    """Return the smallest extensions of this interpreter."""
    return _files(Path(str(sysconfig.get_config_var("DESTSHARED"))), "*.so", most=6)


def _wheel() -> dict[str, bytes]:
    found = {}
    for name, body in list(_elf().items())[:3]:
        for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            stream = io.BytesIO()
            with zipfile.ZipFile(stream, "w", method) as archive:
                archive.writestr("ext/_C.so", body)
                archive.writestr("ext/__init__.py", "import torch\n")
                home = "ext-1.0.dist-info"
                archive.writestr(f"{home}/METADATA", "Metadata-Version: 2.1\nName: ext\n")
                archive.writestr(f"{home}/RECORD", "ext/_C.so,,\n")
            found[f"{name}-{method}"] = stream.getvalue()
    return found


def _sdist() -> dict[str, bytes]:
    members = {
        "PKG-INFO": "Metadata-Version: 2.1\nName: ext\nVersion: 1.0\nDynamic: Requires-Dist\n",
        "pyproject.toml": '[project]\nname = "ext"\ndependencies = ["torch>=2"]\n',
        "ext.egg-info/requires.txt": "torch>=2\n[gpu:python_version<'3.12']\nvllm\n",
        "src/kernel.cu": "__global__ void f() {}\n",
    }
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, text in members.items():
            entry = tarfile.TarInfo(f"ext-1.0/{name}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    whole = stream.getvalue()
    return {"stored": gzip.compress(whole, 0, mtime=0), "packed": gzip.compress(whole, mtime=0)}


def _files(folder: Path, pattern: str, *, most: int) -> dict[str, bytes]:
    paths = sorted(folder.glob(pattern), key=lambda path: path.stat().st_size)[:most]
    return {path.name: path.read_bytes() for path in paths}


def _records() -> dict[str, bytes]:
    lines = [
        line
        for path in sorted((ROOT / "reports" / "evidence").glob("*.jsonl"))
        for line in path.read_bytes().splitlines()
    ]
    chosen = lines[:: max(1, len(lines) // 40)]
    return {str(number): b"\n".join(chosen[number : number + 3]) for number in range(len(chosen))}


def _toml() -> dict[str, bytes]:
    entries = _files(ROOT / "pytest_verlcompat" / "issues" / "entries", "*.toml", most=30)
    declared = _files(ROOT / "matrix", "cells/*.toml", most=20)
    return entries | declared | _files(ROOT / "matrix", "axes/*.toml", most=6)


def _bundle() -> dict[str, bytes]:
    piece = Piece(name="piece.000", bytes=1, sha256=hashlib.sha256(b"x").hexdigest())
    manifest = Manifest(
        cell_id="a1.0", values={"a": "1.0"}, versions={"a": "1.0"}, lock_sha256="0" * 64,
        python="3.12", platform="x86_64-manylinux_2_35", left_out={"b": "1"}, dropped=("*.a",),
        compression="gzip", harness="0", files=1, unpacked_bytes=1, bytes=1,
        sha256=piece.sha256, pieces=(piece,),
    )  # fmt: skip
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name in ("a/b.py", "a/c.py"):
            entry = tarfile.TarInfo(name)
            entry.size = 5
            archive.addfile(entry, io.BytesIO(b"x = 1"))
        link = tarfile.TarInfo("a/d.py")
        link.type, link.linkname = tarfile.SYMTYPE, "b.py"
        archive.addfile(link)
    return {
        "manifest": render_manifest(manifest).encode(),
        "stored": gzip.compress(stream.getvalue(), 0, mtime=0),
        "packed": gzip.compress(stream.getvalue(), mtime=0),
    }


SEEDS = {
    "wheel": _wheel,
    "elf": _elf,
    "sdist": _sdist,
    "log": lambda: _files(ROOT / "tests" / "data" / "logs", "*.log", most=80),
    "record": _records,
    "toml": _toml,
    "launch": lambda: {"sh": _LAUNCH.encode(), "yaml": _YAML.encode()},
    "bundle": _bundle,
}


@pytest.mark.parametrize("parser", list(SEEDS))
def test_no_input_crashes_hangs_or_takes_memory(parser: str, tmp_path: Path) -> None:
    """Only errors of ours come out, each case within seconds, all within a gigabyte."""
    seeds = tmp_path / "seeds"
    _write(seeds, SEEDS[parser]())
    ended = subprocess.run(
        [sys.executable, CHILD, parser, str(SECONDS), seeds],
        capture_output=True,
        text=True,
        timeout=SECONDS + 120,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    if ended.returncode and (keep := os.environ.get("VERLCOMPAT_FUZZ_KEEP")):
        shutil.copy(seeds / "case", Path(keep) / parser)
    assert ended.returncode == 0, ended.stderr[-3000:]
    told = json.loads(ended.stdout)

    row = {"what": parser, **told}
    rows = {**known_rows("fuzz"), parser: row}.values()
    write_figures(
        "fuzz",
        title="Mutated inputs through every parser of what others made",
        command=COMMAND,
        figures={
            "cases": sum(each["cases"] for each in rows),
            "seconds": round(sum(each["seconds"] for each in rows)),
            "peak_memory_mib": max(each["peak_memory_mib"] for each in rows),
            "slowest_case_s": max(each["slowest_case_s"] for each in rows),
        },
        rows=[row],
    )
    assert told["peak_memory_mib"] < 1024


def _write(folder: Path, seeds: Mapping[str, bytes]) -> None:
    folder.mkdir()
    for name, body in seeds.items():
        (folder / name).write_bytes(body)
