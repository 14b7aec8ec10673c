"""Source distributions of every kind, packed here and read without being built."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.errors import WheelFormatError
from pytest_verlcompat.resolve.sdist import SdistMetadata, read_sdist
from tests.resolve.simple_site import pack

if TYPE_CHECKING:
    from pathlib import Path


def read(folder: Path, files: dict[str, str]) -> SdistMetadata | None:
    """Return what the archive of *files* says."""
    path = folder / "source-1.0.tar.gz"
    path.write_bytes(pack("source-1.0", files))
    return read_sdist(path)


def test_requirements_of_pkg_info_are_taken(tmp_path: Path) -> None:
    """PKG-INFO with Requires-Dist is enough."""
    info = "Metadata-Version: 2.4\nName: source\nVersion: 1.0\nRequires-Dist: torch\n"

    found = read(tmp_path, {"PKG-INFO": info, "csrc/kernel.cu": "", "csrc/bind.cpp": ""})

    assert found is not None
    assert found.requires_dist == ("torch",)
    assert found.native == ("C++", "CUDA")


def test_old_setuptools_says_it_in_requires_txt(tmp_path: Path) -> None:
    """Sections of requires.txt become markers and extras."""
    info = "Metadata-Version: 1.1\nName: source\nVersion: 1.0\n"
    egg = 'numpy>=1\n\n[:python_version < "3.5"]\ntyping\n\n[plots]\nmatplotlib\n'

    found = read(tmp_path, {"PKG-INFO": info, "source.egg-info/requires.txt": egg})

    assert found is not None
    assert found.source == "requires.txt"
    assert found.requires_dist == (
        "numpy>=1",
        'typing; python_version < "3.5"',
        'matplotlib; extra == "plots"',
    )


def test_egg_info_without_requires_txt_asks_for_nothing(tmp_path: Path) -> None:
    """Setuptools leaves the file out where there is nothing to put into it."""
    info = "Metadata-Version: 1.1\nName: source\nVersion: 1.0\n"

    found = read(tmp_path, {"PKG-INFO": info, "source.egg-info/SOURCES.txt": "setup.py"})

    assert found is not None
    assert found.requires_dist == ()


def test_pyproject_is_the_last_resort(tmp_path: Path) -> None:
    """Static dependencies of pyproject.toml count where nothing else says them."""
    info = "Metadata-Version: 2.1\nName: source\nVersion: 1.0\n"
    project = '[project]\nname = "source"\ndependencies = ["einops"]\n'

    found = read(tmp_path, {"PKG-INFO": info, "pyproject.toml": project})

    assert found is not None
    assert found.requires_dist == ("einops",)


def test_what_only_a_build_tells_is_unknown(tmp_path: Path) -> None:
    """Dynamic dependencies without a trace are None, never an empty list."""
    info = "Metadata-Version: 2.2\nName: source\nVersion: 1.0\nDynamic: Requires-Dist\n"
    project = '[project]\nname = "source"\ndynamic = ["dependencies"]\n'

    assert read(tmp_path, {"PKG-INFO": info, "pyproject.toml": project}) is None


@pytest.mark.parametrize("body", [b"", b"not a tar", pack("x", {"README": "no PKG-INFO"})])
def test_damaged_archive_is_named(tmp_path: Path, body: bytes) -> None:
    """Something that is no source distribution is an error with its name."""
    path = tmp_path / "source-1.0.tar.gz"
    path.write_bytes(body)

    with pytest.raises(WheelFormatError, match=r"source-1\.0"):
        read_sdist(path)
