"""Name the best sets of versions for what is wanted, with reasons and the commands to get there.

  verlcompat recommend --want 'vllm==0.11.0' --want 'verl>=0.6'
  verlcompat recommend --for env/bin/python --keep torch --gpu h100
  verlcompat recommend --report doctor.json --engine sglang --trainer megatron

Exit status 0 if something meets everything; 1 if nothing does: then what collides, and what
comes nearest.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.requirements import InvalidRequirement, Requirement

from pytest_verlcompat.advise.recommend import Ask, recommend
from pytest_verlcompat.cli.recommend_output import as_json, as_text, commands_for
from pytest_verlcompat.cli.recommend_source import installed_of, read_index, why_not
from pytest_verlcompat.errors import UsageError
from pytest_verlcompat.execute.workspace import find_workspace

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("--want", action="append", default=[], metavar="REQUIREMENT", help="like 'verl>=0.6'")
    add("--engine", choices=["vllm", "sglang"], help="either, if not said")
    add("--model", choices=["text", "multimodal"], default="text", help="model family")
    add("--trainer", choices=["fsdp", "megatron"], default="fsdp", help="trainer backend")
    add("--python", metavar="3.12", help="minor version it has to be")
    add("--glibc", metavar="2.35", help="C library of the machine")
    add("--driver", metavar="570.86", help="NVIDIA driver of the machine")
    add("--gpu", metavar="NAME", help="device (h100) or its compute capability (9.0)")
    add("--keep", action="append", default=[], metavar="NAME", help="must stay as it is installed")
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--for", dest="target", type=Path, metavar="PATH", help="interpreter of your environment"
    )
    source.add_argument(
        "--report", type=Path, metavar="FILE", help="what verlcompat doctor --json wrote there"
    )
    add("--limit", type=int, default=3, help="how many to name; default: 3")
    add("--json", action="store_true", help="print one JSON object")
    add("--root", type=Path, default=Path.cwd(), help="the checkout that holds the evidence")


def execute(args: argparse.Namespace) -> int:
    """Return 0 if something meets everything that was asked for, 1 if nothing does."""
    ask = _ask(args)
    workspace = find_workspace(args.root.resolve())
    index = read_index(workspace)
    found = recommend(ask, index.candidates, limit=max(1, args.limit))
    python = str(args.target) if args.target else None
    commands = commands_for(ask, index, python=python)
    why = () if found.choices else why_not(workspace, ask)
    if args.json:
        print(json.dumps(as_json(found, commands, why=why), indent=2))
    else:
        print(as_text(found, commands, why=why))
    return 0 if found.choices else 1


def _ask(args: argparse.Namespace) -> Ask:
    wants = tuple(map(_requirement, args.want))
    limits: dict[str, Any] = {}
    if args.report is not None or args.target is not None:
        limits.update(installed_of(args.target, report=args.report))
    for name in ("python", "glibc", "driver", "gpu"):
        if getattr(args, name) is not None:
            limits[name] = getattr(args, name)
    return Ask(
        wants=wants,
        engine=args.engine,
        model=args.model,
        trainer=args.trainer,
        keep=tuple(args.keep),
        **limits,
    )


def _requirement(text: str) -> Requirement:
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise UsageError(f"{text!r} is not a requirement; write it like 'vllm==0.11.0'") from error
    if requirement.url or requirement.marker:
        raise UsageError(f"{text!r} has an address or a marker; write name and versions only")
    return requirement
