"""Probes on a GPU through the harness and by hand, in turn: what the harness adds, what it leaves.

Runs where a bundle was unpacked, with the target's bare Python and nothing of ours but the
bundle's own runner::

    python3 -m zipfile -e FOLDER/verlcompat.pyz FOLDER/runner
    PYTHONPATH=FOLDER/runner python3 tests/benchmarks/gpu_by_hand.py FOLDER --probe NAME --out FILE

"By hand" is the same interpreter, script and environment, started without harness. Run the probe
once before, so that neither way has kernels to compile.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_verlcompat.execute.unbundle import open_bundle
from pytest_verlcompat.probes.launch import Patient, share_kernels
from pytest_verlcompat.probes.on_gpus import launch_on
from pytest_verlcompat.probes.registry import RUNNER, Probe, find_probes, list_probes
from pytest_verlcompat.process.environ import probe_environ
from pytest_verlcompat.process.gpu_lease import GpuPool
from pytest_verlcompat.process.inventory import describe_machine

if TYPE_CHECKING:
    from collections.abc import Callable


def main() -> int:
    """Return 0 once every pair was measured and written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of the bundle, unpacked before")
    parser.add_argument("--probe", action="append", required=True)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    rows = [_measure(args.folder.resolve(), name, pairs=args.pairs) for name in args.probe]
    args.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 0


def _measure(folder: Path, name: str, *, pairs: int) -> dict[str, Any]:
    """Return wall seconds and used memory of *pairs* runs each way, the order changing."""
    (probe,) = find_probes([name], probes=list_probes())
    python = Path(sys.executable)
    bundle = open_bundle(folder, into=folder / "environment", python=python, say=_say)
    patient, pool = bundle.patient(describe_machine()), GpuPool()
    outcomes, memory = [], []
    spent: dict[str, list[float]] = {"harness": [], "hand": []}

    def by_harness() -> None:
        record = launch_on(pool, probe, patient, logs=folder / "logs")
        outcomes.append(record.outcome.value)
        memory.append(record.facts["gpu_memory"])

    steps: dict[str, Callable[[], None]] = {
        "harness": by_harness,
        "hand": lambda: _by_hand(probe, patient),
    }
    for turn in range(pairs):
        for way in sorted(steps, reverse=bool(turn % 2)):
            started = time.perf_counter()
            steps[way]()
            spent[way].append(round(time.perf_counter() - started, 3))
    ratios = [ours / bare for ours, bare in zip(spent["harness"], spent["hand"], strict=True)]
    return {
        "what": name,
        "pairs": pairs,
        "wall_s": spent,
        "ratio": round(statistics.median(ratios), 4),
        "outcomes": sorted(set(outcomes)),
        "memory": memory,
    }


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _by_hand(probe: Probe, patient: Patient) -> None:
    """Run the script as the harness does, but for watching and judging it."""
    with tempfile.TemporaryDirectory(prefix="vc-", ignore_cleanup_errors=True) as folder:
        control = Path(folder)
        home, scratch = control / "home", control / "s"
        home.mkdir()
        scratch.mkdir()
        request = {"scratch": str(scratch), "versions": dict(patient.versions), "facts": {}}
        (control / "input.json").write_text(json.dumps(request), encoding="utf-8")
        env = probe_environ(os.environ, home=home, scratch=scratch)
        env["PATH"] = os.pathsep.join([str(patient.python.parent), env.get("PATH", os.defpath)])
        if patient.kernels is not None:
            env.update(share_kernels(home, patient.kernels))
        with (control / "log").open("wb") as log:
            subprocess.run(
                [patient.python, "-I", RUNNER, probe.script, control],
                env=env,
                cwd=scratch,
                stdout=log,
                stderr=subprocess.STDOUT,
                check=True,
            )


if __name__ == "__main__":
    sys.exit(main())
