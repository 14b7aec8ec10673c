"""Establish that Ray starts here and that its workers run in this very environment.

Starts a local Ray of two CPUs in the scratch folder, without dashboard and without joining
any cluster that the environment variables name, and asks a task and an actor for their
interpreter, Python version, site-packages, and the versions and files of the stack's
distributions. Passed: both answer as the driver does, and after ``ray.shutdown`` no process of
this Ray is left. What is left is named and ended.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

TITLE = "Ray's workers run the driver's interpreter, site-packages and versions"
RUNG = "cpu"
DISTRIBUTIONS = ("ray",)
GPUS = 0
TIMEOUT_S = 240.0

KEY_DISTRIBUTIONS = (
    "numpy",
    "ray",
    "sglang",
    "tensordict",
    "torch",
    "transformers",
    "uvloop",
    "verl",
    "vllm",
)
OBJECT_STORE_BYTES = 80 * 1024 * 1024
ANSWER_TIMEOUT_S = 90.0
SHUTDOWN_TIMEOUT_S = 20.0
SOCKET_PATH_BYTES = 107
"""Longest address of a Unix socket on Linux (``sun_path`` without its final null)."""


def probe(request: dict[str, Any]) -> dict[str, Any]:
    """Return what task and actor run in, and seconds to start, answer and shut down."""
    import ray

    facts = request["facts"]
    keys = [name for name in KEY_DISTRIBUTIONS if name in request["versions"]]
    folder = Path(request["scratch"]) / "ray"
    _require_short(folder)
    os.environ.pop("RAY_ADDRESS", None)
    describe = _description()
    started = time.monotonic()
    try:
        ray.init(
            address="local",
            num_cpus=2,
            num_gpus=0,
            include_dashboard=False,
            object_store_memory=OBJECT_STORE_BYTES,
            log_to_driver=False,
            configure_logging=False,
            _temp_dir=str(folder),
        )
        facts["start_s"] = round(time.monotonic() - started, 3)
        answers = _ask(ray, describe, names=keys, facts=facts)
    finally:
        started = time.monotonic()
        ray.shutdown()
        facts["left_over"] = _end_left_over(folder)
        facts["shutdown_s"] = round(time.monotonic() - started, 3)
        shutil.rmtree(folder, ignore_errors=True)
    driver = describe(keys)
    facts["driver"] = _without_prefix(driver, driver["prefix"])
    for role, answer in answers.items():
        differing = {
            key: (driver[key], answer[key]) for key in driver if driver[key] != answer[key]
        }
        if differing:
            raise AssertionError(f"{role} differs from the driver: {differing}")
    if facts["left_over"]:
        raise AssertionError(f"after ray.shutdown these ran on: {facts['left_over']}")
    return dict(facts)


def _require_short(folder: Path) -> None:
    """Raise ValueError if Ray's sockets below *folder* would have too long an address."""
    longest = len(f"{folder}/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store")
    if longest > SOCKET_PATH_BYTES:
        raise ValueError(
            f"{folder} is too long for Ray's sockets: {longest} of {SOCKET_PATH_BYTES} bytes; "
            "give a shorter scratch folder"
        )


def _description() -> Any:
    """Return a function that describes the process calling it.

    It is made inside a function because Ray then sends it by value: its workers cannot
    import this file.
    """

    def describe(names: list[str]) -> dict[str, Any]:
        import importlib.metadata
        import importlib.util
        import sys
        import sysconfig

        files = {name: importlib.util.find_spec(name) for name in ("numpy", "ray", "torch")}
        return {
            "executable": sys.executable,
            "prefix": sys.prefix,
            "python": sys.version,
            "site_packages": sysconfig.get_path("purelib"),
            "versions": {name: importlib.metadata.version(name) for name in names},
            "files": {name: spec.origin for name, spec in files.items() if spec is not None},
        }

    return describe


def _without_prefix(value: Any, prefix: str) -> Any:
    """Return *value* with *prefix*, where this machine keeps the environment, left out."""
    if isinstance(value, dict):
        return {key: _without_prefix(item, prefix) for key, item in value.items()}
    return value.replace(prefix, "{prefix}") if isinstance(value, str) else value


def _ask(ray: Any, describe: Any, *, names: list[str], facts: dict[str, Any]) -> dict[str, Any]:
    """Return the descriptions by a task and by an actor, both in other processes."""

    class Actor:
        def describe(self, names: list[str]) -> dict[str, Any]:
            answer: dict[str, Any] = describe(names)
            return answer

        def pid(self) -> int:
            import os

            return os.getpid()

    started = time.monotonic()
    actor = ray.remote(Actor).remote()
    references = [ray.remote(describe).remote(names), actor.describe.remote(names)]
    task, by_actor = ray.get(references, timeout=ANSWER_TIMEOUT_S)
    if ray.get(actor.pid.remote(), timeout=ANSWER_TIMEOUT_S) == os.getpid():
        raise AssertionError("the actor runs in the driver's process")
    facts["answer_s"] = round(time.monotonic() - started, 3)
    return {"task": task, "actor": by_actor}


def _end_left_over(folder: Path) -> list[str]:
    """Return the command names of processes that outlive Ray's shutdown, after ending them.

    Ray's processes are told by *folder* in their command line.
    """
    deadline = time.monotonic() + SHUTDOWN_TIMEOUT_S
    while time.monotonic() < deadline:
        if not _processes_naming(folder):
            return []
        time.sleep(0.1)
    left = _processes_naming(folder)
    for pid in left:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    return sorted(left.values())


def _processes_naming(folder: Path) -> dict[int, str]:
    """Return id and name of each other process with *folder* in its command line."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            command = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if os.fsencode(str(folder)) in command:
            found[int(entry.name)] = os.fsdecode(Path(os.fsdecode(command.split(b"\0")[0])).name)
    return found
