"""Take a carried cell, make it an environment again, and run its probes.

Evidence is of the cell as long as every version is the lock's. Where the target's own
distributions have other versions, the records are those of an installed environment: they
name no cell and carry the digest of what is really there.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_verlcompat.environments.installed import versions_sha256
from pytest_verlcompat.errors import BundleError, UsageError
from pytest_verlcompat.execute.manifest import Manifest, load_manifest
from pytest_verlcompat.execute.pieces import find_pieces
from pytest_verlcompat.execute.plan import due_probes
from pytest_verlcompat.execute.target import (
    Target,
    link_left_out,
    look_at_target,
    make_environment,
    point_scripts,
)
from pytest_verlcompat.execute.unpack import unpack
from pytest_verlcompat.probes.launch import Patient
from pytest_verlcompat.probes.on_gpus import launch_on
from pytest_verlcompat.process.gpu_lease import GpuPool
from pytest_verlcompat.store.jsonl import append, load

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pytest_verlcompat.model.evidence import Evidence
    from pytest_verlcompat.model.machine import Machine
    from pytest_verlcompat.probes.registry import Probe

_MARKER = "verlcompat.json"
_UNFINISHED = ".verlcompat-unfinished"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unbundled:
    """A carried cell that is an environment again."""

    manifest: Manifest
    target: Target
    python: Path
    reused: bool
    """Whether it had been unpacked before."""

    @property
    def differing(self) -> dict[str, str]:
        """What the target has in another version than the lock: name to ``1.0, locked 2.0``."""
        return {
            name: f"{version}, locked {self.manifest.left_out[name]}"
            for name, version in self.target.versions.items()
            if version != self.manifest.left_out[name]
        }

    def patient(self, machine: Machine) -> Patient:
        """Return the environment as what probes are run on."""
        versions = {**self.manifest.versions, **self.target.versions}
        differs = bool(self.differing)
        return Patient(
            python=self.python,
            interpreter=self.target.interpreter,
            versions=versions,
            lock_sha256=versions_sha256(versions) if differs else self.manifest.lock_sha256,
            environment_id=self.manifest.digest[:32],
            machine=machine,
            cell_id=None if differs else self.manifest.cell_id,
            values=None if differs else self.manifest.values,
            kernels=self.python.parents[1] / "kernels",
        )


def open_bundle(folder: Path, *, into: Path, python: Path, say: Callable[[str], None]) -> Unbundled:
    """Return the environment of the bundle in *folder*, unpacked at *into* if it is not yet.

    Raises:
        BundleError: If a piece is wrong, or the bundle does not fit this machine.
        UsageError: If there is something else at *into*.
        DiskSpaceError: If there is not room enough.
    """
    manifest = load_manifest(folder)
    target = look_at_target(manifest, python)
    inside = into / "bin" / "python"
    if _is_ready(into, manifest, target):
        return Unbundled(manifest=manifest, target=target, python=inside, reused=True)
    if into.exists() and not (into / _UNFINISHED).exists() and any(into.iterdir()):
        raise UsageError(
            "holds something else than this bundle; name another folder with --into",
            where=str(into),
        )
    say(f"checking {len(manifest.pieces)} pieces, {manifest.bytes >> 20} MiB")
    paths = find_pieces(folder, manifest)
    say(f"unpacking {manifest.files} files, {manifest.unpacked_bytes >> 20} MiB")
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True)
    (into / _UNFINISHED).touch()
    make_environment(target, into=into)
    unpack(paths, manifest, into=into)
    point_scripts(inside)
    if manifest.left_out:
        link_left_out(manifest, target, into=into)
    marker = {"digest": manifest.digest, "interpreter": target.interpreter, **target.versions}
    (into / _MARKER).write_text(json.dumps(marker), encoding="utf-8")
    (into / _UNFINISHED).unlink()
    return Unbundled(manifest=manifest, target=target, python=inside, reused=False)


def run_probes(
    bundle: Unbundled,
    probes: Sequence[Probe],
    *,
    machine: Machine,
    evidence: Path,
    again: bool = False,
    say: Callable[[str], None],
) -> tuple[Evidence, ...]:
    """Return what was recorded in the file *evidence* now; what is current there is not run.

    Args:
        again: Run what has current evidence too.
    """
    pool = GpuPool()
    patient = bundle.patient(machine)
    applicable = [probe for probe in probes if probe.applies_to(patient.versions)]
    kept = load([evidence] if evidence.exists() else []).records
    due = (
        applicable
        if again
        else due_probes(
            applicable,
            kept,
            lock_sha256=patient.lock_sha256,
            environment_id=str(patient.environment_id),
            find_lack=pool.find_lack,
        )
    )
    found = []
    for number, probe in enumerate(due, start=1):
        say(f"probe {number}/{len(due)} {probe.name}")
        record = launch_on(pool, probe, patient, logs=evidence.parent / "logs")
        record = dataclasses.replace(record, facts={**record.facts, "bundle": _describe(bundle)})
        append(record, path=evidence)
        found.append(record)
        why = f" (lacks {', '.join(record.lacks)})" if record.lacks else ""
        because = f": {record.cause}" if record.cause and not record.lacks else ""
        say(f"{record.subject} {record.outcome.value} in {record.duration_s:.1f} s{why}{because}")
    return tuple(found)


def _describe(bundle: Unbundled) -> dict[str, object]:
    """Return what a reader of evidence has to know about how the environment came here."""
    manifest = bundle.manifest
    return {
        "digest": manifest.digest,
        "cell": manifest.cell_id,
        "from_target": bundle.target.versions,
        "differing": bundle.differing,
        "dropped": list(manifest.dropped),
    }


def _is_ready(into: Path, manifest: Manifest, target: Target) -> bool:
    try:
        marker = json.loads((into / _MARKER).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return False
    except (OSError, ValueError) as error:
        raise BundleError(f"cannot be read: {error}", where=str(into / _MARKER)) from error
    wanted = {"digest": manifest.digest, "interpreter": target.interpreter, **target.versions}
    return bool(marker == wanted)
