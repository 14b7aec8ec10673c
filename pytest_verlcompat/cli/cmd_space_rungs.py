"""Judge names and symbols of every set of versions that the space resolved to, from wheels.

  verlcompat space-rungs                      both rungs of the whole space
  verlcompat space-rungs --rung imports --verl 0.6.1

Reads what the caches lack by byte ranges, installs nothing, writes reports/evidence/space/rungs/.
Lines about sets that were judged again are replaced. Exit status 0 when all were judged.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_verlcompat.checks.space_loads import SpaceLoads
from pytest_verlcompat.checks.surface_rungs import ENGINES, SpaceImports, judged_part
from pytest_verlcompat.errors import UsageError
from pytest_verlcompat.resolve.ledger import Ledger
from pytest_verlcompat.resolve.question import Resolution
from pytest_verlcompat.store.space_rungs import FOLDER, save_space_rungs
from pytest_verlcompat.wheels.cache import MemberCache, default_cache_folder
from pytest_verlcompat.wheels.index import IndexClient
from pytest_verlcompat.wheels.surface_store import FactsStore

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from pytest_verlcompat.resolve.ledger import Fact
    from pytest_verlcompat.store.space_rungs import RungFact

SPACE = Path("reports", "evidence", "space")
_EVERY = 200


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--root", type=Path, default=Path(), help="checkout that holds reports/")
    parser.add_argument("--rung", action="append", choices=["imports", "loads"])
    parser.add_argument(
        "--verl", action="append", metavar="VERSION", help="only these releases of verl"
    )


def execute(args: argparse.Namespace) -> int:
    """Return 0 once every set of versions of the selection was judged."""
    started = time.monotonic()
    folder = args.root / SPACE
    facts = [
        fact for fact in Ledger(folder).facts() if not args.verl or fact.cell.verl in args.verl
    ]
    if not facts:
        raise UsageError("no cell of the space is known; see verlcompat space", where=str(folder))
    cache = MemberCache(default_cache_folder())
    store = FactsStore(IndexClient.configured(cache=cache, keeps_pages=True), cache=cache)
    judged: list[RungFact] = []
    if "imports" in (args.rung or ["imports"]):
        judged += _imports(facts, store)
    if "loads" in (args.rung or ["loads"]):
        judged += _loads(facts, store)
    changed = save_space_rungs(judged, folder / FOLDER)
    for note in dict.fromkeys(store.client.notes):
        print(f"verlcompat: {note}", file=sys.stderr)
    transport = store.client.transport
    print(
        f"{len(judged)} lines, {len(changed)} files changed, {time.monotonic() - started:.0f} s, "
        f"{transport.requests_sent} requests, {transport.bytes_read} bytes read"
    )
    return 0


def _imports(facts: Sequence[Fact], store: FactsStore) -> list[RungFact]:
    sets = {
        judged_part({"verl": fact.cell.verl, fact.cell.engine: fact.cell.release}) for fact in facts
    }
    sets |= {judged_part(f.axes) for f in facts if f.resolution is Resolution.RESOLVED}
    space = SpaceImports(store, sets)
    return list(space.judge(tell=lambda count: _tell(count, space.count)))


def _loads(facts: Sequence[Fact], store: FactsStore) -> list[RungFact]:
    pairs = {
        (engine, fact.axes[engine], fact.axes["torch"])
        for fact in facts
        for engine in ENGINES
        if engine in fact.axes and "torch" in fact.axes
    }
    return list(SpaceLoads(store).judge(pairs))


def _tell(count: int, total: int) -> None:
    if count % _EVERY == 0:
        print(f"{count} of {total} sets", file=sys.stderr, flush=True)
