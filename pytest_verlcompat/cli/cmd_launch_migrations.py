"""List what the example scripts of earlier releases need to start under a release of verl.

  mkdir -p examples/0.6.1 && git archive v0.6.1 examples | tar x -C examples/0.6.1
  verlcompat launch-migrations examples --to 0.9.1

The folder holds one folder a release. Scripts are read, never run. Writes launch_migrations.md
and launch_migrations.jsonl; exit status 0, or an error's.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from pytest_verlcompat.checks.launch_list import Target, as_record, list_changes, render_changes
from pytest_verlcompat.checks.launch_releases import engine_for, history_before
from pytest_verlcompat.errors import UsageError
from pytest_verlcompat.wheels.cache import MemberCache, default_cache_folder
from pytest_verlcompat.wheels.config_store import read_config
from pytest_verlcompat.wheels.index import IndexClient
from pytest_verlcompat.wheels.surface_store import FactsStore

if TYPE_CHECKING:
    import argparse

    from pytest_verlcompat.checks.launch_list import Change

_NAME = "launch_migrations"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("examples", type=Path, help="folder with one folder of scripts a release")
    parser.add_argument("--to", dest="new", required=True, metavar="VERSION")
    parser.add_argument(
        "--output", type=Path, default=Path("reports", "space"), help="default: reports/space"
    )


def execute(args: argparse.Namespace) -> int:
    """Return 0 once both files are written."""
    releases = _releases(args.examples)
    cache = MemberCache(default_cache_folder())
    store = FactsStore(IndexClient.configured(cache=cache, keeps_pages=True), cache=cache)
    vllm, known = engine_for(store, args.new)
    target = Target(
        facts=read_config(store, "verl", args.new),
        history=history_before(store, args.new),
        vllm=vllm,
        known=known,
    )
    changes: list[Change] = []
    for folder in releases:
        old = read_config(store, "verl", folder.name)
        found, unread = list_changes(folder.rglob("*.sh"), root=folder, old=old, target=target)
        changes += found
        for sentence in unread:
            print(f"verlcompat: not read: {sentence}", file=sys.stderr)
    args.output.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(as_record(each, new=args.new), ensure_ascii=False) for each in changes]
    (args.output / f"{_NAME}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    command = f"verlcompat launch-migrations EXAMPLES --to {args.new}"
    text = render_changes(changes, new=args.new, command=command)
    (args.output / f"{_NAME}.md").write_text(text, encoding="utf-8")
    print(f"{len(changes)} changes of {len(releases)} releases")
    return 0


def _releases(folder: Path) -> list[Path]:
    """Return the folders of releases, oldest first."""
    found = [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
    try:
        ordered = sorted(found, key=lambda path: Version(path.name))
    except InvalidVersion as error:
        raise UsageError(
            "holds a folder that is not named like a release, such as 0.6.1", where=str(folder)
        ) from error
    if not ordered:
        raise UsageError("holds no folders named like releases, such as 0.6.1", where=str(folder))
    return ordered
