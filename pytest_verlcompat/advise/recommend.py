"""From wants and limits to the sets of versions that meet them, best evidence first.

Nothing is resolved or tried here: what is recommended was resolved, and perhaps tried, before.
A condition that nobody knows the answer to does not exclude a set; it ranks it lower and is said.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from pytest_verlcompat.errors import UsageError
from pytest_verlcompat.model.names import AXES
from pytest_verlcompat.model.outcome import Rung
from pytest_verlcompat.recipes.stack import cuda_of_torch, least_driver

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from packaging.requirements import Requirement

    from pytest_verlcompat.advise.recommend_index import Candidate

GPUS: Mapping[str, str] = {
    "v100": "7.0", "t4": "7.5", "a100": "8.0", "a10": "8.6", "a40": "8.6", "l4": "8.9",
    "l40": "8.9", "l40s": "8.9", "rtx 4090": "8.9", "h20": "9.0", "h100": "9.0", "h200": "9.0",
    "gh200": "9.0", "b200": "10.0", "gb200": "10.0", "b300": "10.3", "rtx 5090": "12.0",
}  # fmt: skip
"""Compute capability by name. Source: https://developer.nvidia.com/cuda-gpus, read 2026-11-20."""

SPECIAL: Mapping[str, frozenset[str]] = {
    "multimodal": frozenset({"multimodal", "multimodal_engine"}),
    "megatron": frozenset({"megatron_imports"}),
}
"""What only counts for who wants it: checks and probes by want."""

WORKS = "nothing known to break"
_BLACKWELL, _TURING = Version("10.0"), Version("7.5")
_FEW = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What is wanted, and what cannot be changed."""

    wants: tuple[Requirement, ...] = ()
    engine: str | None = None
    model: str = "text"
    """``text`` or ``multimodal``."""
    trainer: str = "fsdp"
    """``fsdp`` or ``megatron``."""
    python: str | None = None
    glibc: str | None = None
    driver: str | None = None
    gpu: str | None = None
    """Compute capability, ``9.0``."""
    keep: tuple[str, ...] = ()
    """Installed distributions that must stay as they are."""
    installed: Mapping[str, str] = field(default_factory=dict)
    """Normalized name to version; empty where there is no environment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One thing a set must meet."""

    label: str
    holds: Callable[[Candidate], bool | None]
    """``None`` where it is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One set that was judged."""

    candidate: Candidate
    unmet: tuple[str, ...]
    unknown: tuple[str, ...]
    changes: tuple[tuple[str, str | None, str | None], ...]
    """Axis distribution, installed version, version of the set."""
    rung: Rung
    failed: tuple[str, ...] = ()
    """Checks and probes that failed."""

    @property
    def rank(self) -> tuple[object, ...]:
        """Sorts best last: rung, gaps, conditions, doubts, distance, freshness."""
        doubts = sum(1 for _, weight, _ in self.candidate.traps if weight != "broken")
        return (
            self.rung.order,
            -len(self.candidate.untried),
            -len(self.candidate.conditions),
            -len(self.unknown),
            -doubts,
            not self.candidate.is_preview,
            -len(self.changes),
            self.candidate.as_of,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """What comes of an ask."""

    choices: tuple[Choice, ...]
    """Best first; empty where nothing meets everything."""
    considered: int
    collisions: tuple[tuple[str, ...], ...] = ()
    """Smallest groups of conditions that no set meets together."""
    nearest: tuple[Choice, ...] = ()
    """Sets that miss the fewest, best first."""


def recommend(ask: Ask, candidates: Sequence[Candidate], *, limit: int = 3) -> Recommendation:
    """Return the best sets for *ask*, or what collides and what comes nearest."""
    conditions = conditions_of(ask)
    fitting = [
        each for each in candidates if not any(asked.holds(each) is False for asked in conditions)
    ]
    if fitting:
        chosen = _best(fitting, ask, conditions, limit=limit)
        return Recommendation(choices=chosen, considered=len(candidates))
    misses: dict[frozenset[int], list[Candidate]] = {}
    for each in candidates:
        missed = frozenset(
            number for number, asked in enumerate(conditions) if asked.holds(each) is False
        )
        misses.setdefault(missed, []).append(each)
    fewest = min(map(len, misses), default=0)
    near = [each for missed, found in misses.items() if len(missed) == fewest for each in found]
    groups = _collisions([frozenset(each) for each in misses], len(conditions))
    steps = _steps(ask.wants, candidates)
    return Recommendation(
        choices=(),
        considered=len(candidates),
        collisions=tuple(tuple(conditions[n].label for n in sorted(each)) for each in groups),
        nearest=_best(near, ask, conditions, limit=limit, steps=steps),
    )


def _steps(
    wants: Sequence[Requirement], candidates: Sequence[Candidate]
) -> Callable[[Candidate], int]:
    """Return a function that says how many releases a set is away from the pinned wants."""
    places: dict[str, dict[str, int]] = {}
    for want in wants:
        name = canonicalize_name(want.name)
        pinned = [each.version for each in want.specifier if each.operator == "=="]
        known = {each.versions[name] for each in candidates if name in each.versions}
        if len(pinned) == 1 and not pinned[0].endswith("*"):
            order = sorted({*known, pinned[0]}, key=Version)
            at = order.index(pinned[0])
            places[name] = {text: abs(order.index(text) - at) for text in order}

    def steps(candidate: Candidate) -> int:
        return sum(
            near.get(candidate.versions.get(name, ""), len(near)) for name, near in places.items()
        )

    return steps


def conditions_of(ask: Ask) -> tuple[Condition, ...]:
    """Return everything a set must meet for *ask*, wants first.

    Raises:
        UsageError: If something to keep is not installed, or a limit is no version.
    """
    found = [_want(each) for each in ask.wants]
    for name in ask.keep:
        version = ask.installed.get(canonicalize_name(name))
        if version is None:
            raise UsageError(f"--keep {name}: it is not installed in that environment")
        found.append(_kept(canonicalize_name(name), version))
    if ask.engine is not None:
        engine = ask.engine
        found.append(Condition(label=f"engine {engine}", holds=lambda c: engine in c.versions))
    if ask.python is not None:
        found.append(
            Condition(label=f"Python {ask.python}", holds=lambda c: c.python == ask.python)
        )
    if ask.glibc is not None:
        most = _version(ask.glibc, "glibc")
        found.append(
            Condition(label=f"glibc {ask.glibc}", holds=lambda c: _parsed(c.glibc) <= most)
        )
    found += [*_cuda_conditions(ask), *_special_conditions(ask)]
    relevant = frozenset[str]().union(*(SPECIAL[key] for key in _left_out(ask)))
    found.append(Condition(label=WORKS, holds=lambda c: _works(c, without=relevant)))
    return tuple(found)


@functools.cache
def _parsed(text: str) -> Version:
    """Return the version; thousands of sets name the same few."""
    return Version(text)


def _want(requirement: Requirement) -> Condition:
    name = canonicalize_name(requirement.name)
    seen: dict[str, bool] = {}

    def holds(candidate: Candidate) -> bool | None:
        version = candidate.versions.get(name)
        if version is None:
            return None if candidate.cell_id is None and name not in AXES else False
        if version not in seen:
            seen[version] = requirement.specifier.contains(version)  # previews only where asked for
        return seen[version]

    return Condition(label=str(requirement), holds=holds)


def _kept(name: str, version: str) -> Condition:
    public = _version(version, name).public

    def holds(candidate: Candidate) -> bool | None:
        found = candidate.versions.get(name)
        if found is None:
            return None if candidate.cell_id is None and name not in AXES else False
        return found.partition("+")[0] == public

    return Condition(label=f"keep {name} {version}", holds=holds)


def _cuda_conditions(ask: Ask) -> list[Condition]:
    cuda: dict[str, str | None] = {}

    def cuda_of(candidate: Candidate) -> str | None:
        torch = candidate.versions.get("torch")
        if torch is not None and torch not in cuda:
            cuda[torch] = cuda_of_torch(torch)
        return cuda.get(torch or "")

    found = []
    if ask.driver is not None:
        driver = _version(ask.driver, "driver")

        def has_driver(candidate: Candidate) -> bool | None:
            least = least_driver(cuda_of(candidate))
            return None if least is None else _parsed(least) <= driver

        found.append(Condition(label=f"driver {ask.driver}", holds=has_driver))
    if ask.gpu is not None:
        capability = _version(GPUS.get(ask.gpu.lower(), ask.gpu), "gpu")

        def has_kernels(candidate: Candidate) -> bool | None:
            text = cuda_of(candidate)
            if text is None:
                return None
            if capability >= _BLACKWELL:
                return _parsed(text) >= _parsed("12.8")
            return capability >= _TURING or _parsed(text) < _parsed("13")

        found.append(Condition(label=f"GPU {ask.gpu}", holds=has_kernels))
    return found


def _special_conditions(ask: Ask) -> list[Condition]:
    wanted = [key for key in SPECIAL if key not in _left_out(ask)]

    def tried(key: str) -> Callable[[Candidate], bool | None]:
        def holds(candidate: Candidate) -> bool | None:
            told = [
                outcome
                for subject, (_, outcome) in (candidate.outcomes or {}).items()
                if subject in SPECIAL[key]
            ]
            return None if not told else "failed" not in told

        return holds

    return [Condition(label=key, holds=tried(key)) for key in wanted]


def _left_out(ask: Ask) -> tuple[str, ...]:
    kept = {ask.model, ask.trainer}
    return tuple(key for key in SPECIAL if key not in kept)


def _works(candidate: Candidate, *, without: frozenset[str]) -> bool:
    broken = any(weight == "broken" for _, weight, _ in candidate.traps)
    failed = any(
        outcome == "failed" and subject not in without
        for subject, (_, outcome) in (candidate.outcomes or {}).items()
    )
    return not broken and not failed


def _best(
    found: Sequence[Candidate],
    ask: Ask,
    conditions: Sequence[Condition],
    *,
    limit: int,
    steps: Callable[[Candidate], int] = lambda _: 0,
) -> tuple[Choice, ...]:
    """Return the best of *found*, one for each verl, engine and torch; fewest *steps* first."""
    chosen: dict[tuple[str | None, ...], Choice] = {}
    judged = [_judged(each, ask, conditions) for each in found]
    judged.sort(key=lambda choice: (-steps(choice.candidate), *choice.rank), reverse=True)
    for each in judged:
        versions = each.candidate.versions
        key = tuple(versions.get(name) for name in ("verl", "vllm", "sglang", "torch"))
        chosen.setdefault(key, each)
        if len(chosen) >= limit:
            break
    return tuple(chosen.values())


def _judged(candidate: Candidate, ask: Ask, conditions: Sequence[Condition]) -> Choice:
    answers = [(each.label, each.holds(candidate)) for each in conditions]
    passed = [
        Rung(rung) for rung, outcome in (candidate.outcomes or {}).values() if outcome == "passed"
    ]
    return Choice(
        candidate=candidate,
        unmet=tuple(label for label, answer in answers if answer is False),
        unknown=tuple(label for label, answer in answers if answer is None),
        changes=tuple(_changes(candidate, ask.installed)),
        failed=tuple(
            subject
            for subject, (_, outcome) in (candidate.outcomes or {}).items()
            if outcome == "failed"
        ),
        rung=max(passed, key=lambda rung: rung.order, default=Rung.RESOLVES),
    )


def _changes(
    candidate: Candidate, installed: Mapping[str, str]
) -> list[tuple[str, str | None, str | None]]:
    """Return the axis distributions that differ; an engine the set lacks has to go."""
    found: list[tuple[str, str | None, str | None]] = []
    for name in AXES if installed else ():
        before, after = installed.get(name), candidate.versions.get(name)
        leaves = after is None and before is not None and name in {"vllm", "sglang"}
        differs = after is not None and (before or "").partition("+")[0] != after.partition("+")[0]
        if leaves or differs:
            found.append((name, before, after))
    return found


def _collisions(misses: Sequence[frozenset[int]], count: int) -> list[frozenset[int]]:
    """Return the smallest groups of conditions of which every set misses at least one."""
    found: list[frozenset[int]] = []
    groups: list[frozenset[int]] = [frozenset()]
    for _ in range(count):
        groups = [
            group | {number}
            for group in groups
            for number in range(max(group, default=-1) + 1, count)
        ]
        found += [group for group in groups if all(group & missed for missed in misses)]
        if found or not groups:
            break
    return found[:_FEW]


def _version(text: str, what: str) -> Version:
    try:
        return Version(text)
    except InvalidVersion as error:
        hint = f"; or one of {', '.join(GPUS)}" if what == "gpu" else ""
        raise UsageError(f"{what} {text!r} is not a version like 2.35{hint}") from error
