"""Check records that somebody offers, before they are merged; writes nothing.

A file is acceptable if each line is a record of a declared cell under its present lock, by the
present code of a probe or check, not from the future, skipped only for a named lack, and holds
no secret, home or user; and if its signature, where it has one, is of somebody who may sign.
Exit status 0 if every file is, 1 if not (each reason is a line), 19 for a bad signature.
"""

from __future__ import annotations

import datetime as dt
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_verlcompat.checks.installed import list_checks
from pytest_verlcompat.cli.signers import add_signers, check_files, describe, find_signers
from pytest_verlcompat.execute.submission import find_faults, make_rules
from pytest_verlcompat.execute.workspace import find_workspace
from pytest_verlcompat.matrix.load import load_matrix
from pytest_verlcompat.probes.registry import list_probes
from pytest_verlcompat.store.signatures import check_batch

if TYPE_CHECKING:
    import argparse

_SHOWN = 50


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("file", nargs="+", type=Path, help="JSON Lines, its signature beside it")
    add_signers(parser)
    parser.add_argument(
        "--require-signature", action="store_true", help="refuse records that nobody signed"
    )
    parser.add_argument("--root", type=Path, default=Path.cwd(), help="the checkout to work in")


def execute(args: argparse.Namespace) -> int:
    """Return 0 if every record may be merged, 1 if not."""
    check_files(args.file)
    workspace = find_workspace(args.root.resolve())
    allowed = find_signers(args, workspace)
    rules = make_rules(
        load_matrix(workspace.matrix),
        subjects={
            **{check.name: (check.rung, check.sha256) for check in list_checks()},
            **{probe.name: (probe.rung, probe.sha256) for probe in list_probes()},
        },
        now=dt.datetime.now(dt.timezone.utc),
    )
    faults = 0
    for path in args.file:
        batch = check_batch(path, allowed_signers=allowed)
        print(describe(batch))
        found = find_faults(path, rules)
        for text in islice(found, _SHOWN):
            faults += 1
            print(f"refused: {text}")
        if more := sum(1 for _ in found):
            faults += more
            print(f"refused: {more} more")
        if args.require_signature and batch.signer is None:
            faults += 1
            print(f"refused: {path.name}: nobody who may sign did; see verlcompat sign")
    print("acceptable" if not faults else f"{faults} faults; nothing was merged")
    return 1 if faults else 0
