"""What a project of your own adds to its pyproject.toml to stand on this stack with uv."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from pytest_verlcompat.errors import LockError
from pytest_verlcompat.recipes.pins import read_pins
from pytest_verlcompat.recipes.stack import ENGINES, engine_of, target_of
from pytest_verlcompat.recipes.words import comment, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_verlcompat.model.cell import Cell
    from pytest_verlcompat.resolve.lock import Lock

FILENAME = "pyproject.fragment.toml"


def render(cell: Cell, lock: Lock) -> str:
    """Return the tables ``[project]`` and ``[tool.uv]``, to be merged into those that are there."""
    target = target_of(cell)
    pins = read_pins(lock)
    engine = engine_of(lock.versions)
    asked = [Requirement(text) for text in cell.requirements]
    extra = [each for each in asked if canonicalize_name(each.name) == engine]
    rest = [each for each in asked if each not in extra]
    minor = int(target.python.partition(".")[2])
    lines = [
        "[project]",
        f'requires-python = ">={target.python},<3.{minor + 1}"',
        *_array("dependencies", map(str, rest)),
        "",
        "[project.optional-dependencies]",
    ]
    for name in ENGINES:
        own = [str(each) for each in extra] if name == engine else []
        if name != engine:
            lines += comment("Add the other engine here if you use both, one at a time.")
        lines += _array(name, own)
    lines += ["", "[tool.uv]", *_settings(cell, has_flash_attn="flash-attn" in lock.versions)]
    lines += comment("The lock, so that whatever else you depend on cannot move it.")
    lines += _array("constraint-dependencies", (pin.text for pin in pins))
    return "\n".join(lines) + "\n"


def _settings(cell: Cell, *, has_flash_attn: bool) -> list[str]:
    target = target_of(cell)
    lines = comment("Two engines want two torch releases (VC008), so they never share a lock.")
    conflict = ", ".join(f"{{ extra = {quoted(name)} }}" for name in ENGINES)
    lines += [f"conflicts = [[{conflict}]]"]
    machine = f"sys_platform == 'linux' and platform_machine == '{target.architecture}'"
    lines += comment("Nothing else was tried, and the engines have no wheels elsewhere.")
    lines += [f"environments = [{quoted(machine)}]"]
    lines += comment("What came out later was not tried together with this.")
    lines += [f"exclude-newer = {quoted(_end_of(cell))}"]
    if cell.overrides:
        lines += comment("Contradicts the metadata of another member; see overrides.txt.")
        lines += _array("override-dependencies", cell.overrides)
    if has_flash_attn:
        lines += comment("Is built against the torch that is there, so torch must come first.")
        lines += ['no-build-isolation-package = ["flash-attn"]']
    return lines


def _end_of(cell: Cell) -> str:
    try:
        day = dt.date.fromisoformat(cell.as_of)
    except ValueError as error:
        raise LockError(f"as of {cell.as_of!r} is not a day", where=cell.id) from error
    return f"{day + dt.timedelta(days=1)}T00:00:00Z"


def _array(key: str, items: Iterable[str]) -> list[str]:
    listed = list(items)
    if not listed:
        return [f"{key} = []"]
    return [f"{key} = [", *(f"  {quoted(each)}," for each in listed), "]"]
