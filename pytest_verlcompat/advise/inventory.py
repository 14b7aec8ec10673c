"""Everything the doctor knows before it judges: distributions, machine, environment variables."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_verlcompat.advise.host import find_places, read_host
from pytest_verlcompat.issues.catalogue import load_catalogue
from pytest_verlcompat.issues.facts import Facts, parse_version
from pytest_verlcompat.issues.installed import (
    ask_interpreter,
    find_distributions,
    first_versions,
    has_module,
)
from pytest_verlcompat.issues.risks import asked_places

if TYPE_CHECKING:
    from collections.abc import Mapping

    from packaging.version import Version

    from pytest_verlcompat.advise.host import Host
    from pytest_verlcompat.advise.launch import Launch
    from pytest_verlcompat.issues.installed import Distribution, Interpreter

_PREFIXES = (
    "CUDA_", "FLASH", "HF_", "HIP_", "HYDRA_", "LD_", "NCCL_", "NVIDIA_", "NVTX_", "OMP_",
    "PYTHON", "PYTORCH_", "RAY_", "ROCR_", "SGLANG_", "SGL_", "TORCH", "TRANSFORMERS_", "TRITON_",
    "VERL_", "VLLM_", "WANDB_",
)  # fmt: skip
_CUDA_WHEEL = re.compile(
    r"nvidia-(?:[\w-]+-cu(?P<major>\d\d)|(?P<plain>cublas|cuda-(?:runtime|nvrtc|cupti)|nvjitlink|nvtx))"
)
"""Source: ``Requires-Dist`` of torch 2.8.0 and 2.11.0, read 2026-11-20."""
_NAMES = ("CC", "CONDA_PREFIX", "MAX_JOBS", "VIRTUAL_ENV", "CUDNN_HOME", "XDG_CACHE_HOME")


class Depth(Enum):
    """How much of the environment is read to judge what its metadata does not say."""

    QUICK = "quick"
    """Only what was judged before and has not changed since."""
    FULL = "full"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What is installed for one interpreter, on this machine, under these variables."""

    interpreter: Interpreter
    python_path: tuple[Path, ...]
    """Folders of ``PYTHONPATH`` that exist; they stand before everything installed."""
    distributions: tuple[Distribution, ...]
    """In the order of the import path; the first of a name is the one that is imported."""
    host: Host
    environ: Mapping[str, str]
    """The variables that matter, values included; never to be printed unredacted."""
    facts: Facts
    """The same in the form rules are written for."""
    launch: Launch | None = None
    """What the launch script sets, where one was named."""
    snapshot: str | None = None
    """Path or address of published verdicts other than those shipped."""
    depth: Depth = Depth.FULL
    """How much may be read to judge imports and symbols."""

    @property
    def all_variables(self) -> Mapping[str, str]:
        """Every variable of the environment, for rules alone; never printed."""
        return self.facts.env or {}

    def first(self, name: str) -> Distribution | None:
        """Return the distribution *name* that is imported, or ``None``."""
        return next((each for each in self.distributions if each.name == name), None)


def read_inventory(
    python: Path,
    *,
    environ: Mapping[str, str],
    launch: Launch | None = None,
    snapshot: str | None = None,
    depth: Depth = Depth.FULL,
) -> Inventory:
    """Return the inventory of *python*'s environment.

    Args:
        environ: Variables of the shell the training will be started from.
        launch: What a launch script sets; its variables go before those of *environ*.
        snapshot: Path or address of published verdicts; those shipped by default.
        depth: How much may be read to judge imports and symbols.

    Raises:
        InterpreterMissingError: If there is nothing at *python* that looks like a Python.
    """
    interpreter = ask_interpreter(python)
    environ = {**environ, **(launch.variables if launch else {})}
    python_path, folders = _folders(interpreter, environ)
    distributions = tuple(find_distributions(folders))
    host = read_host()
    kept = {
        name: value
        for name, value in environ.items()
        if name.startswith(_PREFIXES) or name in _NAMES
    }
    return Inventory(
        interpreter=interpreter,
        python_path=python_path,
        distributions=distributions,
        host=host,
        environ=kept,
        facts=Facts(
            versions=first_versions(distributions),
            complete=True,
            numbers=_numbers(interpreter, host),
            words=_words(host, distributions),
            env=dict(environ),
            options=launch.options if launch else None,
            modules={**_places(folders, environ), **_commands(launch)},
        ),
        launch=launch,
        snapshot=snapshot,
        depth=depth,
    )


def _folders(
    interpreter: Interpreter, environ: Mapping[str, str]
) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Return the folders of ``PYTHONPATH``, and all folders in the order of the import path."""
    named = (Path(each) for each in environ.get("PYTHONPATH", "").split(":") if each)
    python_path = tuple(each for each in named if each.is_dir())
    user = interpreter.user_site if not environ.get("PYTHONNOUSERSITE") else None
    return python_path, (*python_path, *((user,) if user else ()), *interpreter.site_packages)


def cuda_majors(distributions: tuple[Distribution, ...]) -> dict[str, list[str]]:
    """Return which NVIDIA wheels there are of each CUDA major, ``{"12": [...]}``.

    Those of CUDA 13 carry no suffix where their version is that of CUDA.
    """
    majors: dict[str, list[str]] = {}
    for each in distributions:
        matched = _CUDA_WHEEL.fullmatch(each.name)
        if matched is None:
            continue
        major = matched["major"] or (each.version.partition(".")[0] if matched["plain"] else "")
        if major in {"11", "12", "13"}:
            majors.setdefault(major, []).append(each.name)
    return majors


def _numbers(interpreter: Interpreter, host: Host) -> dict[str, Version]:
    machine = host.machine
    capabilities = [
        version
        for gpu in machine.gpus
        if (version := parse_version(gpu.compute_capability or "")) is not None
    ]
    texts = {
        "glibc": machine.glibc,
        "driver": machine.driver,
        "nofile": str(host.nofile) if host.nofile >= 0 else None,
        "shm-mib": str(host.shm_mib) if host.shm_mib is not None else None,
        "cpus": str(machine.cpus),
    }
    numbers = {
        key: version
        for key, text in texts.items()
        if text is not None and (version := parse_version(text)) is not None
    }
    if capabilities:
        numbers["compute-capability"] = max(capabilities)
    if interpreter.version is not None:
        numbers["python"] = interpreter.version
    return numbers


def _words(host: Host, distributions: tuple[Distribution, ...]) -> dict[str, str]:
    mixed = len(cuda_majors(distributions)) > 1
    return {
        "architecture": host.machine.architecture,
        "cuda-wheels": "mixed" if mixed else "one",
    }


def _commands(launch: Launch | None) -> dict[str, bool]:
    """Return whether the script calls each ``command:NAME`` that the rules ask for."""
    if launch is None:
        return {}
    called = {words[0] for words in launch.commands}
    asked = (key for key in asked_places(load_catalogue()) if key.startswith("command:"))
    return {key: key.removeprefix("command:") in called for key in asked}


def _places(folders: tuple[Path, ...], environ: Mapping[str, str]) -> dict[str, bool]:
    asked = asked_places(load_catalogue())
    modules = {
        key: has_module(folders, key.removeprefix("module:"))
        for key in asked
        if key.startswith("module:")
    }
    return {**modules, **find_places(asked, environ=environ)}
