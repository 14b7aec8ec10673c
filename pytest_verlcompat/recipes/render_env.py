"""Variables and limits for the shell that starts Ray, each with the failure it keeps away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_verlcompat.recipes.settings import find_settings
from pytest_verlcompat.recipes.stack import target_of
from pytest_verlcompat.recipes.words import comment, shell

if TYPE_CHECKING:
    from pytest_verlcompat.model.cell import Cell
    from pytest_verlcompat.recipes.settings import Setting
    from pytest_verlcompat.resolve.lock import Lock

FILENAME = "env.sh"
PUBLISHED = True
_HARD_LIMIT = "ulimit -Hn"


def render(cell: Cell, lock: Lock) -> str:
    """Return a script to be sourced: on every node, before ``ray start`` and before the trainer."""
    lines = [
        "# shellcheck shell=sh disable=SC3045  # every sh of Linux has ulimit -n and -H",
        *comment(
            "Source it: . ./env.sh  On every node, before Ray is started: workers inherit what the "
            "shell had that started Ray, not what the driver has."
        ),
    ]
    for setting in find_settings(lock.versions, python=target_of(cell).python):
        lines += ["", *comment(f"{setting.entry}: {setting.title}. Cost: {setting.cost}.")]
        lines += _lines(setting)
    return "\n".join(lines) + "\n"


def _lines(setting: Setting) -> list[str]:
    if setting.name == "ulimit -n":
        wanted = int(setting.value or 0)
        return [
            *comment("No higher than the hard limit, which only root may raise."),
            f'verlcompat_files="$({_HARD_LIMIT})"',
            f'[ "$verlcompat_files" = unlimited ] && verlcompat_files={wanted}',
            f'[ "$verlcompat_files" -gt {wanted} ] && verlcompat_files={wanted}',
            'ulimit -n "$verlcompat_files" || true',
            "unset verlcompat_files",
        ]
    if setting.value is not None:
        return [f"export {setting.name}={shell(setting.value)}"]
    if setting.only_if is None:
        return [f"unset {setting.name}"]
    pattern = setting.only_if.strip("*")
    star = "*" if setting.only_if.startswith("*") else ""
    return [
        f'case "${{{setting.name}:-}}" in',
        f"  {star}{shell(pattern)}{star}) unset {setting.name} ;;",
        "esac",
    ]
