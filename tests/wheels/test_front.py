"""The first kilobytes say the same as the whole file, or admit that they do not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.errors import ElfFormatError
from pytest_verlcompat.wheels.elf import parse_shared_object
from pytest_verlcompat.wheels.front import NotInFrontError, parse_front
from pytest_verlcompat.wheels.images import FileImage
from tests.abi_objects import compile_shared, define, use

if TYPE_CHECKING:
    from pytest_verlcompat.wheels.elf import SharedObject

SYSTEM = [
    path
    for folder in ("/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib/aarch64-linux-gnu")
    for path in sorted(Path(folder).glob("lib*.so*"))
    if path.is_file() and not path.is_symlink() and path.read_bytes()[:4] == b"\x7fELF"
][::3]
"""Every third library of this machine; all of them agreed when this was written."""


def parse(path: Path) -> SharedObject:
    """Return *path* parsed whole."""
    with FileImage(path) as image:
        return parse_shared_object(image, exports=True)


def test_front_of_system_libraries_is_right_or_declined() -> None:
    """On every library of this machine: the same symbols, or no answer."""
    agreed, declined = 0, []
    for path in SYSTEM:
        body = path.read_bytes()
        try:
            front = parse_front(lambda size, body=body: body[:size], label=path.name)
        except NotInFrontError:
            declined.append(path.name)
            continue
        whole = parse(path)
        assert front.undefined == whole.undefined, path
        assert front.exported == whole.exported, path
        assert front.versions == whole.versions, path
        assert set(whole.needed) <= set(front.needed) | {whole.soname}, path
        agreed += 1

    assert agreed > len(SYSTEM) // 3


def test_extension_is_read_from_its_first_part(tmp_path: Path) -> None:
    """Code and data behind the tables are never asked for."""
    names = [f"_ZN2at4call{number}Ev" for number in range(300)]
    code = use(*names, "malloc") + "const char pad[4000000] = {1};\n"
    path = compile_shared(tmp_path / "_C.so", code)
    body = path.read_bytes()
    asked: list[int] = []

    def read_prefix(size: int) -> bytes:
        asked.append(size)
        return body[:size]

    front = parse_front(read_prefix, label="pkg/_C.so")

    assert front.undefined == parse(path).undefined
    assert front.needed == parse(path).needed
    assert max(asked) <= 1 << 17


def test_moved_tables_are_not_guessed(tmp_path: Path) -> None:
    """A file whose hash table is elsewhere is left to the reader of whole files."""
    path = compile_shared(tmp_path / "libm.so", define("one") + use("two"))
    body = path.read_bytes()
    start = body.index(b"\0one\0") if b"\0one\0" in body else body.index(b"\0entry\0")
    moved = body[: start // 2] + b"\0" * 64 + body[start // 2 + 64 :]

    with pytest.raises(NotInFrontError):
        parse_front(lambda size: moved[:size], label="libm.so")


def test_sysv_hash_table_is_not_guessed(tmp_path: Path) -> None:
    """Without a GNU hash table there is no shape to recognise."""
    path = compile_shared(tmp_path / "lib.so", use("two"), flags=["-Wl,--hash-style=sysv"])
    body = path.read_bytes()

    with pytest.raises(NotInFrontError):
        parse_front(lambda size: body[:size], label="lib.so")


def test_truncated_front_is_an_error(tmp_path: Path) -> None:
    """A file that ends inside of its tables is truncated, not merely of another shape."""
    names = [f"_ZN2at4call{number}Ev" for number in range(3000)]
    body = compile_shared(tmp_path / "_C.so", use(*names)).read_bytes()[:70_000]

    with pytest.raises(ElfFormatError, match="truncated"):
        parse_front(lambda size: body[:size], label="_C.so")
