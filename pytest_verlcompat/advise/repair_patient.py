"""What may be done to an environment: who owns it, what must be kept, whether it can be written."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_verlcompat.errors import UsageError

if TYPE_CHECKING:
    from pytest_verlcompat.advise.inventory import Inventory
    from pytest_verlcompat.issues.installed import Distribution

_MANAGED = "EXTERNALLY-MANAGED"
_CONDA = "conda-meta"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """The folder of an environment, and what stands against changing it."""

    prefix: Path
    python: Path
    owner: str | None
    """Who manages it instead: ``conda`` or ``the system``; ``None`` for a virtual environment."""
    writable: bool
    """Whether a copy can be made beside it and put in its place."""
    kept: tuple[Distribution, ...]
    """Editable installs and those from a folder or a repository: nobody can install them anew."""

    @property
    def kept_names(self) -> frozenset[str]:
        """Normalized names of what is kept."""
        return frozenset(each.name for each in self.kept)


def survey(inventory: Inventory) -> Ground:
    """Return what may be done to the environment of *inventory*."""
    python = Path(os.path.abspath(inventory.interpreter.path))  # noqa: PTH100 -- keeps the link
    prefix = python.parent.parent
    if (prefix / _CONDA).is_dir():
        owner: str | None = "conda"
    elif not (prefix / "pyvenv.cfg").is_file():
        owner = "the system"
    else:
        owner = None
    site = inventory.interpreter.site_packages
    places = (prefix, prefix.parent, *(folder for folder in site if prefix in folder.parents))
    return Ground(
        prefix=prefix,
        python=python,
        owner=owner,
        writable=all(os.access(place, os.W_OK | os.X_OK) for place in places),
        kept=tuple(each for each in inventory.distributions if each.editable or each.origin),
    )


def is_marked_managed(inventory: Inventory) -> bool:
    """Return whether the Python says that something else manages its packages (PEP 668)."""
    return any(
        (folder.parent / _MANAGED).exists() for folder in inventory.interpreter.site_packages
    )


def refuse_if_owned(ground: Ground, *, into: Path | None, marked: bool) -> None:
    """Raise if applying a plan would take an environment out of its owner's hands.

    Raises:
        UsageError: With what to do instead.
    """
    if ground.owner == "conda":
        raise UsageError(
            "conda manages this environment and keeps its own record of files, which a copy would "
            "contradict; type the commands of the plan in it, or make a new one: verlcompat "
            "recipe <cell id> --kind install, with --with conda",
            where=str(ground.prefix),
        )
    if ground.owner is not None:
        why = "says that the system manages it (PEP 668)" if marked else "is no virtual environment"
        raise UsageError(
            f"this Python {why}, so nothing is changed in it; make one of its own: verlcompat "
            "recipe <cell id> --kind install",
            where=str(ground.prefix),
        )
    if into is None and not ground.writable:
        raise UsageError(
            "cannot be written; name a folder for the repaired copy: --into PATH",
            where=str(ground.prefix),
        )
    if into is not None and into.exists():
        raise UsageError("exists; name a folder that does not", where=str(into))
