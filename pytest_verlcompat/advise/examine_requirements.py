"""Rung one on what is installed: does every requirement hold that the metadata states?"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from packaging.markers import default_environment
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from pytest_verlcompat.advise.advice import Advice, Level

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from packaging.version import Version

    from pytest_verlcompat.advise.inventory import Inventory
    from pytest_verlcompat.issues.installed import Distribution

_STACK = frozenset({
    "verl", "vllm", "sglang", "sgl-kernel", "sglang-kernel", "torch", "torchvision", "torchaudio",
    "transformers", "flash-attn", "flashinfer-python", "tensordict", "ray", "xformers", "numba",
    "megatron-core", "mbridge", "transformer-engine", "peft", "trl", "datasets", "accelerate",
    "torchdata", "outlines", "xgrammar", "opencv-python-headless", "opencv-python", "tensorboard",
})  # fmt: skip
_SHOWN = 4


def examine(inventory: Inventory) -> Iterator[Advice]:
    """Yield each requirement of the stack that is not met, and those of the rest together."""
    environment = {key: str(value) for key, value in default_environment().items()}
    if inventory.interpreter.version is not None:
        version = inventory.interpreter.version
        environment["python_full_version"] = str(version)
        environment["python_version"] = f"{version.major}.{version.minor}"
    looked_at = 0
    rest: list[Advice] = []
    unmet = False
    for each in inventory.distributions:
        if inventory.first(each.name) is not each:
            continue
        looked_at += 1
        for advice in _unmet(each, versions=inventory.facts.versions, environment=environment):
            unmet = True
            if each.name in _STACK:
                yield advice
            else:
                rest.append(advice)
    if rest:
        yield _together(rest)
    if looked_at and not unmet:
        yield Advice(
            code="requirements",
            level=Level.FINE,
            title="Every requirement is met",
            detail=f"Read from the metadata of {looked_at} distributions, as pip check does",
        )


def _together(found: Sequence[Advice]) -> Advice:
    """Return one advice for what is outside the stack, where one broken thing brings many."""
    shown = [f"{each.title}, {each.detail}" for each in found[:_SHOWN]]
    more = len(found) - len(shown)
    return Advice(
        code="requirements-of-others",
        level=Level.RISK,
        title=f"{len(found)} requirement(s) outside the stack are not met",
        detail="; ".join(shown) + (f"; and {more} more" if more else ""),
        remedies=tuple(found[0].remedies),
        costs=tuple(found[0].costs),
    )


@lru_cache(maxsize=8192)
def _parsed(line: str) -> Requirement | None:
    """Return a line of metadata; ``None`` where it belongs to an extra or cannot be read."""
    if "extra ==" in line:
        return None
    try:
        return Requirement(line)
    except InvalidRequirement:
        return None


def _unmet(
    distribution: Distribution, *, versions: Mapping[str, Version], environment: dict[str, str]
) -> Iterator[Advice]:
    for line in distribution.requires:
        requirement = _parsed(line)
        if requirement is None:
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
