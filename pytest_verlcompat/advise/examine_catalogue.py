"""Known failures that what is installed leads to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_verlcompat.advise.advice import Advice, Level
from pytest_verlcompat.issues.catalogue import load_catalogue
from pytest_verlcompat.issues.risks import find_risks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_verlcompat.advise.inventory import Inventory
    from pytest_verlcompat.issues.catalogue import Condition


def examine(inventory: Inventory) -> Iterator[Advice]:
    """Yield one advice for each entry of the catalogue whose rule holds."""
    for risk in find_risks(inventory.facts, load_catalogue()):
        note = f" {risk.entry.precheck.note}" if risk.entry.precheck.note else ""
        yield Advice(
            code=risk.entry.id,
            level=Level.BREAKS if risk.certain else Level.RISK,
            title=risk.entry.title,
            detail=f"Here: {_known(risk.condition, inventory)}.{note}",
            remedies=tuple(each.do for each in risk.remedies),
            costs=tuple(each.cost for each in risk.remedies),
        )


def _known(condition: Condition, inventory: Inventory) -> str:
    """Return the part of what is known that a condition rests on; values of variables stay out."""
    facts = inventory.facts
    words = []
    for key in condition:
        if key.startswith("env:"):
            verb = "is " if condition[key] in ("set", "unset") else ""
            words.append(f"{key.removeprefix('env:')} {verb}{condition[key]}")
        elif key.startswith(("option:", "command:")):
            words.append(f"{key.partition(':')[2]} {condition[key]} in the script")
        elif key in facts.numbers:
            words.append(f"{key} {facts.numbers[key]}")
        elif key in facts.versions:
            words.append(f"{key} {facts.versions[key]}")
        else:
            words.append(f"{key} {condition[key]}")
    return ", ".join(words)
