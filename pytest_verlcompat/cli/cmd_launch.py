"""Read a training launch script and say what a verl release makes of its overrides.

  verlcompat launch train.sh --verl 0.9.1
  verlcompat launch --from 0.6.1 --to 0.9.1 train.sh

A shell script is read, never run; a YAML file or a list of overrides will do too. Exit
status 0 if nothing is refused, 1 if something is, another for errors.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_verlcompat.checks.launch_judge import LaunchReport, judge_script
from pytest_verlcompat.checks.launch_migration import Migration, migrate, migration_diff
from pytest_verlcompat.checks.launch_releases import engine_for, history_before
from pytest_verlcompat.checks.launch_script import load_script
from pytest_verlcompat.cli.launch_output import as_json, as_text, migration_text
from pytest_verlcompat.errors import UsageError
from pytest_verlcompat.wheels.cache import MemberCache, default_cache_folder
from pytest_verlcompat.wheels.config_store import read_config
from pytest_verlcompat.wheels.index import IndexClient
from pytest_verlcompat.wheels.surface_store import FactsStore

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("script", type=Path, help="shell script, YAML file or list of overrides")
    parser.add_argument("--verl", metavar="VERSION", help="release to judge the script by")
    parser.add_argument("--from", dest="old", metavar="VERSION", help="release it was written for")
    parser.add_argument("--to", dest="new", metavar="VERSION", help="release to take it to")
    parser.add_argument("--vllm", metavar="VERSION", help="engine release for environment lines")
    parser.add_argument("--heads", type=int, metavar="N", help="attention heads of the model")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def execute(args: argparse.Namespace) -> int:
    """Return 0 if nothing is refused, 1 if something is."""
    if (args.verl is None) == (args.old is None) or (args.old is None) != (args.new is None):
        raise UsageError("give --verl VERSION, or --from VERSION and --to VERSION")
    script = load_script(args.script)
    cache = MemberCache(default_cache_folder())
    store = FactsStore(IndexClient.configured(cache=cache, keeps_pages=True), cache=cache)
    target = args.verl or args.new
    history = history_before(store, target)
    facts = read_config(store, "verl", target)
    vllm, known = engine_for(store, target, chosen=args.vllm)
    report = judge_script(script, facts, history=history, vllm=vllm, known=known, heads=args.heads)
    moved = None
    if args.old is not None:
        moved = migrate(script, read_config(store, "verl", args.old), facts, history=history)
    for note in dict.fromkeys(store.client.notes):
        print(f"verlcompat: {note}", file=sys.stderr)
    _print(args, report, moved)
    return 1 if report.is_refused else 0


def _print(args: argparse.Namespace, report: LaunchReport, moved: Migration | None) -> None:
    if args.json:
        print(json.dumps(as_json(report, moved), indent=2, ensure_ascii=False))
        return
    print(as_text(report, path=args.script))
    if moved is not None:
        text = args.script.read_text(encoding="utf-8")
        print()
        print(migration_text(moved))
        print(migration_diff(moved, text, name=args.script.name), end="")
