"""What the pages show beside the records: read by the command, because it lies in other rooms."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_verlcompat.issues.catalogue import Entry

_RUNTIMES = Path(__file__).with_name("torch_runtimes.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What one verl release says about one engine, in words."""

    verl: str
    engine: str
    declared: str | None
    """Specifier of its metadata; None if the metadata does not name the engine."""
    documented: tuple[tuple[str, str], ...]
    """What it says elsewhere, and where that stands."""
    gated: str | None
    """What its code refuses to run without."""
    disagreements: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteInputs:
    """Everything a page may show that is not a record of a run."""

    declared: tuple[Declared, ...] = ()
    needs: Mapping[str, str] = field(default_factory=dict)
    """Trap code to the requirement that avoids it."""
    effects: Mapping[str, str] = field(default_factory=dict)
    """Trap code to what happens."""
    released: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Distribution to version to the day on which it could be installed."""
    catalogue: tuple[Entry, ...] = ()
    chinese: Mapping[str, Entry] = field(default_factory=dict)
    """The same entries in Simplified Chinese, by id, where they are translated."""
    recipes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Cell id to the files of its recipe below ``reports/recipes/<cell id>/``."""


def load_runtimes() -> Mapping[str, Mapping[str, str]]:
    """Return the CUDA runtime of each torch release and what drivers and GPUs it needs."""
    body: dict[str, dict[str, str]] = tomllib.loads(_RUNTIMES.read_text(encoding="utf-8"))
    return body
