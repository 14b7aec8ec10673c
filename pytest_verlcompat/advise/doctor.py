"""Judge an inventory: what will break, what is a risk, what is fine.

An examination is a module ``examine_<name>.py`` beside this one with
``examine(inventory) -> Iterator[Advice]``; the folder is listed, nothing is registered. An
examination reads what the inventory holds and files of the environment; it imports none of it.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

from pytest_verlcompat import advise
from pytest_verlcompat.advise.advice import Level

if TYPE_CHECKING:
    from pytest_verlcompat.advise.advice import Advice
    from pytest_verlcompat.advise.inventory import Inventory

_PREFIX = "examine_"


def examinations() -> tuple[str, ...]:
    """Return the names of the examinations there are, in name order."""
    names = (each.name for each in pkgutil.iter_modules(advise.__path__))
    return tuple(sorted(name for name in names if name.startswith(_PREFIX)))


def find_advice(inventory: Inventory) -> tuple[Advice, ...]:
    """Return everything there is to say about *inventory*, worst first."""
    modules = [importlib.import_module(f"{advise.__name__}.{name}") for name in examinations()]
    # What takes long begins when it is called, and goes on while the others are listened to.
    begun = [module.examine(inventory) for module in modules]
    found = [each for examination in begun for each in examination]
    levels = list(Level)
    return tuple(sorted(found, key=lambda each: levels.index(each.level)))
