"""Judge any pair of releases by what their wheels say, installed nowhere.

  verlcompat check 'verl==0.6.0' 'vllm==0.8.5'
  verlcompat check --source . 'vllm==0.12.0' 'vllm==0.13.0'
  verlcompat check --source . --python .venv/bin/python

A distribution that is named with several releases makes a cell of each of them.

Exit status 0 if compatible as far as the rungs tried can say, 1 if not, another for errors.
Environment variables are taken as unset and the platform as Linux with CUDA.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from pytest_verlcompat.checks.import_evidence import evidence_of
from pytest_verlcompat.checks.own_imports import judge_consumer
from pytest_verlcompat.checks.surface_environment import find_environment, read_consumer
from pytest_verlcompat.checks.surface_explain import explain
from pytest_verlcompat.checks.surface_source import judge_releases, read_source
from pytest_verlcompat.cli.check_loads import Loaded, judge_loads
from pytest_verlcompat.cli.check_output import SCHEMA_VERSION, as_json, as_text
from pytest_verlcompat.cli.check_resolve import Resolved, resolve_pair
from pytest_verlcompat.errors import UsageError
from pytest_verlcompat.process.inventory import describe_machine
from pytest_verlcompat.store.jsonl import append
from pytest_verlcompat.wheels.cache import MemberCache, default_cache_folder
from pytest_verlcompat.wheels.index import IndexClient
from pytest_verlcompat.wheels.surface_store import FactsStore

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from pytest_verlcompat.checks.import_surface import CellSurface
    from pytest_verlcompat.wheels.surface_facts import Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One cell and its three rungs."""

    surface: CellSurface
    resolved: Resolved
    loaded: Loaded

    @property
    def is_broken(self) -> bool:
        """Whether some rung failed."""
        return self.surface.is_broken or "failed" in {self.resolved.state, self.loaded.state}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("requirement", nargs="*", help="release, such as 'verl==0.6.0'")
    parser.add_argument("--source", type=Path, metavar="DIR", help="judge this source tree instead")
    parser.add_argument("--python", type=Path, metavar="PATH", help="judge this environment")
    parser.add_argument("--role", help="judge one role only, such as vllm-async")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--all", action="store_true", help="list suspects and undecided too")
    parser.add_argument(
        "--no-ranges", action="store_true", help="do not look where else a missing name is"
    )
    parser.add_argument(
        "--no-resolve", action="store_true", help="leave rung one, the resolver, untested"
    )
    parser.add_argument(
        "--no-loads", action="store_true", help="leave rung three, the symbols, untested"
    )
    parser.add_argument("--evidence", type=Path, metavar="FILE", help="append a record to FILE")


def execute(args: argparse.Namespace) -> int:
    """Return 0 if every cell is compatible as far as tried, 1 if one is not."""
    started = time.monotonic()
    cells = [_judge_environment(args)] if args.python is not None else _judge_releases(args)
    for cell in cells:
        if not cell.surface.roles:
            raise UsageError(
                f"{cell.surface.consumer.label} has no role that these releases take part in"
                + (f" called {args.role!r}" if args.role else "")
            )
    duration_s = time.monotonic() - started
    if args.evidence is not None:
        for cell in cells:
            record = evidence_of(
                cell.surface, cell_id=None, machine=describe_machine(), duration_s=duration_s
            )
            append(record, path=args.evidence)
    _print(cells, args)
    return int(any(cell.is_broken for cell in cells))


def _print(cells: Sequence[Checked], args: argparse.Namespace) -> None:
    if args.json:
        bodies = [as_json(cell.surface, cell.resolved, cell.loaded) for cell in cells]
        one = len(bodies) == 1
        body = bodies[0] if one else {"schema_version": SCHEMA_VERSION, "cells": bodies}
        print(json.dumps(body, indent=2, ensure_ascii=False))
        return
    texts = (
        as_text(cell.surface, cell.resolved, cell.loaded, everything=args.all) for cell in cells
    )
    print("\n\n".join(texts))


def _judge_environment(args: argparse.Namespace) -> Checked:
    environment = find_environment(args.python)
    if args.source is not None:
        consumer = read_source(args.source)
    else:
        named = [_parse(text)[0] for text in args.requirement] or ["verl"]
        consumer = read_consumer(environment, named[0])
    return Checked(
        surface=judge_consumer(consumer, environment, role=args.role),
        resolved=Resolved(state="untested", reason="an environment is judged as it is"),
        loaded=Loaded(state="untested", reason="verlcompat abi --python judges an environment"),
    )


def _judge_releases(args: argparse.Namespace) -> list[Checked]:
    cache = MemberCache(default_cache_folder())
    store = FactsStore(IndexClient.configured(cache=cache, keeps_pages=True), cache=cache)
    pins = [_pinned(text, store) for text in args.requirement]
    consumer, rest = _consumer_of(args, pins, store)
    if not rest:
        raise UsageError("name at least one release to judge against, such as 'vllm==0.11.0'")
    found = []
    for surface in judge_releases(consumer, rest, store=store, role=args.role):
        versions = {each.distribution: each.version for each in surface.providers}
        found.append(
            Checked(
                surface=surface if args.no_ranges else explain(surface, store),
                resolved=_resolve(surface, args),
                loaded=_load(versions, store, args),
            )
        )
    for note in dict.fromkeys([*store.client.notes, *store.fallbacks]):
        print(f"verlcompat: {note}", file=sys.stderr)
    return found


def _load(versions: Mapping[str, str], store: FactsStore, args: argparse.Namespace) -> Loaded:
    if args.no_loads:
        return Loaded(state="untested", reason="--no-loads")
    return judge_loads(store, versions)


def _resolve(surface: CellSurface, args: argparse.Namespace) -> Resolved:
    if args.no_resolve:
        return Resolved(state="untested", reason="--no-resolve")
    if args.source is not None:
        return Resolved(state="untested", reason="a source tree is not resolved")
    typed = {_parse(text): text for text in args.requirement}  # with the extras
    wanted = [(each.distribution, each.version) for each in (surface.consumer, *surface.providers)]
    return resolve_pair([typed.get(pin, "==".join(pin)) for pin in wanted])


def _consumer_of(
    args: argparse.Namespace, pins: list[tuple[str, str]], store: FactsStore
) -> tuple[Facts, list[tuple[str, str]]]:
    """Return what imports, and the pins of what it imports from."""
    if args.source is not None:
        return read_source(args.source), pins
    if not pins:
        raise UsageError("name two releases, such as 'verl==0.6.0' 'vllm==0.8.5'")
    first = next((pin for pin in pins if pin[0] == "verl"), pins[0])
    return store.consumer(*first), [pin for pin in pins if pin is not first]


def _parse(text: str) -> tuple[str, str | None]:
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise UsageError(f"{text!r} is not a requirement; write name==version") from error
    pins = [each.version for each in requirement.specifier if each.operator in {"==", "==="}]
    if len(requirement.specifier) != len(pins) or len(pins) > 1:
        raise UsageError(f"{text!r} names a range; pin one release with ==")
    return canonicalize_name(requirement.name), pins[0] if pins else None


def _pinned(text: str, store: FactsStore) -> tuple[str, str]:
    name, version = _parse(text)
    if version is not None:
        return name, version
    versions = store.versions(name)
    if not versions:
        raise UsageError(f"the index has no wheel of {name}")
    return name, str(versions[-1])
