"""GPUs for the workers of one run: who shares them, and how many workers that makes."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_verlcompat.environments.installed import ask_python, installed_versions
from pytest_verlcompat.errors import VerlcompatError
from pytest_verlcompat.probes.registry import find_probes, list_probes
from pytest_verlcompat.process.gpu_lease import GpuPool

if TYPE_CHECKING:
    import pytest


def make_pool(config: pytest.Config) -> GpuPool:
    """Return the GPUs that this process, a worker or not, may borrow from."""
    about = getattr(config, "workerinput", {})
    return GpuPool(
        floor_mib=config.option.verlcompat_gpu_floor_mib,
        worker=int(str(about.get("workerid", "gw0")).removeprefix("gw")),
        workers=int(about.get("workercount", 1)),
    )


def count_workers(config: pytest.Config) -> int | None:
    """Return one worker a free GPU, or ``None`` where that is for xdist to say.

    It is, where no probe of this run needs a GPU, where no GPU is free, and where the number
    was set by ``PYTEST_XDIST_AUTO_NUM_WORKERS`` or asked for as ``-n logical``.
    """
    option = config.option
    if os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS") or option.numprocesses != "auto":
        return None
    try:
        _, folders = ask_python(Path(option.verlcompat_python or sys.executable))
        probes = list_probes()
        if option.verlcompat_probe:
            probes = find_probes(option.verlcompat_probe, probes=probes)
        versions = installed_versions(folders)
        if not any(probe.gpus and probe.applies_to(versions) for probe in probes):
            return None
        return make_pool(config).count_free() or None
    except VerlcompatError:
        return None  # said once and in full when the probes are added
