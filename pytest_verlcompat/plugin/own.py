"""The repository's own sources as checks of ``pytest --verlcompat``, beside those of the stack."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from typing import TYPE_CHECKING

from pytest_verlcompat.checks.installed import IMPORT_CODE, InstalledCheck
from pytest_verlcompat.checks.own_sources import (
    OwnSources,
    find_scripts,
    find_shadowed,
    find_sources,
    sources_sha256,
)
from pytest_verlcompat.errors import UsageError
from pytest_verlcompat.model.names import normalize
from pytest_verlcompat.model.outcome import Outcome, Rung

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from pytest_verlcompat.checks.import_surface import CellSurface
    from pytest_verlcompat.checks.surface_environment import Environment
    from pytest_verlcompat.model.evidence import Evidence
    from pytest_verlcompat.model.machine import Machine
    from pytest_verlcompat.plugin.configuration import Configuration
    from pytest_verlcompat.plugin.stack import VerlStack

_OWN = "own_"
_CODE = ("checks/own_*.py", *IMPORT_CODE)


def find_own_checks(
    root: Path, configuration: Configuration, stack: VerlStack
) -> Iterator[InstalledCheck]:
    """Yield the checks of the repository at *root*: none where it does not use the stack.

    Raises:
        UsageError: If a release to judge against is not named as ``vllm==0.12.0``.
    """
    against = [each for text in configuration.against for each in parse_releases(text)]
    sources = find_sources(root, configuration.sources)
    if sources.tops and sources.use_the_stack:
        environment = _environment(stack)
        yield _check(
            "own_imports",
            f"every name that {sources.name} imports exists in what is installed",
            read=functools.partial(_read_installed, sources=sources, environment=environment),
        )
        for releases in against:
            named = " ".join(f"{name}=={version}" for name, version in releases.items())
            yield _check(
                f"own_imports[{named}]",
                f"every name that {sources.name} imports exists with {named}",
                read=functools.partial(
                    _read_against, sources=sources, environment=environment, releases=releases
                ),
            )
    if "verl" in stack.versions:
        scripts = find_scripts(root, configuration.launch_scripts)
        if scripts:
            yield _check(
                "own_launch_scripts",
                "the installed verl takes every override of the launch scripts",
                read=functools.partial(
                    _read_scripts, root=root, scripts=scripts, environment=_environment(stack)
                ),
            )


def is_own(record: Evidence) -> bool:
    """Return whether *record* judges the repository's sources, and so not the stack."""
    return record.subject.startswith(_OWN)


def parse_releases(text: str) -> list[dict[str, str]]:
    """Return each set of releases that *text* names.

    ``vllm==0.12.0,0.13.0`` are two; ``vllm==0.12.0 transformers==5.0.0`` is one of both.

    Raises:
        UsageError: If it names no releases.
    """
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.version import InvalidVersion, Version

    choices: list[list[tuple[str, str]]] = []
    for word in text.split():
        name, equals, versions = word.partition("==")
        try:
            Requirement(name)
            found = [(normalize(name), str(Version(v))) for v in versions.split(",")]
        except (InvalidRequirement, InvalidVersion) as error:
            raise UsageError(
                f"{word!r} names no releases; write vllm==0.12.0,0.13.0", where="against"
            ) from error
        if not equals:
            raise UsageError(f"{word!r}: pin releases with ==", where="against")
        choices.append(found)
    if not choices:
        raise UsageError("names no release", where="against")
    return [dict(each) for each in itertools.product(*choices)]


def _check(name: str, title: str, *, read: Callable[[Path, Machine], Evidence]) -> InstalledCheck:
    return InstalledCheck(
        name=name, title=title, rung=Rung.IMPORTS, distributions=(), code=_CODE, read=read
    )


def _environment(stack: VerlStack) -> Environment:
    """Return the folders of *stack* in the order in which they are imported from."""
    from pytest_verlcompat.checks.surface_environment import Environment

    folders = tuple(each for each in stack.folders if next(each.glob("*.dist-info"), None))
    major, minor = stack.interpreter.rpartition(" ")[2].split(".")[:2]
    return Environment(
        folders=folders, python=(int(major), int(minor)), versions=dict(stack.versions)
    )


def _read_installed(
    python: Path, machine: Machine, *, sources: OwnSources, environment: Environment
) -> Evidence:
    del python  # its folders are known
    from pytest_verlcompat.checks.own_imports import judge_installed

    record = _evidence(judge_installed(sources, environment), machine, sources=sources)
    shadowed = find_shadowed(sources, environment.folders)
    if not shadowed:
        return record
    said = (
        f"installed too: {', '.join(shadowed)}; which one is imported depends on the order of "
        "sys.path"
    )
    both = f"{record.condition}; {said}" if record.condition else said
    return dataclasses.replace(record, condition=both)


def _read_against(
    python: Path,
    machine: Machine,
    *,
    sources: OwnSources,
    environment: Environment,
    releases: Mapping[str, str],
) -> Evidence:
    del python
    from pytest_verlcompat.checks.own_imports import judge_against
    from pytest_verlcompat.wheels.cache import MemberCache, default_cache_folder
    from pytest_verlcompat.wheels.index import IndexClient
    from pytest_verlcompat.wheels.surface_store import FactsStore

    cache = MemberCache(default_cache_folder())
    store = FactsStore(IndexClient.configured(cache=cache), cache=cache)
    surface = judge_against(sources, environment, releases=releases, store=store)
    return _evidence(surface, machine, sources=sources)


def _read_scripts(
    python: Path, machine: Machine, *, root: Path, scripts: list[Path], environment: Environment
) -> Evidence:
    del python
    from pytest_verlcompat.checks.own_launch import judge_scripts
    from pytest_verlcompat.model.cause import Cause

    blank = _blank(machine)
    found = judge_scripts(scripts, environment, root=root)
    facts = {"scripts": found}
    lines = [f"{name}: {line}" for name, each in found.items() for line in each]
    refused = [line for line in lines if ": not judged: " not in line]
    if not refused:
        return dataclasses.replace(blank, facts=facts)
    cause = Cause(kind="refused", first_line=refused[0], detail="\n".join(lines))
    return dataclasses.replace(blank, outcome=Outcome.FAILED, facts=facts, cause=cause)


def _evidence(surface: CellSurface, machine: Machine, *, sources: OwnSources) -> Evidence:
    from pytest_verlcompat.checks.import_evidence import evidence_of
    from pytest_verlcompat.checks.own_imports import find_lines, of_the_stack
    from pytest_verlcompat.model.finding import Weight

    surface = of_the_stack(surface)
    record = evidence_of(surface, cell_id=None, machine=machine, duration_s=0.0)
    facts = {**record.facts, "sources_sha256": sources_sha256(sources)}
    broken = find_lines(surface, Weight.BROKEN)
    called = find_lines(surface, Weight.SUSPECT)
    lines = [*broken, *(f"{line} (when it is called)" for line in called)]
    if record.cause is not None:
        cause = dataclasses.replace(record.cause, detail="\n".join(lines))
        return dataclasses.replace(record, facts=facts, cause=cause)
    more = f" (and {len(called) - 1} more)" if len(called) > 1 else ""
    said = f"what a function wants is missing: {called[0]}{more}" if called else None
    return dataclasses.replace(record, facts=facts, condition=said)


def _blank(machine: Machine) -> Evidence:
    from pytest_verlcompat import __version__
    from pytest_verlcompat.model.evidence import Evidence
    from pytest_verlcompat.model.outcome import Ending
    from pytest_verlcompat.process.clock import timestamp

    return Evidence(
        cell_id=None,
        subject="",
        rung=Rung.IMPORTS,
        outcome=Outcome.PASSED,
        ending=Ending.NOT_STARTED,
        started_at=timestamp(),
        duration_s=0.0,
        machine=machine,
        harness=__version__,
    )
