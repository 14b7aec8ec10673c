"""Judge names and symbols of every set of versions that the space resolved to, from wheels.

  verlcompat space-rungs                      both rungs of the whole space
  verlcompat space-rungs --rung imports --verl 0.6.1
  verlcompat space-rungs --outlines pytest_verlcompat/wheels/data/outlines.bin

The last judges nothing: it writes what the doctor need not parse again of the releases that the
locks of declared cells pin.
Reads what the caches lack by byte ranges, installs nothing, writes reports/evidence/space/rungs/.
Lines about sets that were judged again are replaced. Exit status 0 when all were judged.
"""

from __future__ import annotations

import re
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
from pytest_verlcompat.wheels.outlines import render_known
from pytest_verlcompat.wheels.released import known_exports, known_outlines
from pytest_verlcompat.wheels.surface_store import FactsStore

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from pytest_verlcompat.checks.surface_rungs import Versions
    from pytest_verlcompat.resolve.ledger import Fact
    from pytest_verlcompat.store.space_rungs import RungFact

SPACE = Path("reports", "evidence", "space")
_EVERY = 200
_PIN = re.compile(r"^([a-z0-9-]+)==([^\s;\\]+)", re.MULTILINE)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--root", type=Path, default=Path(), help="checkout that holds reports/")
    parser.add_argument("--rung", action="append", choices=["imports", "loads"])
    parser.add_argument(
        "--verl", action="append", metavar="VERSION", help="only these releases of verl"
    )
    parser.add_argument(
        "--outlines", type=Path, metavar="FILE", help="write the outlines of locked releases"
    )


def execute(args: argparse.Namespace) -> int:
    """Return 0 once every set of versions of the selection was judged."""
    started = time.monotonic()
    cache = MemberCache(default_cache_folder())
    store = FactsStore(IndexClient.configured(cache=cache, keeps_pages=True), cache=cache)
    if args.outlines is not None:
        return _write_outlines(args.outlines, args.root / "matrix" / "locks", store)
    folder = args.root / SPACE
    facts = [
        fact for fact in Ledger(folder).facts() if not args.verl or fact.cell.verl in args.verl
    ]
    if not facts:
        raise UsageError("no cell of the space is known; see verlcompat space", where=str(folder))
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


def _write_outlines(path: Path, locks: Path, store: FactsStore) -> int:
    space = SpaceImports(store, _locked_sets(locks))
    releases = [*space.consumers.values(), *(f for of in space.facts.values() for f in of.values())]
    known = (each for release in releases for each in known_outlines(release, store))
    exports = (each for release in releases for each in known_exports(release, store))
    body = render_known(known, exports)
    path.write_bytes(body)
    print(f"{len(releases)} releases, {len(body)} bytes")
    return 0


def _locked_sets(locks: Path) -> set[Versions]:
    texts = (path.read_text("utf-8") for path in sorted(locks.glob("*/requirements.txt")))
    pinned = (dict(_PIN.findall(text)) for text in texts)
    return {judged_part(versions) for versions in pinned if "verl" in versions}


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
