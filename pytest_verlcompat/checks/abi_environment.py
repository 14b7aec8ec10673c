"""The shared objects of one environment, found and opened as the dynamic loader would.

Nothing is loaded: files are mapped and their tables read, each once.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_verlcompat.errors import ElfFormatError
from pytest_verlcompat.wheels.elf import GnuHash, Tables, parse_shared_object
from pytest_verlcompat.wheels.exports import TorchExports, load_tables
from pytest_verlcompat.wheels.images import FileImage
from pytest_verlcompat.wheels.loader import load_loader_cache
from pytest_verlcompat.wheels.symbols import Origin, origin_of_library

if TYPE_CHECKING:
    import contextlib

_SYSTEM_FOLDERS = (
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/lib/aarch64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
    "/usr/local/cuda/lib64",
)


@dataclass(slots=True)
class Library:
    """An opened shared object with its tables."""

    path: Path
    tables: Tables
    hash: GnuHash | None
    names: frozenset[str] = frozenset()
    """What it exports, where it has no hash table to ask."""

    def exports(self, name: str) -> bool:
        """Return whether it gives *name* to others."""
        return self.hash.exports(name) if self.hash is not None else name in self.names


@dataclass(slots=True)
class Environment:
    """The libraries of one site-packages, each opened once."""

    root: Path
    stack: contextlib.ExitStack
    opened: dict[Path, Library | None] = field(default_factory=dict)
    loaded: dict[str, Path] = field(default_factory=dict)
    """Soname to file, for what ``import torch`` has loaded before any extension."""
    owned: dict[str, Path] = field(default_factory=dict)
    """File name to file, for the shared objects of the distribution that is judged.

    Packages load their own libraries by path before what needs them."""
    machine: dict[str, Path] = field(default_factory=load_loader_cache)
    """Soname to file, for what the machine's loader knows by itself."""
    foreign: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    """Distribution to libraries of others that are missing, to what asks for them."""
    pin: str | None = None
    """Release of torch that this distribution pins with ``==``, or is labelled for."""
    built_for: tuple[str, ...] | None = None
    """Releases that export every symbol of that distribution; None while nobody asked."""
    known: dict[str, TorchExports] = field(default_factory=dict)
    """What releases of torch export, by machine; read once something is missing."""

    def exports(self, machine: str) -> TorchExports:
        """Return what is known of torch's releases for *machine*."""
        if not self.known:
            self.known.update(load_tables())
        return self.known.get(machine) or TorchExports((), names=(), places=(), machine=machine)

    def open(self, path: Path) -> Library:
        """Return the library at *path*.

        Raises:
            ElfFormatError: If it cannot be read.
        """
        known = self.opened.get(path)
        if known is None:
            image = self.stack.enter_context(FileImage(path, label=path.name))
            tables = Tables(image)
            if tables.has_gnu_hash:
                known = Library(path, tables, GnuHash(tables))
            else:
                names = frozenset(parse_shared_object(image, exports=True).exported)
                known = Library(path, tables, None, names)
            self.opened[path] = known
        return known

    def open_loaded(self) -> list[Library]:
        """Return the libraries that ``import torch`` has loaded."""
        return [self.open(path) for path in set(self.loaded.values())]

    def locate(self, soname: str, *, by: Library) -> Path | None:
        """Return the file the loader would open for *soname*, needed by *by*; None for none."""
        if soname in self.loaded:
            return self.loaded[soname]
        origin = str(by.path.resolve().parent)
        own = [
            Path(part.replace("$ORIGIN", origin).replace("${ORIGIN}", origin))
            for part in by.tables.search_path
        ]
        given = [Path(part) for part in os.environ.get("LD_LIBRARY_PATH", "").split(":") if part]
        for folder in [*own, *given, *map(Path, _SYSTEM_FOLDERS)]:
            candidate = folder / soname
            if candidate.is_file():
                return candidate
        return self.machine.get(soname) or self.owned.get(soname)

    def closure(self, start: Library) -> dict[str, Library | None]:
        """Return soname to library for all that the loader opens; None where it finds none."""
        found: dict[str, Library | None] = {}
        waiting = [(soname, start) for soname in start.tables.needed]
        while waiting:
            soname, by = waiting.pop()
            if soname in found or origin_of_library(soname) is Origin.SYSTEM:
                continue
            path = self.locate(soname, by=by)
            library = None
            if path is not None:
                try:
                    library = self.open(path)
                except ElfFormatError:
                    library = None
            found[soname] = library
            if library is not None:
                waiting.extend((each, library) for each in library.tables.needed)
        return found
