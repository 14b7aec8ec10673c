"""Keep an isolated Ray cluster of this machine running, and run functions of files on it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

OBJECT_STORE_BYTES = 80 * 1024 * 1024
_STATE: dict[str, Any] = {}


def start(*, parts: str, folder: str, cpus: int, names: list[str]) -> dict[str, Any]:
    """Start Ray, joining no cluster; return its address and what a worker runs.

    Raises:
        AssertionError: If a worker runs another interpreter or other versions than the driver.
    """
    import ray

    from __main__ import load_part

    checks = load_part(parts, "ray_workers")
    place = Path(folder)
    checks._require_short(place)  # noqa: SLF001 -- scripts are of one family
    os.environ.pop("RAY_ADDRESS", None)
    context = ray.init(
        address="local",
        num_cpus=cpus,
        num_gpus=0,
        include_dashboard=False,
        object_store_memory=OBJECT_STORE_BYTES,
        log_to_driver=False,
        configure_logging=False,
        _temp_dir=str(place),
    )
    _STATE["ray"] = ray
    describe = checks._description()  # noqa: SLF001 -- the same
    driver = describe(names)
    worker = ray.get(ray.remote(describe).remote(names), timeout=90.0)
    differing = {key: (driver[key], worker[key]) for key in driver if driver[key] != worker[key]}
    if differing:
        raise AssertionError(f"a worker differs from the driver: {differing}")
    return {"address": context.address_info["gcs_address"], "worker": worker}


def call(*, file: str, function: str, arguments: list[Any], limit_s: float) -> Any:
    """Return what *function* of *file* returns as a task of this cluster."""
    from __main__ import load_part

    ray = _STATE["ray"]
    name = Path(file).stem
    module = load_part(str(Path(file).parent), name)
    sys.modules[name] = module
    ray.cloudpickle.register_pickle_by_value(module)  # workers cannot import this file
    try:
        return ray.get(ray.remote(getattr(module, function)).remote(*arguments), timeout=limit_s)
    finally:
        ray.cloudpickle.unregister_pickle_by_value(module)
        del sys.modules[name]


def close() -> None:
    """End the cluster."""
    if "ray" in _STATE:
        _STATE.pop("ray").shutdown()
