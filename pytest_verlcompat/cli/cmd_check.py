"""Judge any pair of releases by what their wheels say, installed nowhere.

  verlcompat check 'verl==0.6.0' 'vllm==0.8.5'
  verlcompat check --source . 'transformers==5.0.0'
  verlcompat check --python .venv/bin/python

Exit status 0 if compatible as far as the rungs tried can say, 1 if not, another for errors.
Environment variables are taken as unset and the platform as Linux with CUDA.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from pytest_verlcompat.checks.import_evidence import evidence_of
from pytest_verlcompat.checks.import_surface import CellSurface, judge
from pytest_verlcompat.checks.surface_environment import (
    FilesBelow,
    find_environment,
    read_consumer,
    read_world,
)
from pytest_verlcompat.checks.surface_explain import explain
from pytest_verlcompat.checks.surface_reach import questions_about
from pytest_verlcompat.cli.check_loads import Loaded, judge_loads
from pytest_verlcompat.cli.check_output import as_json, as_text
from pytest_verlcompat.cli.check_resolve import Resolved, resolve_pair
from pytest_verlcompat.errors import UsageError
from pytest_verlcompat.process.inventory import describe_machine
from pytest_verlcompat.store.jsonl import append
from pytest_verlcompat.wheels.archive import InstalledTree
from pytest_verlcompat.wheels.cache import MemberCache, default_cache_folder
from pytest_verlcompat.wheels.index import IndexClient
from pytest_verlcompat.wheels.surface_collect import collect_consumer
from pytest_verlcompat.wheels.surface_store import FactsStore

if TYPE_CHECKING:
    import argparse

    from pytest_verlcompat.wheels.surface_facts import Facts


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
    """Return 0 if compatible as far as tried, 1 if not."""
    started = time.monotonic()
    if args.python is not None:
        surface = _judge_environment(args)
        resolved = Resolved(state="untested", reason="an environment is judged as it is")
        loaded = Loaded(state="untested", reason="verlcompat abi --python judges an environment")
    else:
        surface, store = _judge_releases(args)
        if not args.no_ranges:
            surface = explain(surface, store)
        for fallback in dict.fromkeys(store.fallbacks):
            print(f"verlcompat: {fallback}", file=sys.stderr)
        resolved = _resolve(args)
        loaded = _load(surface, store, args)
    if not surface.roles:
        raise UsageError(
            f"{surface.consumer.label} has no role that these releases take part in"
            + (f" called {args.role!r}" if args.role else "")
        )
    duration_s = time.monotonic() - started
    if args.evidence is not None:
        record = evidence_of(
            surface, cell_id=None, machine=describe_machine(), duration_s=duration_s
        )
        append(record, path=args.evidence)
    if args.json:
        print(json.dumps(as_json(surface, resolved, loaded), indent=2, ensure_ascii=False))
    else:
        print(as_text(surface, resolved, loaded, everything=args.all))
    failed = "failed" in {resolved.state, loaded.state}
    return 1 if surface.is_broken or failed else 0


def _load(surface: CellSurface, store: FactsStore, args: argparse.Namespace) -> Loaded:
    if args.no_loads:
        return Loaded(state="untested", reason="--no-loads")
    return judge_loads(store, {each.distribution: each.version for each in surface.providers})


def _resolve(args: argparse.Namespace) -> Resolved:
    if args.no_resolve:
        return Resolved(state="untested", reason="--no-resolve")
    if args.source is not None:
        return Resolved(state="untested", reason="a source tree is not resolved")
    return resolve_pair(args.requirement)


def _judge_environment(args: argparse.Namespace) -> CellSurface:
    environment = find_environment(args.python)
    if args.source is not None:
        consumer = _read_source(args.source)
    else:
        named = [_parse(text)[0] for text in args.requirement] or ["verl"]
        consumer = read_consumer(environment, named[0])
    world = read_world(environment, consumer)
    providers = tuple(facts for facts in world.members if facts is not consumer)
    return judge(consumer, providers, world=world, role=args.role)


def _judge_releases(args: argparse.Namespace) -> tuple[CellSurface, FactsStore]:
    cache = MemberCache(default_cache_folder())
    store = FactsStore(IndexClient.configured(cache=cache), cache=cache)
    pins = [_pinned(text, store) for text in args.requirement]
    consumer, rest = _consumer_of(args, pins, store)
    if not rest:
        raise UsageError("name at least one release to judge against, such as 'vllm==0.11.0'")
    providers = []
    for name, version in rest:
        beside = [consumer.distribution, *(other for other, _ in rest if other != name)]
        questions = questions_about(name, [consumer], [version], beside=beside)
        providers.append(store.provider(name, version, questions))
    return judge(consumer, providers, role=args.role), store


def _consumer_of(
    args: argparse.Namespace, pins: list[tuple[str, str]], store: FactsStore
) -> tuple[Facts, list[tuple[str, str]]]:
    """Return what imports, and the pins of what it imports from."""
    if args.source is not None:
        return _read_source(args.source), pins
    if not pins:
        raise UsageError("name two releases, such as 'verl==0.6.0' 'vllm==0.8.5'")
    first = next((pin for pin in pins if pin[0] == "verl"), pins[0])
    return store.consumer(*first), [pin for pin in pins if pin is not first]


def _read_source(folder: Path) -> Facts:
    if not folder.is_dir():
        raise UsageError("is not a folder", where=str(folder))
    root = folder / "src" if (folder / "src").is_dir() else folder
    name = folder.resolve().name
    if (root / "__init__.py").is_file():  # the package itself was named
        with InstalledTree(root.resolve().parent) as tree:
            below = FilesBelow(tree, root.resolve().name)
            facts = collect_consumer(below, distribution=name, version="")
    else:
        with InstalledTree(root) as tree:
            facts = collect_consumer(tree, distribution=name, version="")
    if not facts.outlines:
        raise UsageError("holds no Python modules", where=str(folder))
    return facts


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
