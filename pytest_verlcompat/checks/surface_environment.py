"""The same questions about an installed environment: its site-packages are read, not imported."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from pytest_verlcompat.checks.import_world import World
from pytest_verlcompat.checks.surface_reach import questions_about, top_level_of
from pytest_verlcompat.errors import UsageError
from pytest_verlcompat.wheels.archive import InstalledTree
from pytest_verlcompat.wheels.surface_collect import collect_consumer, collect_provider

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_verlcompat.wheels.surface_facts import Facts

PROVIDERS = (
    "vllm",
    "sglang",
    "transformers",
    "torch",
    "ray",
    "tensordict",
    "flash-attn",
    "peft",
    "trl",
    "megatron-core",
)
"""Distributions whose names matter to a verl run."""

_DIST_INFO = re.compile(r"^(?P<name>[^-]+)-(?P<version>[^-]+)\.(?:dist-info|egg-info)$")
_PYTHON = re.compile(r"python(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """An installed environment, by its folders."""

    folders: tuple[Path, ...]
    """Its site-packages, the first one first on ``sys.path``."""
    python: tuple[int, int]
    versions: dict[str, str]
    """Every distribution by normalized name."""


def find_environment(path: Path) -> Environment:
    """Return the environment of an interpreter, a virtual environment or a site-packages folder.

    Raises:
        UsageError: If no site-packages belong to *path*.
    """
    folders = _folders(path)
    if not folders:
        raise UsageError(
            "no site-packages found; give the bin/python of an environment, its folder, or its "
            "site-packages",
            where=str(path),
        )
    match = next(filter(None, (_PYTHON.search(str(folder)) for folder in folders)), None)
    python = (int(match[1]), int(match[2])) if match else (3, 12)
    versions: dict[str, str] = {}
    for folder in reversed(folders):
        for child in folder.iterdir():
            named = _DIST_INFO.match(child.name)
            if named:
                versions[canonicalize_name(named["name"])] = named["version"]
    return Environment(folders=tuple(folders), python=python, versions=versions)


def _folders(path: Path) -> list[Path]:
    if path.is_dir() and path.name in {"site-packages", "dist-packages"}:
        return [path]
    # The link is not resolved: an environment's bin/python points into another one.
    prefix = path if path.is_dir() else path.absolute().parent.parent
    patterns = ("lib/python3*/site-packages", "lib64/python3*/site-packages",
                "lib/python3/dist-packages", "local/lib/python3*/dist-packages")  # fmt: skip
    found = [each for pattern in patterns for each in sorted(prefix.glob(pattern))]
    unique: dict[Path, Path] = {}
    for folder in found:
        unique.setdefault(folder.resolve(), folder)
    return list(unique.values())


def read_consumer(environment: Environment, distribution: str) -> Facts:
    """Return the facts of an installed consumer.

    Raises:
        UsageError: If it is not installed.
    """
    version = environment.versions.get(canonicalize_name(distribution))
    if version is None:
        raise UsageError(f"{distribution} is not installed in this environment")
    with InstalledTree(_folder_of(environment, distribution)) as tree:
        below = FilesBelow(tree, top_level_of(distribution))
        return collect_consumer(below, distribution=distribution, version=version)


def read_world(
    environment: Environment, consumer: Facts, *, providers: Sequence[str] = PROVIDERS
) -> World:
    """Return the environment as a world: releases read where names matter, the rest listed."""
    members = [consumer]
    installed = [name for name in providers if name in environment.versions]
    for name in installed:
        if canonicalize_name(consumer.distribution) == name:
            continue
        beside = [consumer.distribution, *(other for other in installed if other != name)]
        version = environment.versions[name]
        questions = questions_about(name, [consumer], [version], beside=beside)
        with InstalledTree(_folder_of(environment, name)) as tree:
            below = FilesBelow(tree, top_level_of(name))
            members.append(
                collect_provider(below, questions.demands, distribution=name, version=version)
            )
    return World(
        members=tuple(members),
        is_complete=True,
        python=environment.python,
        other_versions=environment.versions,
        other_modules=_top_levels(environment),
    )


def _folder_of(environment: Environment, distribution: str) -> Path:
    top = top_level_of(distribution)
    for folder in environment.folders:
        if (folder / top).is_dir() or (folder / f"{top}.py").is_file():
            return folder
    return environment.folders[0]


def _top_levels(environment: Environment) -> frozenset[str]:
    found = set()
    for folder in environment.folders:
        for child in folder.iterdir():
            name = child.name.partition(".")[0]
            if name.isidentifier() and (child.is_dir() or child.suffix in {".py", ".so"}):
                found.add(name)
    return frozenset(found)


class FilesBelow:
    """The files of one top-level module of a tree."""

    def __init__(self, tree: InstalledTree, top_level: str) -> None:
        self.label = top_level
        self.digest = ""
        self._tree = tree
        self._top_level = top_level
        self.stamp = tree.stamp
        self.read_many = tree.read_many

    def names(self) -> list[str]:
        """Return the files below the module's folder, and a module file of that name."""
        prefixes = (f"{self._top_level}/", f"{self._top_level}.")
        return [name for name in self._tree.names() if name.startswith(prefixes)]
