"""What a repository says in ``[tool.verlcompat]`` and in pytest's own ini file, checked.

A mistake names file and key, says what was found and the nearest key there is.
"""

from __future__ import annotations

import difflib
import fnmatch
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_verlcompat.errors import UsageError
from pytest_verlcompat.model.declared import Table

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest

INI = ("verlcompat_strict", "verlcompat_probes", "verlcompat_issues", "verlcompat_against")
"""Keys of pytest's ini file, as the plugin declares them."""

_FILE = "pyproject.toml"
_ROOM = f"{_FILE}: tool.verlcompat"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredSkip:
    """Skips that are meant."""

    tests: str
    """Pattern of node ids, as in ``fnmatch``: ``tests/gpu/*``."""
    because: str
    """Pattern of the reason a test gives; ``*`` for any."""
    reason: str
    """Why it is meant."""

    def covers(self, nodeid: str, reason: str) -> bool:
        """Return whether the test *nodeid* may be skipped for *reason*."""
        return fnmatch.fnmatchcase(nodeid, self.tests) and fnmatch.fnmatchcase(reason, self.because)


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """All settings, paths made absolute."""

    probes: tuple[Path, ...]
    """Own probe scripts, or folders of them."""
    issues: tuple[Path, ...]
    """Folders of own known failures, ``<ID>-<slug>.toml`` each."""
    skips: tuple[DeclaredSkip, ...]
    """Skips that are meant, a table each: with ``--verlcompat-strict`` any other is a failure."""
    against: tuple[str, ...]
    """Sets of releases, each ``vllm==0.12.0,0.13.0`` or ``vllm==0.12.0 transformers==5.0.0``."""
    sources: tuple[Path, ...]
    """Folders of own code; empty where the repository does not say."""
    launch_scripts: tuple[str, ...]
    """Patterns of own launch scripts, relative to the repository."""
    gpu_wait_s: float
    """Seconds that a test waits for a GPU that another session holds; 1800 if nothing is said."""
    deadline_s: float
    """Seconds that one piece of work of a fixture may take; 600 if nothing is said."""
    cells: Mapping[str, Path]
    """Interpreters of a matrix run by name."""


def load_configuration(config: pytest.Config) -> Configuration:
    """Return the settings of the repository that pytest runs in.

    Raises:
        UsageError: If a key is unknown or its value is of the wrong kind.
    """
    root = config.rootpath
    tools = _tools(root / _FILE)
    pytests = tools.get("pytest", {})
    _reject_unknown({**pytests, **pytests.get("ini_options", {})})
    table = Table(tools.get("verlcompat", {}), where=_ROOM, error=UsageError)
    found = Configuration(
        probes=(*_paths(table, "probes", root), *config.getini("verlcompat_probes")),
        issues=(*_paths(table, "issues", root), *config.getini("verlcompat_issues")),
        skips=tuple(_skip(each) for each in table.tables("skip")),
        against=config.option.verlcompat_against
        or (*table.texts("against"), *config.getini("verlcompat_against")),
        sources=_paths(table, "sources", root),
        launch_scripts=table.texts("launch_scripts", default=("*.sh", "examples/**/*.sh")),
        gpu_wait_s=float(table.number("gpu_wait_s", default=1800)),
        deadline_s=float(table.number("deadline_s", default=600)),
        cells={
            name: Path(root, text).expanduser() for name, text in table.text_map("cells").items()
        },
    )
    table.close()
    for key, paths in (("probes", found.probes), ("issues", found.issues)):
        for path in paths:
            if not path.exists():
                raise UsageError(f"there is no {path}", where=f"{_ROOM}: {key}")
    return found


def _tools(path: Path) -> dict[str, Any]:
    try:
        body = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot be read: {error}", where=path.name) from error
    found: dict[str, Any] = body.get("tool", {})
    return found


def _reject_unknown(keys: Mapping[str, Any]) -> None:
    """Raise for a key of pytest's that is meant for us; of other files pytest itself warns."""
    for key in keys:
        if key.startswith("verlcompat") and key not in INI:
            near = difflib.get_close_matches(key, INI, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise UsageError(
                f"unknown key; {hint}Known keys: {', '.join(INI)}",
                where=f"{_FILE}: tool.pytest.ini_options: {key}",
            )


def _paths(table: Table, key: str, root: Path) -> tuple[Path, ...]:
    return tuple(Path(root, text).expanduser() for text in table.texts(key))


def _skip(table: Table) -> DeclaredSkip:
    found = DeclaredSkip(
        tests=table.text("tests"),
        because=table.text("because", default="*"),
        reason=table.text("reason"),
    )
    table.close()
    return found
