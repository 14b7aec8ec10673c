"""Check, unpack and probe a cell that was carried here; needs no network.

Exit status 0 if no probe failed, 1 if one did. Evidence goes to a file that is carried back
and taken in there with: verlcompat merge FILE
"""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.version import Version

from pytest_verlcompat.execute.unbundle import Unbundled, open_bundle, run_probes
from pytest_verlcompat.model.outcome import Outcome
from pytest_verlcompat.probes.registry import find_probes, list_probes
from pytest_verlcompat.process.inventory import describe_machine

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("folder", type=Path, help="where manifest and pieces are")
    parser.add_argument(
        "--into", type=Path, help="folder of the environment (default: <folder>/environment)"
    )
    parser.add_argument(
        "--python",
        type=Path,
        default=Path(sys.executable),
        metavar="PATH",
        help="the target's Python (default: the one that runs this)",
    )
    parser.add_argument(
        "--probe", action="append", default=[], metavar="NAME", help="run this probe only"
    )
    parser.add_argument(
        "--evidence",
        type=Path,
        metavar="FILE",
        help="records of what was run (default: <folder>/evidence.jsonl)",
    )
    parser.add_argument("--again", action="store_true", help="run what has current evidence too")
    parser.add_argument("--no-run", action="store_true", help="unpack, and run nothing")


def execute(args: argparse.Namespace) -> int:
    """Return 0 if no probe failed, 1 if one did."""
    folder = args.folder.resolve()
    probes = find_probes(args.probe, probes=list_probes()) if args.probe else list_probes()
    bundle = open_bundle(
        folder,
        into=(args.into or folder / "environment").resolve(),
        python=args.python if args.python.is_absolute() else Path.cwd() / args.python,
        say=_say,
    )
    _print_head(bundle)
    if args.no_run:
        return 0
    evidence = (args.evidence or folder / "evidence.jsonl").resolve()
    records = run_probes(
        bundle,
        probes,
        machine=describe_machine(),
        evidence=evidence,
        again=args.again,
        say=_say,
    )
    counts = [
        f"{sum(each.outcome is outcome for each in records)} {outcome.value}" for outcome in Outcome
    ]
    print(f"{', '.join(counts)}; evidence: {evidence}")
    return 1 if any(each.outcome is Outcome.FAILED for each in records) else 0


def _print_head(bundle: Unbundled) -> None:
    manifest = bundle.manifest
    libc, version = platform.libc_ver()
    wanted = manifest.platform.rpartition("manylinux_")[2].replace("_", ".")
    if libc != "glibc" or Version(version) < Version(wanted):
        _say(f"here is {libc} {version}; files of this cell may need glibc {wanted}")
    print(f"{manifest.cell_id}, {bundle.target.interpreter}, manifest sha256 {manifest.digest}")
    for name, version in bundle.target.versions.items():
        print(f"from the target: {name} {version}")
    if bundle.differing:
        print("the target differs from the lock, so the evidence names no cell:")
        for name, text in bundle.differing.items():
            print(f"  {name} {text}")


def _say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)
