"""Local wheels and installed trees are read whole or in part, and hostile ones refused."""

from __future__ import annotations

import os
import struct
import warnings
import zipfile
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.errors import WheelFormatError
from pytest_verlcompat.wheels.archive import InstalledTree, open_wheel

if TYPE_CHECKING:
    from pathlib import Path

    from tests.wheels.conftest import BuildWheel


def test_members_are_listed_where_they_are_installed(build_wheel: BuildWheel) -> None:
    """Both purelib and platlib of the .data folder land in site-packages; scripts do not."""
    path = build_wheel(
        {
            "pkg/__init__.py": b"",
            "example-1.0.data/platlib/pkg/fast.so": b"x",
            "example-1.0.data/scripts/run": b"y",
        }
    )

    with open_wheel(path) as tree:
        names = tree.names()

        assert list(names) == [
            "pkg/__init__.py",
            "pkg/fast.so",
            "example-1.0.data/scripts/run",
            "example-1.0.dist-info/METADATA",
        ]
        assert tree.read("pkg/fast.so") == b"x"


@pytest.mark.parametrize("stored", [False, True])
def test_prefix_continues_where_it_stopped(build_wheel: BuildWheel, *, stored: bool) -> None:
    """Longer prefixes of one member agree with its content, also beyond its end."""
    content = os.urandom(700_000) + b"a" * 300_000
    path = build_wheel({"pkg/fast.so": content}, stored=stored)

    with open_wheel(path) as tree:
        assert tree.read_prefix("pkg/fast.so", 10) == content[:10]
        assert tree.read_prefix("pkg/fast.so", 500_000) == content[:500_000]
        assert tree.read_prefix("pkg/fast.so", 5) == content[:5]
        assert tree.read_prefix("pkg/fast.so", 9_000_000) == content


def test_python_file_of_50_mb_is_refused_and_the_rest_read(build_wheel: BuildWheel) -> None:
    """A size beyond the limit is one error naming the member; the others are still read."""
    path = build_wheel({"big.py": os.urandom(1 << 20) * 50, "small.py": b"a = 1\n"}, stored=True)
    told: list[WheelFormatError] = []

    with open_wheel(path) as tree:
        read = tree.read_many(["big.py", "small.py"], on_error=told.append)

    assert read == {"small.py": b"a = 1\n"}
    assert [error.where for error in told] == [f"{path.name}: big.py"]
    assert "52428800" in told[0].message


def test_zip_bomb_is_refused_before_it_grows(build_wheel: BuildWheel) -> None:
    """A compression ratio that no source has is refused from its declaration."""
    path = build_wheel({"bomb.py": b"\0" * (30 << 20)})

    with open_wheel(path) as tree, pytest.raises(WheelFormatError, match=r"bomb\.py: .*zip bomb"):
        tree.read("bomb.py")


def test_member_that_understates_its_size_is_refused(build_wheel: BuildWheel) -> None:
    """Decompression stops one byte beyond the declared size."""
    path = build_wheel({"liar.py": b"\0" * (30 << 20)})
    data = bytearray(path.read_bytes())
    entry = data.index(b"PK\1\2")
    struct.pack_into("<I", data, entry + 24, 100)
    path.write_bytes(data)

    with open_wheel(path) as tree, pytest.raises(WheelFormatError, match="other than the 100"):
        tree.read("liar.py")


@pytest.mark.parametrize("name", ["../evil.py", "/etc/evil", "a/../../b", "c:/x", "a\\..\\b"])
def test_name_outside_of_the_tree_refuses_the_wheel(build_wheel: BuildWheel, name: str) -> None:
    """A wheel that would write elsewhere is not read at all."""
    path = build_wheel({name: b""})

    with pytest.raises(WheelFormatError, match="outside of the tree"):
        open_wheel(path)


def test_duplicate_with_other_content_is_refused(tmp_path: Path) -> None:
    """Two readers could see two files; neither is believed."""
    path = tmp_path / "twice-1.0-py3-none-any.whl"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in [("a.py", b"1"), ("a.py", b"2"), ("b.py", b"3"), ("b.py", b"3")]:
                archive.writestr(name, content)

    with open_wheel(path) as tree:
        assert tree.read("b.py") == b"3"
        with pytest.raises(WheelFormatError, match=r"a\.py: occurs twice"):
            tree.read("a.py")


def test_bad_crc_names_the_member(build_wheel: BuildWheel) -> None:
    """A flipped bit in stored content is found by its CRC."""
    path = build_wheel({"a.py": b"answer = 42\n"}, stored=True)
    path.write_bytes(path.read_bytes().replace(b"answer = 42", b"answer = 43"))

    with open_wheel(path) as tree, pytest.raises(WheelFormatError, match=r"a\.py: .*CRC"):
        tree.read("a.py")


@pytest.mark.parametrize("kept", [0, 10, 100, 3000])
def test_truncated_wheel_is_one_clear_error(build_wheel: BuildWheel, kept: int) -> None:
    """A wheel without its directory is said to be truncated."""
    path = build_wheel({"a.py": os.urandom(4000)})
    path.write_bytes(path.read_bytes()[:kept])

    with pytest.raises(WheelFormatError, match="may be truncated"):
        open_wheel(path)


def test_every_single_byte_change_is_read_or_refused(build_wheel: BuildWheel) -> None:
    """No damage of the structure escapes as anything but our own error."""
    path = build_wheel({"a.py": b"answer = 42\n"})
    original = path.read_bytes()
    outcomes = {"read": 0, "refused": 0}

    for position in range(len(original)):
        damaged = bytearray(original)
        damaged[position] ^= 0xFF
        path.write_bytes(damaged)
        try:
            with open_wheel(path) as tree:
                tree.read_many(tree.names())
            outcomes["read"] += 1
        except WheelFormatError:
            outcomes["refused"] += 1

    assert outcomes["read"] + outcomes["refused"] == len(original)
    assert outcomes["refused"] > len(original) // 3


def _install(root: Path) -> None:
    for name, content in [("pkg/a.py", "a = 1\n"), ("other/b.py", "b = 2\n")]:
        path = root / name
        path.parent.mkdir(parents=True)
        path.write_text(content)
    info = root / "Example_Pkg-1.0.dist-info"
    info.mkdir()
    (info / "RECORD").write_text("pkg/a.py,,\n../../../bin/run,,\npkg/gone.py,,\n")


def test_installed_distribution_is_limited_to_its_record(tmp_path: Path) -> None:
    """Files of others and files outside of site-packages are not listed."""
    _install(tmp_path)

    tree = InstalledTree(tmp_path, distribution="example-pkg")

    assert list(tree.names()) == ["pkg/a.py", "pkg/gone.py"]
    assert tree.read("pkg/a.py") == b"a = 1\n"
    assert tree.digest is not None
    with pytest.raises(WheelFormatError, match=r"pkg/gone\.py: is recorded"):
        tree.read("pkg/gone.py")


def test_links_in_a_loop_and_pipes_do_not_hang(tmp_path: Path) -> None:
    """Loops are not walked, and what is no regular file is refused at once."""
    _install(tmp_path)
    (tmp_path / "pkg" / "loop").symlink_to(tmp_path)
    (tmp_path / "pkg" / "self.so").symlink_to(tmp_path / "pkg" / "self.so")
    os.mkfifo(tmp_path / "pkg" / "pipe.py")

    tree = InstalledTree(tmp_path)
    told: list[WheelFormatError] = []
    read = tree.read_many(tree.names(), on_error=told.append)

    assert sorted(read) == ["Example_Pkg-1.0.dist-info/RECORD", "other/b.py", "pkg/a.py"]
    assert [error.where for error in told] == [
        f"{tmp_path.name}: pkg/pipe.py",
        f"{tmp_path.name}: pkg/self.so",
    ]


def test_distribution_without_record_is_named(tmp_path: Path) -> None:
    """Asking for what is not installed says so."""
    with pytest.raises(WheelFormatError, match="vllm is not installed here"):
        InstalledTree(tmp_path, distribution="vllm")
