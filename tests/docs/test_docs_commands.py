"""Every command on a page runs, and ends and prints as the page says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from typing import TYPE_CHECKING

import pytest

from tests.conftest import ROOT
from tests.docs.pages import DOCS, NEEDS, PLACES, blocks, commands, list_pages, run_block
from tests.tiny import write_probe

if TYPE_CHECKING:
    from pathlib import Path

LIMIT_S = 300.0
CONFTEST = """\
from pathlib import Path
from pytest_verlcompat.probes import registry
registry.SCRIPTS = Path({scripts!r})
"""
COMMAND = """\
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from pytest_verlcompat.probes import registry
from pytest_verlcompat.cli import main
registry.SCRIPTS = Path({scripts!r})
sys.exit(main())
"""
TORCH = """\
def zeros(count): return [0.0] * count
def ones(count): return [1.0] * count
class Stacked(list):
    def keys(self): return self[0].keys()
def stack(rows): return Stacked(rows)
"""
TENSORDICT = """\
class TensorDict(dict):
    def __init__(self, source, batch_size): super().__init__(source)
"""
STACK = {
    "verl": ("0.6.1", ""),
    "vllm": ("0.11.0", ""),
    "torch": ("2.8.0", TORCH),
    "tensordict": ("0.10.0", TENSORDICT),
    "transformers": ("4.57.1", ""),
}
"""Version and source of what stands for the stack: real commands judge tiny things."""


def _pages(needs: str) -> list[pytest.ParameterSet]:
    """Return the pages with a command that needs just that."""
    return [
        pytest.param(page, id=page.relative_to(DOCS).as_posix())
        for page in list_pages()
        if any(block.kind == "console" and block.needs == needs for block in blocks(page))
    ]


class Workspace:
    """Folders that the pages speak of, and what is on PATH there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.scripts = root / "probes"
        self.python = root / "project" / ".venv" / "bin" / "python"
        for name in ("event_loop", "tokenizer"):
            write_probe(self.scripts, name, "import verl", DISTRIBUTIONS=("verl",))
        self.env = {
            "HOME": str(root / "home"),
            "PATH": f"{root / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": "",
            "XDG_CACHE_HOME": str(root / "cache"),
        }

    def make_project(self) -> Path:
        """Return a repository with an environment of its own, and one module that uses vLLM."""
        folder = self.root / "project"
        folder.mkdir(parents=True)
        subprocess.run(
            [sys.executable, "-m", "venv", "--without-pip", folder / ".venv"], check=True
        )
        (site,) = (folder / ".venv").glob("lib/python*/site-packages")
        for name, (version, source) in STACK.items():
            self._install(site, name, version, source)
        purelib = sysconfig.get_path("purelib")
        (site / "dev.pth").write_text(f"{ROOT}\n{purelib}\n")
        metadata = site / "pytest_verlcompat-0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(
            "Metadata-Version: 2.1\nName: pytest-verlcompat\nVersion: 0\n"
        )
        (metadata / "entry_points.txt").write_text(
            "[pytest11]\nverlcompat = pytest_verlcompat.plugin\n"
        )
        (folder / "conftest.py").write_text(CONFTEST.format(scripts=str(self.scripts)))
        (folder / "mine.py").write_text("import vllm\n")
        return folder

    def _install(self, site: Path, name: str, version: str, source: str) -> None:
        (site / f"{name}.py").write_text(source or f"__version__ = {version!r}\n")
        home = site / f"{name}-{version}.dist-info"
        home.mkdir()
        (home / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")

    def make_checkout(self) -> Path:
        """Return what the commands of a checkout read; what they write is a copy."""
        folder = self.root / "checkout"
        for name in ("axes", "cells"):
            shutil.copytree(ROOT / "matrix" / name, folder / "matrix" / name)
        (folder / "matrix" / "locks").symlink_to(ROOT / "matrix" / "locks")
        evidence = folder / "reports" / "evidence"
        evidence.mkdir(parents=True)
        for cell in (folder / "matrix" / "cells").glob(
            "*.toml"
        ):  # of the others, thousands of lines
            records = ROOT / "reports" / "evidence" / f"{cell.stem}.jsonl"
            if records.exists():
                (evidence / records.name).symlink_to(records)
        return folder

    def make_clone(self) -> Path:
        """Return the same with the code of the package, which may be added to."""
        folder = self.root / "clone"
        self.make_checkout().rename(folder)
        shutil.copy(ROOT / "noxfile.py", folder)
        shutil.copytree(
            ROOT / "pytest_verlcompat",
            folder / "pytest_verlcompat",
            ignore=shutil.ignore_patterns("__pycache__"),
        )
        return folder

    def put_on_path(self, *, code: Path, own_probes: bool) -> None:
        """Make ``verlcompat``, ``pytest`` and ``python`` commands."""
        bin_ = self.root / "bin"
        bin_.mkdir(exist_ok=True)
        main = bin_ / "main.py"
        text = COMMAND.format(root=str(code), scripts=str(self.scripts))
        if not own_probes:
            text = "".join(line for line in text.splitlines(keepends=True) if "SCRIPTS" not in line)
        main.write_text(text)
        python = self.python if self.python.exists() else sys.executable
        for name, words in (
            ("verlcompat", f"{sys.executable} {main}"),
            ("pytest", f"{python} -m pytest -p no:cacheprovider"),
            ("python", str(python)),
            ("nox", f"{sys.executable} -m nox"),
        ):
            (bin_ / name).write_text(f'#!/bin/sh\nexec {words} "$@"\n')
            (bin_ / name).chmod(0o755)


def _run(page: Path, workspace: Workspace, *, needs: str) -> None:
    """Run the blocks of *page* that need nothing, or *needs*."""
    wanted = [each for each in blocks(page) if each.needs in {"", needs}]
    folders = {
        place: getattr(workspace, f"make_{place}")()
        for place in PLACES
        if any(each.place == place for each in wanted)
    }
    for block in wanted:
        code = folders["clone"] if block.place == "clone" else ROOT
        workspace.put_on_path(code=code, own_probes=needs == "stack")
        run_block(block, folder=folders[block.place], env=workspace.env, limit_s=LIMIT_S)


@pytest.mark.parametrize("page", _pages(""))
def test_commands_run(page: Path, tmp_path: Path) -> None:
    """Those that need neither an index nor a stack, over tiny ones."""
    _run(page, Workspace(tmp_path), needs="")


def test_every_block_says_what_it_needs_in_known_words() -> None:
    """No command escapes, because a word is misspelt."""
    found = [block for page in list_pages() for block in blocks(page)]
    shown = [each for block in found if block.kind == "console" for each in commands(block)]

    assert [each for each in found if each.needs not in NEEDS or each.place not in PLACES] == []
    assert [block.where for block in found if block.kind in {"sh", "bash", "shell"}] == []
    assert len(shown) >= 30
    assert all(each.words for each in shown)
