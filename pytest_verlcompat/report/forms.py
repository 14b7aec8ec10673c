"""List the forms a report comes in: a module ``render_<form>.py`` each, found in this folder.

Each has ``SUFFIX``, what the name of such a file ends with, and ``render(report) -> str``.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

from pytest_verlcompat import report as room

if TYPE_CHECKING:
    from pytest_verlcompat.report.assemble import Report

_PREFIX = "render_"


def list_forms() -> tuple[str, ...]:
    """Return the names of the forms, ``badge-svg`` for ``render_badge_svg``; imports none."""
    names = (each.name for each in pkgutil.iter_modules(room.__path__))
    found = (name.removeprefix(_PREFIX) for name in names if name.startswith(_PREFIX))
    return tuple(sorted(name.replace("_", "-") for name in found))


def render_form(report: Report, form: str) -> str:
    """Return *report* in the form of that name."""
    module = importlib.import_module(f"{room.__name__}.{_PREFIX}{form.replace('-', '_')}")
    text: str = module.render(report)
    return text
