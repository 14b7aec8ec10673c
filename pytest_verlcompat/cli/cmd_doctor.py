"""Judge an environment in a second: what will break, what is a risk, what is fine.

Nothing of the stack is imported; what is installed is read from its files. Released files that this
package knows are not parsed again; the answer is kept until something changes.
Exit status: 0 nothing will break; 1 something will.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_verlcompat.advise.advice import Level
from pytest_verlcompat.advise.doctor import find_advice
from pytest_verlcompat.advise.inventory import Depth, read_inventory
from pytest_verlcompat.advise.launch import read_launch
from pytest_verlcompat.advise.render_doctor import render_markdown, render_text, render_values

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``verlcompat doctor``."""
    parser.add_argument(
        "--python",
        type=Path,
        default=Path(sys.executable),
        metavar="PATH",
        help="interpreter of the environment to judge; this one by default",
    )
    parser.add_argument(
        "--launch",
        type=Path,
        metavar="SCRIPT",
        help="launch script; what it leans on is judged as well, and it is not run",
    )
    parser.add_argument(
        "--snapshot",
        metavar="PATH|URL",
        help="published verdicts to compare with; those of this release by default",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="leave out verl's imports where no earlier look read them",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print everything found as JSON")
    form.add_argument("--markdown", action="store_true", help="print a block to paste")


def execute(args: argparse.Namespace) -> int:
    """Return 1 where something will break, 0 otherwise."""
    launch = read_launch(args.launch, environ=os.environ) if args.launch else None
    inventory = read_inventory(
        args.python,
        environ=os.environ,
        launch=launch,
        snapshot=args.snapshot,
        depth=Depth.QUICK if args.quick else Depth.FULL,
    )
    found = find_advice(inventory)
    if args.json:
        print(json.dumps(render_values(inventory, found), indent=2))
    elif args.markdown:
        print(render_markdown(inventory, found), end="")
    else:
        print(render_text(inventory, found), end="")
    return int(any(each.level is Level.BREAKS for each in found))
