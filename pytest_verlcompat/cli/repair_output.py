"""Say what is wrong with an environment, what would be done, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_verlcompat.advise.repair import old_place
from pytest_verlcompat.advise.repair_plan import find_faults
from pytest_verlcompat.issues.text import inert

if TYPE_CHECKING:
    from pytest_verlcompat.advise.inventory import Inventory
    from pytest_verlcompat.advise.repair import Health
    from pytest_verlcompat.advise.repair_patient import Ground
    from pytest_verlcompat.advise.repair_plan import Plan


def render_before(inventory: Inventory, ground: Ground) -> str:
    """Return what will break, and what limits a repair."""
    faults = find_faults(inventory)
    lines = [f"{len(faults)} things will break:"] if faults else ["The doctor finds nothing."]
    lines += [f"  {each.code}  {inert(each.title)}" for each in faults]
    if ground.owner is not None:
        lines.append(f"managed by {ground.owner}: plans are shown, nothing is changed")
    elif not ground.writable:
        lines.append("cannot be written: a repaired copy needs --into PATH")
    for each in ground.kept:
        kind = "editable" if each.editable else f"from {inert(each.origin or '')}"
        lines.append(f"kept as it is: {each.name} {each.version} ({kind})")
    return "\n".join(lines)


def render_plan(plan: Plan, ground: Ground) -> str:
    """Return what is typed for *plan*, and what that changes."""
    lines = ["", f"Plan: {plan.idea.title}"]
    lines += [f"  $ {command}" for command in plan.typed(ground.python)]
    lines += [
        f"    {name} {before or 'none'} -> {after or 'none'}" for name, before, after in plan.moves
    ]
    return "\n".join(lines)


def render_after(before: Health, after: Health, ground: Ground) -> str:
    """Return every check and probe before and after, and where things are."""
    lines = ["", "  what" + " " * 26 + "before     after"]
    for name in sorted({*before.records, *after.records}):
        told = [
            each.records[name].outcome.value if name in each.records else "-"
            for each in (before, after)
        ]
        lines.append(f"  {name:<30}{told[0]:<11}{told[1]}")
    for word, one, two in (
        ("known failures ahead", before.faults, after.faults),
        ("unmet requirements", before.unmet, after.unmet),
    ):
        lines.append(f"  {word:<30}{len(one):<11}{len(two)}")
    left = [*after.failed, *after.faults, *after.missing]
    lines.append(f"Still wrong: {', '.join(left)}" if left else "Nothing is known to be wrong.")
    if old_place(ground).is_dir():
        lines.append(f"As it was before: {old_place(ground)} (remove it when you are content)")
    return "\n".join(lines)
