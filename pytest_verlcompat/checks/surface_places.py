"""Where a release keeps a name now that is missing where a consumer looks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_verlcompat.wheels.surface_outline import Class, Function, walk

if TYPE_CHECKING:
    from pytest_verlcompat.checks.import_outcome import Failure
    from pytest_verlcompat.wheels.surface_facts import Facts

_LEAST_LETTERS = 4


def find_place(provider: Facts, failure: Failure) -> str | None:
    """Return the one module of *provider* that defines the missing name, if there is only one.

    Only modules that were read are looked at, and only functions and classes count: an equal
    name that something else is bound to would be a guess.
    """
    name = failure.name
    if name is None or len(name) < _LEAST_LETTERS:
        return None
    found = [
        module
        for module, outline in provider.outlines.items()
        if module != failure.module
        and any(
            isinstance(item, (Function, Class)) and item.name == name
            for item in walk(outline.statements)
        )
    ]
    return f"{found[0]}.{name}" if len(found) == 1 else None
