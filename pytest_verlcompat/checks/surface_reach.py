"""Which modules of a consumer a cell can reach, and what those want from a provider.

Reached means imported by a root of some role, or by a function of a reached module. Folders
for other versions of an engine are not: the conditions before them are evaluated.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from pytest_verlcompat.checks.import_execution import Interpreter
from pytest_verlcompat.checks.import_world import ENGINES, World
from pytest_verlcompat.checks.surface_roles import roles_of, roots_of
from pytest_verlcompat.wheels.surface_collect import Demand, demands_of
from pytest_verlcompat.wheels.surface_facts import FACTS_VERSION, Facts
from pytest_verlcompat.wheels.surface_store import Questions

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

RULES_VERSION = 2
"""Raised when roles or reachability change, so that kept facts are asked again."""

TOP_LEVELS = {
    "flash-attn": "flash_attn",
    "megatron-core": "megatron",
    "mbridge": "mbridge",
    "sgl-kernel": "sgl_kernel",
}
"""Import names that differ from the distribution's by more than case."""


def top_level_of(distribution: str) -> str:
    """Return the import name of *distribution*."""
    name = canonicalize_name(distribution)
    return TOP_LEVELS.get(name, name.replace("-", "_"))


def run_late(interpreter: Interpreter) -> frozenset[str]:
    """Run what functions of the modules run so far import from their own consumer.

    Returns the modules that only functions lead to; what fails in them is not a failure of
    the roots.
    """
    first = frozenset(interpreter.ended)
    pending = list(first)
    seen = set(pending)
    outlines = interpreter.consumer.outlines
    failures = list(interpreter.failures)
    while pending:
        outline = outlines.get(pending.pop())
        for late in () if outline is None else outline.late:
            if late.is_use or not interpreter.is_own(late.module):
                continue
            for module in (late.module, f"{late.module}.{late.name}"):
                if module in outlines and module not in seen:
                    before = set(interpreter.ended)
                    interpreter.run(module)
                    fresh = set(interpreter.ended) - before
                    seen |= fresh | {module}
                    pending += fresh
    if interpreter.index is not None and interpreter.failures == failures:
        interpreter.index.keep(interpreter.ended, interpreter.namespaces)
    interpreter.failures[:] = failures
    return frozenset(interpreter.ended) - first


def reached(consumer: Facts, distributions: Iterable[str], versions: dict[str, str]) -> set[str]:
    """Return the modules of *consumer* that some role reaches at these *versions*."""
    named = {canonicalize_name(name) for name in distributions}
    absent = frozenset(
        module for engine, module in ENGINES.items() if engine not in named and named & set(ENGINES)
    )
    world = World(members=(consumer,), absent=absent, other_versions=versions)
    found: set[str] = set()
    for role in roles_of(consumer, named):
        interpreter = Interpreter(world, consumer)
        for root in roots_of(role, consumer):
            interpreter.import_root(root)
        run_late(interpreter)
        found |= set(interpreter.ended)
    return found


def questions_about(
    distribution: str, consumers: Sequence[Facts], versions: Sequence[str], *, beside: Iterable[str]
) -> Questions:
    """Return what *consumers* want from releases of *distribution*.

    Args:
        versions: The releases in question; each decides which conditions hold. Without any,
            none does, and both sides of each are followed.
        beside: The other distributions of the cell.
    """
    identity = [f"{facts.label} {facts.digest}" for facts in consumers]
    text = "\n".join(
        [str(FACTS_VERSION), str(RULES_VERSION), distribution, *sorted(beside), *sorted(identity)]
    )
    named = {distribution, *beside}
    top = frozenset({top_level_of(distribution)})
    name: str = canonicalize_name(distribution)
    settings = [{name: version} for version in _sample(versions)] or [{}]

    def compute() -> set[Demand]:
        found: set[Demand] = set()
        for consumer in consumers:
            modules: set[str] = set()
            for known in settings:
                modules |= reached(consumer, named, known)
            outlines = {name: consumer.outlines[name] for name in modules & set(consumer.outlines)}
            found |= demands_of(replace(consumer, outlines=outlines), top)
        return found

    return Questions(key=hashlib.sha256(text.encode()).hexdigest()[:16], compute=compute)


def _sample(versions: Sequence[str]) -> list[str]:
    """Return at most a dozen of *versions*, first and last among them."""
    step = max(1, len(versions) // 10)
    return list(dict.fromkeys([*versions[::step], *versions[-1:]]))
