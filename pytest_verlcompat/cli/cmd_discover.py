"""Read new releases of verl, vLLM and SGLang from the index into matrix/axes/.

Exit status 0 whether or not anything is new; another one if the index does not answer. The
summary of what is new, in Markdown, goes to standard output or to --summary.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_verlcompat.matrix.load import load_axis
from pytest_verlcompat.resolve.axis_file import Change, refresh, render_summary
from pytest_verlcompat.resolve.discover import FLOORS, find_releases, read_pins
from pytest_verlcompat.resolve.space import GLIBCS, Form, When
from pytest_verlcompat.wheels.cache import MemberCache, default_cache_folder
from pytest_verlcompat.wheels.index import IndexClient
from pytest_verlcompat.wheels.settings import find_index_settings

if TYPE_CHECKING:
    import argparse

    from pytest_verlcompat.model.axis import Axis


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--root", type=Path, default=Path(), help="checkout that holds matrix/")
    parser.add_argument("--summary", type=Path, help="write the Markdown summary there")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit status 1 if something is new"
    )


def execute(args: argparse.Namespace) -> int:
    """Return 0, or 1 under ``--check`` when an axis file is out of date."""
    import os  # noqa: PLC0415 -- the environment is read here and nowhere else

    members = MemberCache(default_cache_folder())
    client = IndexClient(find_index_settings(os.environ).urls[:1], cache=members)
    changes: list[Change] = []
    out_of_date = False
    for name, floor in FLOORS.items():
        path = args.root / "matrix" / "axes" / f"{name}.toml"
        text, change = discover_axis(load_axis(path), client, floor=floor)
        changes.append(change)
        is_news = text != path.read_text(encoding="utf-8")
        out_of_date = out_of_date or is_news
        if is_news and not args.check:
            path.write_text(text, encoding="utf-8")
    day = dt.datetime.now(dt.timezone.utc).date()
    summary = render_summary(changes, day=day, cells=_cells_per_release(args.root))
    if args.summary:
        args.summary.write_text(summary, encoding="utf-8")
    else:
        print(summary, end="")
    print(
        f"{client.transport.requests_sent} requests, {client.transport.bytes_read} bytes",
        file=sys.stderr,
    )
    members.close()
    return int(args.check and out_of_date)


def _cells_per_release(root: Path) -> dict[str, int]:
    """Return how many cells of the space one more release of each axis makes."""
    axes = {name: load_axis(root / "matrix" / "axes" / f"{name}.toml") for name in FLOORS}
    counts = {name: len(axis.values) for name, axis in axes.items()}
    each_way = len(load_axis(root / "matrix" / "axes" / "python.toml").values)
    each_way *= len(GLIBCS) * len(Form) * len(When)
    engines = sum(count for name, count in counts.items() if name != "verl")
    return {name: each_way * (engines if name == "verl" else counts["verl"]) for name in counts}


def discover_axis(axis: Axis, client: IndexClient, *, floor: str) -> tuple[str, Change]:
    """Return the new text of *axis* and what changed; only new values have metadata read."""
    found = find_releases(client, axis.name, floor=floor)
    known = {value.text for value in axis.values if "pins" in (value.facts or {})}
    wanted = [each.version for each in found if each.version not in known]
    read = read_pins(client, axis.name, wanted)
    unread = {version: why for version, why in read.items() if isinstance(why, str)}
    complete = []
    for each in found:
        told = read.get(each.version)
        if isinstance(told, tuple):
            complete.append(dataclasses.replace(each, pins=told[0], extras=told[1]))
        else:
            complete.append(each)
    return refresh(axis, complete, unread=unread)
