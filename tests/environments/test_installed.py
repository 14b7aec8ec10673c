"""What is installed is read from names of metadata folders, in import order."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pytest_verlcompat.environments.installed import (
    ask_python,
    installed_versions,
    versions_sha256,
)
from pytest_verlcompat.errors import InterpreterMissingError


def _folder(path: Path, *names: str) -> Path:
    for name in names:
        (path / name).mkdir(parents=True)
    return path


def test_versions_are_read_from_folder_names(tmp_path: Path) -> None:
    """Both kinds of metadata folders count, and names are normalized."""
    folder = _folder(
        tmp_path,
        "flash_attn-2.8.3+cu128.dist-info",
        "Py_Thing-1.0-py3.12.egg-info",
        "torch",
        "README.md",
    )

    assert installed_versions([folder]) == {"flash-attn": "2.8.3+cu128", "py-thing": "1.0"}


def test_first_folder_counts_as_it_does_for_an_import(tmp_path: Path) -> None:
    """What shadows at import time shadows here."""
    first = _folder(tmp_path / "a", "torch-2.8.0.dist-info")
    second = _folder(tmp_path / "b", "torch-2.9.0.dist-info", "verl-0.6.1.dist-info")

    found = installed_versions([first, tmp_path / "gone", tmp_path / "x.zip", second])

    assert found == {"torch": "2.8.0", "verl": "0.6.1"}


def test_damaged_folder_names_do_not_stop_the_reading(tmp_path: Path) -> None:
    """Pip's leftovers of a broken uninstallation are not distributions."""
    folder = _folder(tmp_path, "~orch-2.8.0.dist-info", "verl.egg-info", "numpy-2.0.dist-info")

    found = installed_versions([folder])

    assert found["numpy"] == "2.0"
    assert "torch" not in found
    assert not any(name.startswith(("~", "-")) for name in found)


def test_this_interpreter_is_known_without_asking() -> None:
    """The interpreter that runs us needs no process, so that a bare run stays cheap."""
    name, folders = ask_python(Path(sys.executable))

    assert name == "CPython " + ".".join(map(str, sys.version_info[:3]))
    assert installed_versions(folders)["pytest"]


def test_other_interpreter_is_asked(tmp_path: Path) -> None:
    """Another interpreter says itself where it imports from."""
    other = tmp_path / "python"
    other.symlink_to(sys.executable)

    name, folders = ask_python(other)

    assert name.startswith("CPython 3.")
    assert any(folder.name == f"python3.{sys.version_info.minor}" for folder in folders)


@pytest.mark.parametrize("text", [None, "#!/bin/sh\nexit 3\n", "#!/bin/sh\n"])
def test_interpreter_that_does_not_answer_is_an_error(tmp_path: Path, text: str | None) -> None:
    """A path given by a person that is no interpreter is said with the path."""
    path = tmp_path / "python"
    if text is not None:
        path.write_text(text)
        path.chmod(0o755)

    with pytest.raises(InterpreterMissingError, match="python: "):
        ask_python(path)


def test_digest_depends_on_versions_and_not_on_order() -> None:
    """Equal environments have equal digests."""
    one = versions_sha256({"a": "1", "b": "2"})

    assert one == versions_sha256({"b": "2", "a": "1"})
    assert one != versions_sha256({"a": "1", "b": "3"})
