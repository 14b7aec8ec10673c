"""Repair an environment: show what would be done, and with --apply do it in a copy first.

  verlcompat repair --python env/bin/python
  verlcompat repair --python env/bin/python --apply
  verlcompat repair --python env/bin/python --apply --into repaired

The copy is made of hard links, changed, examined, and put into place only if nothing is worse;
what was there stays beside it as <env>.before-repair. Editable installs and those from a
repository are kept. Exit status 0: nothing is known to be wrong, or not any more; 1: something
still is.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_verlcompat.advise.inventory import read_inventory
from pytest_verlcompat.advise.repair import Clinic, try_plan
from pytest_verlcompat.advise.repair_patient import is_marked_managed, refuse_if_owned, survey
from pytest_verlcompat.advise.repair_plan import Plan, find_faults, make_plan
from pytest_verlcompat.cli.repair_ideas import find_ideas
from pytest_verlcompat.cli.repair_output import render_after, render_before, render_plan
from pytest_verlcompat.execute.workspace import find_workspace
from pytest_verlcompat.model.outcome import Rung
from pytest_verlcompat.probes.registry import find_probes, list_probes
from pytest_verlcompat.process.inventory import describe_machine

if TYPE_CHECKING:
    import argparse

    from pytest_verlcompat.advise.inventory import Inventory
    from pytest_verlcompat.advise.repair import Health
    from pytest_verlcompat.advise.repair_patient import Ground
    from pytest_verlcompat.execute.workspace import Workspace
    from pytest_verlcompat.probes.registry import Probe

_ROUNDS = 3
"""One repair may bring another fault to light."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("--python", type=Path, required=True, metavar="PATH", help="of the environment to repair")
    add("--apply", action="store_true", help="do it; without this only the plan is shown")
    add("--into", type=Path, metavar="DIR", help="leave the original as it is; put the copy there")
    add("--probe", action="append", default=[], metavar="NAME", help="examine with this one only")
    add("--no-probes", action="store_true", help="examine without running anything of it")
    add("--root", type=Path, default=Path.cwd(), help="checkout whose evidence is asked for sets")


def execute(args: argparse.Namespace) -> int:
    """Return 0 if nothing is known to be wrong at the end, 1 if something is."""
    inventory = read_inventory(args.python, environ=os.environ)
    ground = survey(inventory)
    workspace = find_workspace(args.root.resolve())
    into = args.into.resolve() if args.into else None
    print(render_before(inventory, ground))
    if not args.apply:
        return _show(inventory, ground, workspace)
    refuse_if_owned(ground, into=into, marked=is_marked_managed(inventory))
    clinic = Clinic(
        machine=describe_machine(),
        probes=_probes(args),
        logs=workspace.logs,
        say=lambda text: print(f"    {text}", file=sys.stderr, flush=True),
        checks=not args.no_probes,
    )
    first = clinic.examine(ground.python)
    last = first
    for number in range(_ROUNDS):
        if last.is_green:
            break
        after = _round(ground, last, clinic, into=into, workspace=workspace, first=number == 0)
        if after is None:
            break
        last = after
        if into is not None:  # what is to be repaired further is the copy
            ground = survey(read_inventory(into / "bin" / ground.python.name, environ=os.environ))
            into = None
    print(render_after(first, last, ground))
    return 0 if last.is_green else 1


def _show(inventory: Inventory, ground: Ground, workspace: Workspace) -> int:
    """Print every plan there is; nothing is changed and nothing of the environment is run."""
    faults = find_faults(inventory)
    for idea in find_ideas(inventory, ground, workspace):
        made = make_plan(idea, ground, inventory)
        print(render_plan(made, ground) if isinstance(made, Plan) else f"left out: {made}")
    print("Add --apply to do it in a copy first." if faults else "Nothing will surely break.")
    return int(bool(faults))


def _round(
    ground: Ground,
    before: Health,
    clinic: Clinic,
    *,
    into: Path | None,
    workspace: Workspace,
    first: bool,
) -> Health | None:
    """Return how it is after the first plan that was accepted; ``None`` if none was."""
    inventory = read_inventory(ground.python, environ=os.environ)
    for idea in find_ideas(inventory, ground, workspace):
        made = make_plan(idea, ground, inventory)
        if not isinstance(made, Plan):
            print(f"left out: {made}")
            continue
        print(render_plan(made, ground), flush=True)
        trial = try_plan(made, ground, before=before, clinic=clinic, into=into, first=first)
        if not trial.problem:
            print(f"done in {trial.duration_s:.1f} s")
            return trial.after
        print(f"rolled back after {trial.duration_s:.1f} s: {trial.problem}", flush=True)
    return None


def _probes(args: argparse.Namespace) -> tuple[Probe, ...]:
    if args.no_probes:
        return ()
    probes = list_probes()
    if args.probe:
        return find_probes(args.probe, probes=probes)
    return tuple(probe for probe in probes if probe.rung is Rung.CPU)
