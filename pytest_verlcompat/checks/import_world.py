"""The cell as the import system would see it: which modules are there, at which version."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_verlcompat.wheels.surface_facts import Facts

CUDA_PREDICATES: Mapping[str, bool] = {
    "is_cpu": False,
    "is_cuda": True,
    "is_cuda_alike": True,
    "is_cuda_available": True,
    "is_hip": False,
    "is_hpu": False,
    "is_musa": False,
    "is_musa_available": False,
    "is_npu": False,
    "is_npu_available": False,
    "is_rocm": False,
    "is_torch_available": True,
    "is_torch_npu_available": False,
    "is_torch_xpu_available": False,
    "is_tpu": False,
    "is_xpu": False,
    "is_xpu_available": False,
}
"""Answers of platform questions, by their last name: a cell is torch on Linux with CUDA."""

ENGINES: Mapping[str, str] = {"vllm": "vllm", "sglang": "sglang", "tensorrt-llm": "tensorrt_llm"}
"""Rollout engines and their modules: where a cell names one, the others are not installed."""


@dataclass(frozen=True, kw_only=True)
class World:
    """Releases side by side."""

    members: tuple[Facts, ...]
    is_complete: bool = False
    """Whether nothing else is installed (an environment that was listed), or that is unknown."""
    absent: frozenset[str] = frozenset()
    """Top-level modules known not to be there."""
    python: tuple[int, int] = (3, 12)
    other_versions: Mapping[str, str] = field(default_factory=dict)
    """Versions of distributions whose files were not read, by normalized name."""
    other_modules: frozenset[str] = frozenset()
    """Top-level modules that are there although their files were not read."""

    def member(self, module: str) -> Facts | None:
        """Return the release that *module* belongs to, if it is one that was read."""
        top = module.partition(".")[0]
        for facts in self.members:
            if top in facts.top_levels and (facts.has_module(module) or _owns(facts, module)):
                return facts
        return None

    def presence(self, module: str) -> bool | None:
        """Whether ``import module`` finds it; ``None`` if this cell does not say."""
        if module not in self._presence:
            self._presence[module] = self._find(module)
        return self._presence[module]

    @cached_property
    def _presence(self) -> dict[str, bool | None]:
        return {}

    def _find(self, module: str) -> bool | None:
        top = module.partition(".")[0]
        if top in sys.stdlib_module_names:
            return True
        if top in self.absent:
            return False
        facts = self.member(module)
        if facts is not None:
            return facts.has_module(module)
        if top in self.other_modules:
            return True if module == top else None
        return False if self.is_complete else None

    def version_of(self, distribution: str) -> str | None:
        """Return the version of *distribution*, ``None`` if this cell does not say."""
        wanted = canonicalize_name(distribution)
        for facts in self.members:
            if canonicalize_name(facts.distribution) == wanted and facts.version:
                return facts.version
        return self.other_versions.get(wanted)

    def lacks(self, distribution: str) -> bool:
        """Whether *distribution* is known not to be installed."""
        wanted = canonicalize_name(distribution)
        if ENGINES.get(wanted) in self.absent:
            return True
        return self.is_complete and self.version_of(wanted) is None


def _owns(facts: Facts, module: str) -> bool:
    """Whether a missing *module* would have to come from *facts*, not from a namespace sibling."""
    parts = module.split(".")
    for size in range(1, len(parts)):
        prefix = ".".join(parts[:size])
        if prefix in facts.paths:
            return True  # a regular package has no siblings
        if prefix not in facts.packages:
            return False
    return parts[0] in facts.paths


def cell_of(*members: Facts, python: tuple[int, int] = (3, 12)) -> World:
    """Return the world of a cell: an engine among *members* means that the others are absent."""
    present = {module for facts in members for module in facts.top_levels}
    engines = set(ENGINES.values())
    absent = frozenset(engines - present) if engines & present else frozenset()
    return World(members=members, absent=absent, python=python)


def parse_version(text: str) -> Version | None:
    """Return *text* as a version, or ``None`` if it is none."""
    try:
        return Version(text)
    except InvalidVersion:
        return None
