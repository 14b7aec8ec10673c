"""Rungs two and three on real trees of files, remembered until something changes."""

from __future__ import annotations

import json
import venv
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.advise.advice import Advice, Level
from pytest_verlcompat.advise.examine_nearest import examine as examine_nearest
from pytest_verlcompat.advise.examine_rungs import examine
from pytest_verlcompat.advise.inventory import Depth, read_inventory
from pytest_verlcompat.cli import main

if TYPE_CHECKING:
    from pathlib import Path


class Tree:
    """An environment with a verl and a vLLM of a few files."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=False, symlinks=True)
        self.python = folder / "bin" / "python"
        self.site = next(folder.glob("lib/python3*/site-packages"))
        self.write("verl/__init__.py", "")
        self.write("verl/trainer/__init__.py", "")
        self.write("verl/trainer/main_ppo.py", "from vllm.utils import get_tcp_uri\n")
        self.write("verl/workers/rollout/vllm_rollout/vllm_async_server.py", "import vllm\n")
        self.write("vllm/__init__.py", "")
        self.write("vllm/utils.py", "def get_tcp_uri(): ...\n")
        for name, version in (("verl", "0.6.1"), ("vllm", "0.12.0")):
            self.write(
                f"{name}-{version}.dist-info/METADATA", f"Name: {name}\nVersion: {version}\n"
            )

    def write(self, name: str, text: str) -> None:
        """Write a file below site-packages."""
        path = self.site / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def advice(self, depth: Depth = Depth.FULL) -> list[Advice]:
        """Return what is said of rungs two and three."""
        return list(examine(read_inventory(self.python, environ={}, depth=depth)))

    def codes(self, depth: Depth = Depth.FULL) -> dict[str, Level]:
        """Return codes and levels."""
        return {each.code: each.level for each in self.advice(depth)}


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    """Return a tree in which every name is found, and a cache of its own."""
    monkeypatch.setenv("VERLCOMPAT_CACHE_DIR", str(tmp_path / "cache"))
    return Tree(tmp_path / "env")


def test_names_that_exist_are_fine_and_symbols_untested_without_torch(tree: Tree) -> None:
    """What could not be tried is no praise and no blame."""
    assert tree.codes() == {"imports-passed": Level.FINE, "loads-untested": Level.UNTESTED}


def test_missing_name_breaks_and_is_known_with_its_remedies(tree: Tree) -> None:
    """The line of verl, the entry of the catalogue and its ways out are said."""
    tree.write("vllm/utils.py", "")

    (broken,) = [each for each in tree.advice() if each.level is Level.BREAKS]

    assert "verl/trainer/main_ppo.py:1" in broken.detail
    assert "known as VC049" in broken.detail
    assert broken.remedies[0].startswith("pip install 'vllm")


def test_answer_is_remembered_until_a_file_is_edited(tree: Tree) -> None:
    """A quick look knows what was read before, and no longer once somebody patched verl."""
    first = tree.codes(Depth.QUICK)
    tree.codes()
    second = tree.codes(Depth.QUICK)
    tree.write("verl/trainer/main_ppo.py", "from vllm.utils import other_name_of_another_size\n")

    assert first["imports-untested"] is Level.UNTESTED
    assert second["imports-passed"] is Level.FINE
    assert "imports-untested" in tree.codes(Depth.QUICK)
    assert Level.BREAKS in tree.codes().values()


def test_damaged_memory_is_given_anew(tree: Tree, tmp_path: Path) -> None:
    """A cache cut short by a full disk or an upgrade costs time only."""
    tree.codes()
    for path in (tmp_path / "cache" / "doctor").iterdir():
        path.write_bytes(b'{"schema": 1, "cell')

    assert tree.codes()["imports-passed"] is Level.FINE


def test_cache_that_cannot_be_written_costs_nothing_else(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read-only home does not stop the doctor."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("VERLCOMPAT_CACHE_DIR", str(tmp_path / "file" / "below"))

    assert tree.codes()["imports-passed"] is Level.FINE


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("verl/trainer/main_ppo.py", "def broken(:\n"),
        ("verl/trainer/main_ppo.py", "\x00\x01\x02"),
        ("vllm/utils.py", "import (\n"),
        ("torch/version.py", "__version__ ="),
    ],
)
def test_damaged_files_stop_nothing(tree: Tree, name: str, text: str) -> None:
    """Whatever lies in site-packages, each rung gets a word."""
    tree.write("torch-2.8.0.dist-info/METADATA", "Name: torch\nVersion: 2.8.0\n")
    tree.write(name, text)

    assert {code.partition("-")[0] for code in tree.codes()} == {"imports", "loads"}


def _matrix(folder: Path, verdict: str) -> str:
    cells = [
        {
            "id": "here", "verdict": verdict, "versions": {"verl": "0.6.1", "vllm": "0.12.0"},
            "rungs": {"passed": ["resolves"], "failed": ["imports"], "untested": ["gpu"]},
            "records": [{"outcome": "failed", "cause": {"first_line": "no get_tcp_uri"}}],
        },
        {
            "id": "there", "verdict": "compatible", "versions": {"verl": "0.6.1", "vllm": "0.11.0"},
            "rungs": {"passed": ["resolves"], "failed": [], "untested": ["gpu"]},
        },
    ]  # fmt: skip
    path = folder / "matrix.json"
    path.write_text(json.dumps({"cells": cells}))
    return str(path)


def test_cell_that_fails_is_said_with_the_nearest_that_works(tree: Tree, tmp_path: Path) -> None:
    """The verdict of this very set of versions, its cause, and where to go."""
    snapshot = _matrix(tmp_path, "incompatible")

    (said,) = examine_nearest(read_inventory(tree.python, environ={}, snapshot=snapshot))

    assert (said.level, said.title) == (Level.BREAKS, "This very cell is incompatible")
    assert "failed imports (no get_tcp_uri)" in said.detail
    assert said.remedies == ("pip install 'verl==0.6.1' 'vllm==0.11.0'",)


def test_other_snapshot_is_named_on_the_command_line(
    tree: Tree, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Path or address of a published matrix; one that is none is the caller's mistake."""
    words = ["doctor", "--quick", "--python", str(tree.python), "--snapshot"]

    main([*words, _matrix(tmp_path, "compatible")])

    assert "This very cell is compatible" in capsys.readouterr().out
    assert main([*words, str(tmp_path)]) == 2
