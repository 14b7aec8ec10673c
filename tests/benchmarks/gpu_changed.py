"""Probes of a carried cell with one distribution changed: what a remedy does on a GPU.

Runs where a bundle was unpacked and probed, as ``gpu_by_hand.py`` does::

    PYTHONPATH=FOLDER/runner python3 tests/benchmarks/gpu_changed.py FOLDER \
        --wheel uvloop-0.21.0-….whl --probe main_ppo_vllm --evidence FILE --out FILE

The environment is copied by hard links and the wheel installed into the copy, so that all else
is the same. ``before`` is what the evidence holds of the cell itself.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name, parse_wheel_filename

from pytest_verlcompat.environments.installed import versions_sha256
from pytest_verlcompat.execute.target import TARGET_FOLDER
from pytest_verlcompat.execute.unbundle import open_bundle
from pytest_verlcompat.model.codec import encode
from pytest_verlcompat.probes.on_gpus import launch_on
from pytest_verlcompat.probes.registry import find_probes, list_probes
from pytest_verlcompat.process.gpu_lease import GpuPool
from pytest_verlcompat.process.inventory import describe_machine
from pytest_verlcompat.store.jsonl import load

if TYPE_CHECKING:
    from pytest_verlcompat.probes.launch import Patient


def main() -> int:
    """Return 0 once every probe was run on the changed environment and written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of the bundle, unpacked before")
    parser.add_argument("--wheel", type=Path, required=True)
    parser.add_argument("--probe", action="append", required=True)
    parser.add_argument("--evidence", type=Path, required=True, help="records of the cell itself")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    folder = args.folder.resolve()
    python = Path(sys.executable)
    bundle = open_bundle(folder, into=folder / "environment", python=python, say=_say)
    cell = bundle.patient(describe_machine())
    patient, change = _change(cell, args.wheel, into=folder / "changed")
    before = load([args.evidence]).records
    rows = []
    for probe in find_probes(args.probe, probes=list_probes()):
        record = launch_on(GpuPool(), probe, patient, logs=args.out.parent / "logs")
        found = [each for each in before if each.subject == probe.name]
        rows.append({"before": [encode(each) for each in found[-1:]], "after": encode(record)})
        _say(f"{probe.name} {record.outcome.value}")
    text = {"cell": cell.cell_id, "changed": change, "probes": rows}
    args.out.write_text(json.dumps(text, indent=1) + "\n", encoding="utf-8")
    return 0


def _change(cell: Patient, wheel: Path, *, into: Path) -> tuple[Patient, dict[str, list[str]]]:
    """Return the environment with *wheel* in it, and versions before and after."""
    name, version, _, _ = parse_wheel_filename(wheel.name)
    shutil.rmtree(into, ignore_errors=True)
    shutil.copytree(cell.python.parents[1], into, symlinks=True, copy_function=os.link)
    python = into / "bin" / "python"
    (site,) = into.glob("lib/python*/site-packages")
    links = into / TARGET_FOLDER
    if links.exists():  # the environment holds a part, and links to the rest
        (site / "verlcompat-target.pth").unlink()
        (site / "verlcompat-target.pth").write_text(f"{links}\n", encoding="utf-8")
    for folder in (site, links):
        _remove(name, folder)
    subprocess.run(
        [
            *(shutil.which("python3") or "python3", "-m", "pip", "--python", python, "install"),
            *("--no-index", "--no-deps", "--no-compile", "--ignore-installed", wheel),
        ],
        check=True,
        stdout=sys.stderr,
    )
    versions = {**cell.versions, name: str(version)}
    patient = dataclasses.replace(
        cell,
        python=python,
        versions=versions,
        lock_sha256=versions_sha256(versions),
        cell_id=None,
        values=None,
        kernels=into / "kernels",
    )
    return patient, {name: [cell.versions[name], str(version)]}


def _remove(name: str, folder: Path) -> None:
    """Remove the distribution from *folder*: its files, or the links to them."""
    for home in folder.glob("*.dist-info"):
        if canonicalize_name(home.name.partition("-")[0]) != name:
            continue
        with (home / "RECORD").open(encoding="utf-8", newline="") as file:
            rows = [Path(row[0]) for row in csv.reader(file) if row]
        for row in (each for each in rows if ".." not in each.parts):
            parents = [folder.joinpath(*row.parts[:depth]) for depth in range(1, len(row.parts))]
            path = next((each for each in parents if each.is_symlink()), folder / row)
            path.unlink(missing_ok=True)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
