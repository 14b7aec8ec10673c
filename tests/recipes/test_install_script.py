"""The install script really makes an environment, and leaves nothing behind where it cannot."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.environments.installed import installed_versions
from pytest_verlcompat.errors import LockError
from pytest_verlcompat.recipes.foreign import load_foreign_lock
from pytest_verlcompat.recipes.kinds import list_kinds, write_recipe
from pytest_verlcompat.resolve.lock import Lock, make_lock
from pytest_verlcompat.resolve.uv import find_uv
from tests.tiny import MINOR, TinyIndex, make_cell

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_verlcompat.model.cell import Cell

INSTALL, PYLOCK = (
    next(kind for kind in list_kinds() if kind.name == name) for name in ("install", "pylock")
)


@pytest.fixture
def locked(tiny_index: TinyIndex, tmp_path: Path) -> tuple[Cell, Lock]:
    """Return a cell of two distributions and its lock."""
    tiny_index.add("alpha", "1.0", requires=["beta<2"])
    tiny_index.add("beta", "1.0")
    cell = make_cell(requirements=("alpha==1.0",))
    return cell, make_lock(cell, folder=tmp_path / "locks")


def run_script(
    text: str, *words: str, folder: Path, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Return how the script ended, in an environment with uv on PATH and one index."""
    script = folder / "install.sh"
    script.write_text(text, encoding="utf-8")
    path = os.pathsep.join([str(find_uv().parent), os.environ["PATH"]])
    index = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": os.environ["UV_FIND_LINKS"]}
    return subprocess.run(
        ["/bin/bash", script, *words],
        cwd=folder,
        env={**os.environ, **index, "PATH": path, "PYTHON": sys.executable, **environ},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("tool", ["uv", "pip"])
def test_script_installs_exactly_the_lock(
    tool: str, locked: tuple[Cell, Lock], tmp_path: Path
) -> None:
    """The environment holds what the lock names, from the index the user has configured."""
    ended = run_script(
        write_recipe(INSTALL, *locked), "--with", tool, "env with space", folder=tmp_path
    )

    found = installed_versions([tmp_path / f"env with space/lib/python{MINOR}/site-packages"])
    assert ended.returncode == 0, ended.stderr
    assert found["alpha"] == found["beta"] == "1.0"
    assert "done" in ended.stdout


def test_script_with_conda_asks_conda_for_the_python(
    locked: tuple[Cell, Lock], tmp_path: Path
) -> None:
    """Conda makes the prefix with the Python of the lock, and pip inside it does the rest."""
    conda = tmp_path / "bin" / "conda"
    conda.parent.mkdir()
    conda.write_text(
        f'#!/bin/sh\necho "$*" > "$PWD/asked"\nexec {sys.executable} -m venv "$4"\n', "utf-8"
    )
    conda.chmod(0o755)
    path = f"{conda.parent}{os.pathsep}{os.environ['PATH']}"

    ended = run_script(
        write_recipe(INSTALL, *locked), "--with", "conda", "env", folder=tmp_path, PATH=path
    )

    assert ended.returncode == 0, ended.stderr
    asked = (tmp_path / "asked").read_text("utf-8")
    assert asked == f"create --yes --prefix env python={MINOR} pip\n"


def test_script_refuses_a_folder_that_is_there(locked: tuple[Cell, Lock], tmp_path: Path) -> None:
    """An environment of somebody is never installed over."""
    (tmp_path / "env").mkdir()
    (tmp_path / "env" / "mine").touch()

    ended = run_script(write_recipe(INSTALL, *locked), "env", folder=tmp_path)

    assert ended.returncode == 1
    assert "exists" in ended.stderr
    assert (tmp_path / "env" / "mine").exists()


@pytest.mark.parametrize(
    ("platform", "said"),
    [
        ("aarch64-manylinux_2_35", "is for aarch64, this machine is"),
        ("x86_64-manylinux_2_99", "glibc 2.99 or newer, this machine has"),
    ],
)
def test_script_for_another_machine_says_so_and_makes_nothing(
    platform: str, said: str, locked: tuple[Cell, Lock], tmp_path: Path
) -> None:
    """A lock from another platform is told from a broken index before anything is made."""
    cell, lock = locked
    text = write_recipe(INSTALL, dataclasses.replace(cell, platform=platform), lock)

    ended = run_script(text, "env", folder=tmp_path)

    assert ended.returncode == 1
    assert said in ended.stderr
    assert not (tmp_path / "env").exists()


@pytest.mark.parametrize("tool", ["uv", "pip"])
def test_script_leaves_nothing_where_the_index_lacks_a_file(
    tool: str, locked: tuple[Cell, Lock], tiny_index: TinyIndex, tmp_path: Path
) -> None:
    """Half an environment is none: the folder is gone when a wheel of the lock is."""
    text = write_recipe(INSTALL, *locked)
    (tiny_index.folder / "beta-1.0-py3-none-any.whl").unlink()

    ended = run_script(
        text, "--with", tool, "env", folder=tmp_path, UV_CACHE_DIR=str(tmp_path / "empty")
    )

    assert ended.returncode != 0
    assert "beta" in ended.stderr
    assert not (tmp_path / "env").exists()


def test_script_refuses_other_bytes_than_were_locked(
    locked: tuple[Cell, Lock], tiny_index: TinyIndex, tmp_path: Path
) -> None:
    """Another build under the same version is not what was tried."""
    text = write_recipe(INSTALL, *locked)
    tiny_index.add("beta", "1.0", files={"beta/other.py": ""})

    ended = run_script(text, "env", folder=tmp_path, UV_CACHE_DIR=str(tmp_path / "empty"))

    assert ended.returncode != 0
    assert not (tmp_path / "env").exists()


def test_script_without_that_python_says_what_to_do(
    locked: tuple[Cell, Lock], tmp_path: Path
) -> None:
    """A Python that is not here is named, with the two ways to get it."""
    cell, lock = locked
    text = write_recipe(INSTALL, dataclasses.replace(cell, python="3.99"), lock)

    ended = run_script(text, "--with", "pip", "env", folder=tmp_path, PYTHON="python3.99")

    assert ended.returncode == 1
    assert "there is no python3.99" in ended.stderr


@pytest.mark.parametrize("words", [("--with", "brew", "env"), ("--nope", "env"), (), ("a", "b")])
def test_wrong_words_are_refused(
    words: tuple[str, ...], locked: tuple[Cell, Lock], tmp_path: Path
) -> None:
    """Nothing is made when the command line makes no sense."""
    ended = run_script(write_recipe(INSTALL, *locked), *words, folder=tmp_path)

    assert ended.returncode == 1
    assert not list(tmp_path.glob("*/pyvenv.cfg"))


def test_flash_attn_wants_the_locked_torch(locked: tuple[Cell, Lock], tmp_path: Path) -> None:
    """It is never built where there is no torch to build it against."""
    ended = run_script(
        write_recipe(INSTALL, *locked), "--flash-attn", "2.8.3", "env", folder=tmp_path
    )

    assert ended.returncode == 1
    assert "torch does not import" in ended.stderr
    assert not (tmp_path / "env").exists()


def test_lock_file_of_ours_brings_its_own_target(locked: tuple[Cell, Lock]) -> None:
    """The header of a lock says for which Python, platform and day it is."""
    cell, lock = locked

    found, same = load_foreign_lock(lock.path, python=None, platform=None)

    assert (found.python, found.platform, found.as_of) == (cell.python, cell.platform, cell.as_of)
    assert found.requirements == cell.requirements
    assert same.versions == lock.versions


def test_lock_file_of_somebody_is_taken_with_its_python(tmp_path: Path) -> None:
    """What pip-compile or uv writes, continuation lines and comments included, is read."""
    digest = "0" * 64
    path = tmp_path / "mine.txt"
    path.write_text(
        f"# uv pip compile\nverl==0.6.1 \\\n    --hash=sha256:{digest}\n    # via x\n",
        encoding="utf-8",
    )

    with pytest.raises(LockError, match=r"add --python"):
        load_foreign_lock(path, python=None, platform=None)
    cell, lock = load_foreign_lock(path, python="3.12", platform=None)

    assert cell.requirements == ("verl==0.6.1",)
    assert dict(lock.versions) == {"verl": "0.6.1"}


@pytest.mark.parametrize(
    ("text", "platform", "said"),
    [
        ("verl==0.6.1\n", "aarch64-apple-darwin", "made for 'aarch64-apple-darwin'"),
        ("# uv pip compile x --python-platform windows\nverl==0.6.1\n", None, "made for 'windows'"),
    ],
)
def test_lock_file_from_another_platform_is_refused(
    text: str, platform: str | None, said: str, tmp_path: Path
) -> None:
    """Its files would not install here, whatever their names."""
    path = tmp_path / "mine.txt"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(LockError, match=said):
        load_foreign_lock(path, python="3.12", platform=platform)


def test_pylock_names_the_locked_file_and_installs(
    locked: tuple[Cell, Lock], tmp_path: Path
) -> None:
    """Uv takes the lock that is written for other installers."""
    path = tmp_path / "pylock.toml"
    path.write_text(write_recipe(PYLOCK, *locked), encoding="utf-8")
    subprocess.run([find_uv(), "venv", "--python", sys.executable, tmp_path / "env"], check=True)

    subprocess.run(
        [find_uv(), "pip", "install", "--python", tmp_path / "env", "-r", path], check=True
    )

    found = installed_versions([tmp_path / f"env/lib/python{MINOR}/site-packages"])
    assert found == {"alpha": "1.0", "beta": "1.0"}


def test_pylock_says_which_file_the_index_lacks(
    locked: tuple[Cell, Lock],
    tiny_index: TinyIndex,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Another build under the locked version is not written down as if it were the one."""
    cell, lock = locked
    tiny_index.add("beta", "1.0", files={"beta/other.py": ""})
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "empty"))

    with pytest.raises(LockError, match=r"no file of beta==1\.0"):
        PYLOCK.render(cell, lock)
