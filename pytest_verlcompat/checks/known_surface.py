"""The imports of an installed environment, with what is known of released files taken as known.

Says what reading every file says, in a fraction of the time: a file that is that of a release,
by its path, size and CRC-32, is not parsed again, and which modules are reached is worked out
once for all providers on whose version it does not depend. What was edited is read like ever.
"""

from __future__ import annotations

import dataclasses
import os
import stat
from typing import TYPE_CHECKING

from pytest_verlcompat.checks.import_surface import judge
from pytest_verlcompat.checks.surface_environment import (
    PROVIDERS,
    find_environment,
    read_world,
)
from pytest_verlcompat.checks.surface_reach import reached, top_level_of
from pytest_verlcompat.errors import UsageError
from pytest_verlcompat.wheels.archive import InstalledTree
from pytest_verlcompat.wheels.outlines import DATA, KnownExports, KnownOutlines, stamp_of
from pytest_verlcompat.wheels.surface_collect import (
    collect_consumer,
    collect_provider,
    demands_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from pytest_verlcompat.checks.import_surface import CellSurface
    from pytest_verlcompat.checks.surface_environment import Environment
    from pytest_verlcompat.errors import WheelFormatError
    from pytest_verlcompat.wheels.surface_collect import Demand
    from pytest_verlcompat.wheels.surface_facts import Facts
    from pytest_verlcompat.wheels.surface_outline import Outline

_CONSUMER = "verl"
_MOST_BYTES = 8 << 20
"""No released module is larger; what is, is left to the reader that says why it refuses."""


def judge_environment(python: Path, *, data: Path = DATA) -> CellSurface:
    """Return what the imports of the installed verl say beside what is installed.

    Args:
        data: Outlines and exports of released files.

    Raises:
        UsageError: If *python* belongs to no environment, or verl is not installed there.
    """
    environment = find_environment(python)
    if _CONSUMER not in environment.versions:
        raise UsageError(f"{_CONSUMER} is not installed in this environment")
    consumer = _read_consumer(environment, data)
    installed = [name for name in PROVIDERS if name in environment.versions]
    wanted = _demands(consumer, {name: environment.versions[name] for name in installed})
    providers = tuple(
        _read_provider(environment, name, demands=demands, data=data) for name, demands in wanted
    )
    bare = read_world(environment, consumer, providers=())
    world = dataclasses.replace(bare, members=(consumer, *providers))
    return judge(consumer, providers, world=world)


def _read_consumer(environment: Environment, data: Path) -> Facts:
    version = environment.versions[_CONSUMER]
    tree = _Below(environment, _CONSUMER)

    def collect(files: _Files) -> Facts:
        return collect_consumer(files, distribution=_CONSUMER, version=version)

    bare = collect(_Files(tree, tree.names(), reads=False))
    known = KnownOutlines(consumer=True, data=data)
    outlines: dict[str, Outline] = {}
    for module, path in bare.paths.items():
        stamp = tree.stamp(path) if path else None
        found = None if stamp is None else known.get((path, stamp))
        if found is not None:
            outlines[module] = found
    edited = [path for module, path in bare.paths.items() if path and module not in outlines]
    if edited:
        outlines.update(collect(_Files(tree, edited)).outlines)
    ordered = {module: outlines[module] for module in bare.outlines}
    return dataclasses.replace(bare, outlines=ordered)


def _demands(consumer: Facts, versions: dict[str, str]) -> Iterator[tuple[str, set[Demand]]]:
    """Yield what the reached modules of *consumer* want from each of *versions*.

    Conditions see the version of the one provider that is asked about, and of no other; a
    provider whose version no condition asks for has the same modules as one that is unknown.
    """
    named = {_CONSUMER, *versions}
    asked = _Asked()
    unknown = reached(consumer, named, asked)
    alike = [name for name in versions if name not in asked.names]
    shared = _wanted(consumer, unknown, alike)
    for name, version in versions.items():
        if name in shared:
            yield name, shared[name]
        else:
            modules = reached(consumer, named, {name: version})
            yield name, _wanted(consumer, modules, [name])[name]


def _wanted(consumer: Facts, modules: set[str], providers: Iterable[str]) -> dict[str, set[Demand]]:
    """Return what *modules* of *consumer* want, by provider."""
    outlines = {name: consumer.outlines[name] for name in modules & set(consumer.outlines)}
    found: dict[str, set[Demand]] = {top_level_of(name): set() for name in providers}
    part = dataclasses.replace(consumer, outlines=outlines)
    for demand in demands_of(part, frozenset(found)):
        found[demand[0].partition(".")[0]].add(demand)
    return {name: found[top_level_of(name)] for name in providers}


class _Asked(dict[str, str]):
    """No versions, and the names that were asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def get(self, key: str, default: str | None = None) -> str | None:  # type: ignore[override]  # a part of dict's own signatures
        self.names.add(key)
        return default


def _read_provider(
    environment: Environment, name: str, *, demands: Iterable[Demand], data: Path
) -> Facts:
    tree = _Below(environment, name)
    version = environment.versions[name]

    def collect(files: _Files, wanted: Iterable[Demand], known: Facts | None = None) -> Facts:
        return collect_provider(
            files,
            wanted,
            distribution=name,
            version=version,
            known=known,
            shared=KnownOutlines(consumer=False, data=data),
        )

    everything = _Files(tree, tree.names())
    # A first pass over nothing tells the modules; listing them all as scanned keeps the second
    # from scanning, and the third asks for what is to be scanned without reading it.
    bare = collect(_Files(tree, tree.names(), reads=False), ())
    scanned = dict.fromkeys((module for module, path in bare.paths.items() if path), ())
    facts = collect(everything, demands, dataclasses.replace(bare, exports=scanned))
    facts = dataclasses.replace(facts, exports={})
    asking = _Files(tree, tree.names(), reads=False)
    asked = collect(asking, (), facts)
    paths = {module: facts.paths[module] for module in asked.exports}
    exports = dict(_known_exports(tree, paths, KnownExports(data)))
    whole = collect(everything, (), dataclasses.replace(facts, exports=exports))
    return dataclasses.replace(
        whole, exports={module: whole.exports[module] for module in asked.exports}
    )


def _known_exports(
    tree: _Below, paths: dict[str, str], known: KnownExports
) -> Iterator[tuple[str, tuple[str, ...]]]:
    for module, path in paths.items():
        stamp = tree.stamp(path)
        names = None if stamp is None else known.get(path, stamp)
        if names is not None:
            yield module, names


class _Below:
    """The files of one top-level module of an environment."""

    def __init__(self, environment: Environment, distribution: str) -> None:
        self.top = top_level_of(distribution)
        self.folder = next(
            (
                folder
                for folder in environment.folders
                if (folder / self.top).is_dir() or (folder / f"{self.top}.py").is_file()
            ),
            environment.folders[0],
        )
        self._names: list[str] | None = None

    def names(self) -> Sequence[str]:
        """Return the files below the module's folder and module files of that name, in order."""
        if self._names is None:
            self._names = sorted(self._walk())
        return self._names

    def _walk(self) -> Iterator[str]:
        root = os.fspath(self.folder)
        for entry in os.scandir(root):
            if entry.name.startswith(f"{self.top}.") and not entry.is_dir(follow_symlinks=False):
                yield entry.name
            elif entry.name == self.top and entry.is_dir(follow_symlinks=False):
                skip = len(root) + 1
                for folder, _, files in os.walk(entry.path):
                    base = folder[skip:].replace(os.sep, "/")
                    yield from (f"{base}/{file}" for file in files)

    def stamp(self, name: str) -> str | None:
        """Return the stamp of a file as it is now, ``None`` where it cannot be a released one."""
        try:
            descriptor = os.open(f"{self.folder}/{name}", os.O_RDONLY | os.O_NONBLOCK)
        except (OSError, ValueError):
            return None
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or found.st_size > _MOST_BYTES:
                return None
            return stamp_of(os.read(descriptor, found.st_size))
        except OSError:
            return None
        finally:
            os.close(descriptor)


class _Files:
    """Some of the files of a tree, as collecting facts wants them."""

    def __init__(self, tree: _Below, names: Sequence[str], *, reads: bool = True) -> None:
        self.label = tree.top
        self.digest = ""
        self._tree = tree
        self._names = names
        self._reads = reads

    def names(self) -> Sequence[str]:
        """Return every file."""
        return self._names

    def stamp(self, name: str) -> str | None:
        """Return size and checksum of a file, ``None`` where none is read."""
        return self._tree.stamp(name) if self._reads else None

    def read_many(
        self, names: Iterable[str], *, on_error: Callable[[WheelFormatError], None] | None = None
    ) -> dict[str, bytes]:
        """Return the content of each name; nothing where none is read."""
        if not self._reads:
            return {}
        with InstalledTree(self._tree.folder) as tree:
            return tree.read_many(names, on_error=on_error)
