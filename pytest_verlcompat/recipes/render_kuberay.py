"""A RayJob that starts the smallest training in the image of the Dockerfile (kubectl create)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_verlcompat.errors import LockError
from pytest_verlcompat.recipes.pins import read_pins
from pytest_verlcompat.recipes.settings import find_settings
from pytest_verlcompat.recipes.smallest import start_lines
from pytest_verlcompat.recipes.stack import target_of
from pytest_verlcompat.recipes.words import comment, indented, quoted

if TYPE_CHECKING:
    from pytest_verlcompat.model.cell import Cell
    from pytest_verlcompat.resolve.lock import Lock

FILENAME = "rayjob.yaml"


def render(cell: Cell, lock: Lock) -> str:
    """Return a config map with the start and the job that runs it on one head with one GPU.

    Raises:
        LockError: If the lock has no Ray.
    """
    versions = {pin.name: pin.version for pin in read_pins(lock)}
    if "ray" not in versions:
        raise LockError("has no ray; there is no cluster to start", where=cell.id)
    start = [
        "#!/usr/bin/env bash",
        "set -euo pipefail",
        "PYTHON=/opt/verl/env/bin/python",
        *start_lines(cell, lock),
    ]
    lines = [
        "apiVersion: v1",
        "kind: ConfigMap",
        "metadata: {name: verl-smallest}",
        "data:",
        "  start.sh: |",
        *indented(start, 4),
        "---",
        "apiVersion: ray.io/v1",
        "kind: RayJob",
        "metadata: {generateName: verl-smallest-}",
        "spec:",
        *comment("VC113: a variable that the job sets too would be refused; verl's value wins."),
        '  entrypoint: "RAY_OVERRIDE_JOB_RUNTIME_ENV=1 bash /etc/verl-smallest/start.sh"',
        "  shutdownAfterJobFinishes: true",
        "  rayClusterSpec:",
        *comment("The Ray of the lock; operator and image must agree on it."),
        f"    rayVersion: {quoted(versions['ray'])}",
        "    headGroupSpec:",
        "      rayStartParams: {}",
        "      template:",
        "        spec:",
        *indented(_pod(cell, lock), 10),
    ]
    return "\n".join(lines) + "\n"


def _pod(cell: Cell, lock: Lock) -> list[str]:
    found = find_settings(lock.versions, python=target_of(cell).python)
    exported = [each for each in found if each.value is not None and each.name != "ulimit -n"]
    env = [
        line
        for each in exported
        for line in (
            *comment(f"{each.entry}: {each.title}."),
            f"    - {{name: {each.name}, value: {quoted(str(each.value))}}}",
        )
    ]
    return [
        "containers:",
        "- name: ray-head",
        *comment("The image that the Dockerfile of this cell builds, in a registry of yours."),
        "  image: verl-stack",
        *comment(
            "The image sources env.sh for what it starts itself; the operator starts Ray around "
            "it, so what has to be exported stands here too."
        ),
        *(["  env:", *env] if env else []),
        "  resources:",
        '    limits: {cpu: "16", memory: 64Gi, nvidia.com/gpu: "1"}',
        '    requests: {cpu: "16", memory: 64Gi, nvidia.com/gpu: "1"}',
        "  volumeMounts:",
        "  - {name: start, mountPath: /etc/verl-smallest}",
        "  - {name: shm, mountPath: /dev/shm}",
        "volumes:",
        "- {name: start, configMap: {name: verl-smallest}}",
        *comment("VC117: a pod gets 64 MiB of /dev/shm; object store and NCCL want more."),
        "- {name: shm, emptyDir: {medium: Memory, sizeLimit: 16Gi}}",
    ]
