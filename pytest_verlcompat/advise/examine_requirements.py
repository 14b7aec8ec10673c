"""Rung one on what is installed: does every requirement hold that the metadata states?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.markers import default_environment
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from pytest_verlcompat.advise.advice import Advice, Level

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from packaging.version import Version

    from pytest_verlcompat.advise.inventory import Inventory
    from pytest_verlcompat.issues.installed import Distribution

_STACK = frozenset({
    "verl", "vllm", "sglang", "sgl-kernel", "sglang-kernel", "torch", "torchvision", "torchaudio",
    "transformers", "flash-attn", "flashinfer-python", "tensordict", "ray", "xformers", "numba",
    "megatron-core", "mbridge", "transformer-engine", "peft", "trl", "datasets", "accelerate",
    "torchdata", "outlines", "xgrammar", "opencv-python-headless", "opencv-python", "tensorboard",
})  # fmt: skip


def examine(inventory: Inventory) -> Iterator[Advice]:
    """Yield a finding for each requirement of the stack that is not met."""
    environment = {key: str(value) for key, value in default_environment().items()}
    if inventory.interpreter.version is not None:
        version = inventory.interpreter.version
        environment["python_full_version"] = str(version)
        environment["python_version"] = f"{version.major}.{version.minor}"
    looked_at = 0
    unmet = 0
    for each in inventory.distributions:
        if each.name not in _STACK or inventory.first(each.name) is not each:
            continue
        looked_at += 1
        for advice in _unmet(each, versions=inventory.facts.versions, environment=environment):
            unmet += 1
            yield advice
    if looked_at and not unmet:
        yield Advice(
            code="requirements",
            level=Level.FINE,
            title="Every requirement of the stack is met",
            detail=f"Read from the metadata of {looked_at} distributions",
        )


def _unmet(
    distribution: Distribution, *, versions: Mapping[str, Version], environment: dict[str, str]
) -> Iterator[Advice]:
    for line in distribution.requires:
        if "extra ==" in line:
            continue
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        if requirement.marker is not None and not requirement.marker.evaluate(environment):
            continue
        name = str(canonicalize_name(requirement.name))
        found = versions.get(name)
        if found is not None and requirement.specifier.contains(found, prereleases=True):
            continue
        wanted = f"{name}{requirement.specifier}"
        yield Advice(
            code="requirement-unmet",
            level=Level.RISK,
            title=f"{distribution.name} {distribution.version} requires {wanted}",
            detail=f"{name} {found} is installed" if found else f"{name} is not installed",
            remedies=(f"pip install '{wanted}'",),
            costs=("may break what asked for the version that is there",),
        )
