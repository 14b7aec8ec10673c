"""A tiny cell, built for real and carried: wheels, a lock, an environment, a bundle."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_verlcompat.environments.build import Environment, build_environment
from pytest_verlcompat.execute.bundle import Packing, write_bundle
from pytest_verlcompat.resolve.lock import load_lock, make_lock
from tests.tiny import TinyIndex, TinyWorkspace

if TYPE_CHECKING:
    from pytest_verlcompat.execute.manifest import Manifest
    from pytest_verlcompat.model.cell import Cell
    from pytest_verlcompat.resolve.lock import Lock

PIECE_BYTES = 1500


def quiet(_: str) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class TinyCell:
    """A cell with its lock and its environment."""

    workspace: TinyWorkspace
    cell: Cell
    lock: Lock
    environment: Environment

    @property
    def prefix(self) -> Path:
        """Folder of the environment."""
        return self.environment.python.parent.parent

    def bundle(self, folder: Path, **packing: object) -> Manifest:
        """Write a bundle of many small pieces into *folder*."""
        options = {"piece_bytes": PIECE_BYTES, "compression": "gzip", **packing}
        return write_bundle(
            self.cell,
            self.lock,
            self.environment,
            folder=folder,
            packing=Packing(**options),  # type: ignore[arg-type]  # of the test's choosing
            say=quiet,
        )


def build_tiny_cell(folder: Path) -> TinyCell:
    """Lock and build ``alpha``, which brings a program, data and a package in folders.

    uv has to be told of the index before, by `tiny_environ`.
    """
    workspace = TinyWorkspace(root=folder / "checkout")
    workspace.declare_axes()
    index = TinyIndex(folder=folder / "index")
    index.add("beta", "1.0")
    index.add(
        "alpha",
        "1.0",
        requires=["beta<2"],
        files={
            "alpha/deep/__init__.py": "",
            "alpha/deep/tests/test_it.py": "assert False\n",
            "alpha/data.txt": "".join(f"{number * 7919 % 104729}\n" for number in range(900)),
            "alpha-1.0.data/scripts/alpha-tool": "#!python\nimport alpha\nprint(alpha)\n",
            "alpha-1.0.data/data/share/alpha.cfg": "x = 1\n",
        },
    )
    cell_id = workspace.write_cell({"beta": "1.0"})
    cell = workspace.matrix().cells[cell_id]
    make_lock(cell, folder=workspace.workspace.locks)
    lock = load_lock(cell, folder=workspace.workspace.locks)
    environment = build_environment(cell, lock, folder=workspace.workspace.environments, say=quiet)
    assert isinstance(environment, Environment)
    return TinyCell(workspace=workspace, cell=cell, lock=lock, environment=environment)


def tiny_environ(folder: Path) -> dict[str, str]:
    """Return what makes uv take wheels from the tiny index alone."""
    index = TinyIndex(folder=folder / "index")
    return {**index.environ(cache=folder / "uv-cache"), "UV_OFFLINE": "1"}


def repack_wheel(name: str, folder: Path) -> Path:
    """Return a wheel made of the installed distribution *name*, so that no index is needed."""
    installed = distribution(name)
    files = [each for each in installed.files or () if ".." not in each.parts]
    wheel = next(each.read_text() for each in files if each.name == "WHEEL")
    tag = next(line[5:] for line in wheel.splitlines() if line.startswith("Tag: "))
    path = folder / f"{name}-{installed.version}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for each in files:
            if "__pycache__" not in each.parts:
                archive.write(Path(str(each.locate())), str(each))
    return path
