"""Every command on a page runs, and ends and prints as the page says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.environments.interpreters import find_python
from pytest_verlcompat.errors import InterpreterMissingError
from pytest_verlcompat.resolve.uv import find_uv
from tests.conftest import ROOT
from tests.docs.pages import DOCS, NEEDS, PLACES, blocks, commands, list_pages, run_block
from tests.docs.stack import STACK
from tests.resolve.simple_site import serve
from tests.tiny import write_probe

if TYPE_CHECKING:
    from pathlib import Path

LIMIT_S = 300.0
BREAKS = "import vllm\nassert vllm.__version__ < '0.11', 'no loop'\nreturn {}"
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


def _pages(needs: str) -> list[pytest.ParameterSet]:
    """Return the pages with a command that needs just that."""
    return [
        pytest.param(page, id=page.relative_to(DOCS).as_posix())
        for page in list_pages()
        if any(block.kind == "console" and block.needs == needs for block in blocks(page))
    ]


def _write_metadata(site: Path, name: str, version: str) -> Path:
    home = site / f"{name}-{version}.dist-info"
    home.mkdir()
    (home / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    return home


class Workspace:
    """Folders that the pages speak of, and what is on PATH there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.scripts = root / "probes"
        self.python = root / "project" / ".venv" / "bin" / "python"
        for name in ("event_loop", "tokenizer"):
            write_probe(self.scripts, name, "import verl", DISTRIBUTIONS=("verl",))
        self.commands: dict[str, str] = {}
        self.links: Path | None = None
        """Folder with a wheel of ours that pip installs; without it the checkout is imported."""
        self.env = {
            "HOME": str(root / "home"),
            "PATH": f"{root / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": "",
            "XDG_CACHE_HOME": str(root / "cache"),
            **dict.fromkeys(("UV_DEFAULT_INDEX", "PIP_INDEX_URL"), (root / "none").as_uri()),
        }
        (root / "none").mkdir()  # an index without a single file: nothing real gets in

    def make_project(self) -> Path:
        """Return a repository with an environment of its own, and one module that uses vLLM."""
        folder = self.root / "project"
        if folder.exists():
            return folder
        folder.mkdir(parents=True)
        seed = [] if self.links is None else ["--seed"]
        subprocess.run(
            [find_uv(), "venv", "-q", "--python", sys.executable, *seed, folder / ".venv"],
            check=True,
        )
        (site,) = (folder / ".venv").glob("lib/python*/site-packages")
        for name, (version, source) in STACK.items():
            (site / f"{name}.py").write_text(source or f"__version__ = {version!r}\n")
            _write_metadata(site, name, version)
        if self.links is None:
            (site / "dev.pth").write_text(f"{ROOT}\n{sysconfig.get_path('purelib')}\n")
            home = _write_metadata(site, "pytest_verlcompat", "0")
            (home / "entry_points.txt").write_text(
                "[pytest11]\nverlcompat = pytest_verlcompat.plugin\n"
            )
        else:
            words = ["-m", "pip", "install", "-q", "pytest-verlcompat[cli]"]
            subprocess.run([self.python, *words], env=self.env, check=True, timeout=LIMIT_S)
        (folder / "conftest.py").write_text(CONFTEST.format(scripts=str(self.scripts)))
        (folder / "mine.py").write_text("import vllm\n")
        return folder

    def make_checkout(self) -> Path:
        """Return what the commands of a checkout read; what they write is a copy."""
        folder = self.root / "checkout"
        if folder.exists():
            return folder
        for name in ("axes", "cells"):
            shutil.copytree(ROOT / "matrix" / name, folder / "matrix" / name)
        (folder / "matrix" / "locks").symlink_to(ROOT / "matrix" / "locks")
        evidence = folder / "reports" / "evidence"
        evidence.mkdir(parents=True)
        # Of the cells that somebody chose; the others have thousands of lines.
        for cell in (folder / "matrix" / "cells").glob("*.toml"):
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
        commands = {
            "verlcompat": f"{sys.executable} {main}",
            "pytest": f"{python} -m pytest -p no:cacheprovider",
            "python": str(python),
            "nox": f"{sys.executable} -m nox",
            **self.commands,
        }
        for name, words in commands.items():
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


@pytest.mark.slow
@pytest.mark.parametrize("page", _pages(""))
def test_commands_run(page: Path, tmp_path: Path) -> None:
    """Those that need neither an index nor a stack, over tiny ones."""
    _run(page, Workspace(tmp_path), needs="")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Return a workspace in whose environment pip has installed a wheel of this checkout."""
    root = tmp_path_factory.mktemp("installed")
    links = root / "links"
    words = [find_uv(), "build", "-q", "--wheel", "-o", links, ROOT]
    subprocess.run(words, check=True, timeout=LIMIT_S)
    workspace = Workspace(root)
    workspace.links = links
    kept = {name: workspace.env[name] for name in ("HOME", "PATH", "PYTHONPATH")}
    workspace.env = {**os.environ, **kept, "PIP_FIND_LINKS": str(links)}
    workspace.commands["verlcompat"] = f"{workspace.python} -m pytest_verlcompat.cli"
    return workspace


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.parametrize("page", _pages("index"))
def test_commands_that_ask_the_index_run(page: Path, installed: Workspace) -> None:
    """Over the index of this machine, with the package installed as a page says."""
    _run(page, installed, needs="index")


@pytest.mark.slow
@pytest.mark.parametrize("page", _pages("stack"))
def test_commands_that_build_environments_run(page: Path, tmp_path: Path) -> None:
    """Over wheels of a few bytes that have the names of a stack: verl breaks with vLLM 0.11.0."""
    try:
        python = find_python("3.12")
    except InterpreterMissingError as error:
        pytest.skip(str(error))
    workspace = Workspace(tmp_path)
    (workspace.scripts / "tokenizer.py").unlink()
    write_probe(
        workspace.scripts, "event_loop", BREAKS, DISTRIBUTIONS=("verl", "vllm"), TIMEOUT_S=60.0
    )
    # Behind a shim of pyenv: that one looks for its program on PATH, and would find this command.
    told = subprocess.run(
        [python, "-c", "import sys; print(sys.executable)"],
        check=True,
        capture_output=True,
        text=True,
    )
    workspace.commands["python3.12"] = told.stdout.strip()
    with serve(tmp_path / "files") as site:
        site.add("verl", "0.6.1", uploaded="2025-01-01")
        for month, version in enumerate(("0.10.2", "0.10.3", "0.11.0"), 1):
            site.add("vllm", version, uploaded=f"2025-{month:02}-01")
        workspace.env |= dict.fromkeys(("UV_DEFAULT_INDEX", "PIP_INDEX_URL"), site.index_url)
        _run(page, workspace, needs="stack")


def test_every_block_says_what_it_needs_in_known_words() -> None:
    """No command escapes, because a word is misspelt."""
    found = [block for page in list_pages() for block in blocks(page)]
    shown = [each for block in found if block.kind == "console" for each in commands(block)]

    assert [each for each in found if each.needs not in NEEDS or each.place not in PLACES] == []
    assert [block.where for block in found if block.kind in {"sh", "bash", "shell"}] == []
    assert len(shown) >= 30
    assert all(each.words for each in shown)
