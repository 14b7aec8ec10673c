"""Dynamic tables are read like pyelftools reads them, and damaged ones refused."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from elftools.elf.elffile import ELFFile

from pytest_verlcompat.errors import ElfFormatError
from pytest_verlcompat.wheels.elf import GnuHash, Tables, parse_shared_object
from pytest_verlcompat.wheels.images import FileImage, SparseImage, keep_loaded_parts
from tests.abi_objects import compile_shared, define, link, use

if TYPE_CHECKING:
    from pytest_verlcompat.wheels.elf import SharedObject

SYSTEM = [
    path
    for folder in ("/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib/aarch64-linux-gnu")
    for path in sorted(Path(folder).glob("lib[a-d]*.so*"))
    if path.is_file() and not path.is_symlink() and path.read_bytes()[:4] == b"\x7fELF"
][:12]


def parse(path: Path) -> SharedObject:
    """Return *path* parsed with its exports."""
    with FileImage(path) as image:
        return parse_shared_object(image, exports=True)


def oracle(path: Path) -> tuple[list[str], set[str], list[str]]:
    """Return undefined and exported names, and DT_NEEDED, as pyelftools reads them."""
    with path.open("rb") as stream:
        elf = ELFFile(stream)
        undefined, exported = [], set()
        for symbol in elf.get_section_by_name(".dynsym").iter_symbols():
            bind = symbol["st_info"]["bind"]
            if not symbol.name or bind not in {"STB_GLOBAL", "STB_WEAK", "STB_LOOS"}:
                continue
            if symbol["st_shndx"] == "SHN_UNDEF":
                undefined.append(symbol.name)
            elif symbol["st_other"]["visibility"] in {"STV_DEFAULT", "STV_PROTECTED"}:
                exported.add(symbol.name)
        dynamic = elf.get_section_by_name(".dynamic")
        needed = [tag.needed for tag in dynamic.iter_tags() if tag.entry.d_tag == "DT_NEEDED"]
    return undefined, exported, needed


@pytest.mark.parametrize("path", SYSTEM, ids=lambda path: path.name)
def test_system_library_reads_like_pyelftools(path: Path) -> None:
    """Names and libraries agree with an independent reader."""
    found = parse(path)
    undefined, exported, needed = oracle(path)

    assert [symbol.name for symbol in found.undefined] == undefined
    assert set(found.exported) == exported
    assert list(found.needed) == needed


def test_versions_and_weakness_are_read(tmp_path: Path) -> None:
    """A libc function carries its version and library, a weak one is marked."""
    code = "void *malloc(unsigned long); __attribute__((weak)) int maybe(void);\n"
    code += "int f(void) { return malloc(1) != 0 && maybe && maybe(); }"
    found = parse(compile_shared(tmp_path / "libv.so", code))
    symbols = {symbol.name: symbol for symbol in found.undefined}

    assert symbols["malloc"].library == "libc.so.6"
    assert (symbols["malloc"].version or "").startswith("GLIBC_")
    assert symbols["maybe"].weak
    assert not symbols["malloc"].weak
    assert found.soname == "libv.so"


@pytest.mark.parametrize("style", ["gnu", "sysv", "both"])
def test_every_hash_style_gives_the_same_symbols(tmp_path: Path, style: str) -> None:
    """Old linkers write another hash table; the symbols are the same."""
    code = define("one", "two", "three") + use("four", "five")
    found = parse(compile_shared(tmp_path / "libh.so", code, flags=[f"-Wl,--hash-style={style}"]))

    assert {"one", "two", "three", "entry"} <= set(found.exported)
    assert {"four", "five"} <= {symbol.name for symbol in found.undefined}


def test_hash_lookup_finds_what_is_exported_and_nothing_else(tmp_path: Path) -> None:
    """Looking up a name is as good as listing all."""
    names = [f"function_{number}" for number in range(500)]
    path = compile_shared(tmp_path / "libmany.so", define(*names) + use("elsewhere"))

    with FileImage(path) as image:
        table = GnuHash(Tables(image))
        found = [name for name in names if table.exports(name)]
        wrong = [name for name in names if table.exports(name + "x")]
        undefined = table.exports("elsewhere")

    assert found == names
    assert wrong == []
    assert not undefined


def test_stripped_section_headers_change_nothing(tmp_path: Path) -> None:
    """The loader needs no section headers, and neither does the reader."""
    path = compile_shared(tmp_path / "libs.so", define("one") + use("two"))
    before = parse(path)
    body = bytearray(path.read_bytes())
    struct.pack_into("<Q", body, 40, 0)
    struct.pack_into("<HHH", body, 58, 0, 0, 0)
    path.write_bytes(body)

    assert parse(path) == before


def test_stream_keeps_only_what_is_needed(tmp_path: Path) -> None:
    """Megabytes of data pass by, and the tables are read all the same."""
    code = define("one") + use("two") + "const char pad[8000000] = {1};\n"
    path = compile_shared(tmp_path / "libbig.so", code)
    body = path.read_bytes()
    chunks = [body[start : start + 5000] for start in range(0, len(body), 5000)]

    image = keep_loaded_parts(chunks, label="big", part_bytes=1 << 20)

    assert parse_shared_object(image, exports=True) == parse(path)
    assert image.kept_bytes < 1_000_000


def _patched(path: Path, offset: int, packed: bytes) -> None:
    body = bytearray(path.read_bytes())
    body[offset : offset + len(packed)] = packed
    path.write_bytes(body)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ((0, b"\0\0\0\0"), "not an ELF file"),
        ((4, b"\1"), "32-bit"),
        ((5, b"\2"), "big-endian"),
        ((16, b"\1\0"), "not a shared object"),
        ((16, b"\4\0"), "not a shared object"),
        ((32, struct.pack("<Q", 1 << 62)), "outside of the file"),
        ((54, b"\7\0"), "program headers of 7 bytes"),
        ((56, b"\0\0"), "0 program headers"),
        ((56, b"\xff\xff"), "65535 program headers"),
    ],
)
def test_damaged_header_is_one_clear_error(
    tmp_path: Path, change: tuple[int, bytes], message: str
) -> None:
    """What is wrong is said, with the file's name."""
    path = compile_shared(tmp_path / "libd.so", define("one"))
    _patched(path, *change)

    with pytest.raises(ElfFormatError, match=message) as caught:
        parse(path)
    assert caught.value.where == "libd.so"


def _dynamic_entry(path: Path, tag: int) -> int:
    """Return where in the file the value of that entry of ``.dynamic`` stands."""
    body = path.read_bytes()
    (table,) = struct.unpack_from("<Q", body, 32)
    (count,) = struct.unpack_from("<H", body, 56)
    for index in range(count):
        kind, _, offset = struct.unpack_from("<IIQ", body, table + 56 * index)
        if kind == 2:
            while struct.unpack_from("<Q", body, offset)[0] != tag:
                offset += 16
            return offset + 8
    raise AssertionError("no dynamic section")


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        (5, 1 << 60),  # strings
        (6, 1 << 60),  # symbols
        (10, 1 << 40),  # size of the strings
        (10, 1),
        (1, 1 << 30),  # a name outside of the strings
        (0x6FFFFEF5, 1 << 60),  # hash table
        (0x6FFFFFFE, 1 << 60),  # versions
    ],
)
def test_absurd_addresses_and_sizes_are_refused(tmp_path: Path, tag: int, value: int) -> None:
    """No table is believed before it was found inside of the file."""
    code = "void *malloc(unsigned long); void *f(void) { return malloc(1); }"
    path = compile_shared(tmp_path / "liba.so", code)
    _patched(path, _dynamic_entry(path, tag), struct.pack("<Q", value))

    with pytest.raises(ElfFormatError, match=r"^liba\.so: "):
        parse(path)


def test_truncated_anywhere_is_an_error_or_the_same(tmp_path: Path) -> None:
    """Cutting the file never gives another answer."""
    path = compile_shared(tmp_path / "libt.so", define("one") + use("two"), flags=link())
    whole, body = parse(path), path.read_bytes()
    refused = 0

    for size in range(0, len(body), 97):
        try:
            found = parse_shared_object(SparseImage([(0, body[:size])], label="t"), exports=True)
            assert found == whole
        except ElfFormatError:
            refused += 1
    assert refused > 10


@pytest.mark.parametrize("kind", ["folder", "missing", "empty", "loop"])
def test_what_cannot_be_opened_is_named(tmp_path: Path, kind: str) -> None:
    """Neither folders nor loops of links are more than an error."""
    path = tmp_path / "libx.so"
    if kind == "folder":
        path.mkdir()
    elif kind == "empty":
        path.touch()
    elif kind == "loop":
        path.symlink_to(path)

    with pytest.raises(ElfFormatError, match=r"libx\.so: cannot be read"):
        FileImage(path)
