"""The end of a compressed library is read without its middle, or not at all; never wrongly."""

from __future__ import annotations

import random
import zipfile
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.errors import ElfFormatError
from pytest_verlcompat.wheels.elf import parse_exported
from pytest_verlcompat.wheels.ends import EndsImage, EndUnreadableError
from pytest_verlcompat.wheels.images import FileImage
from pytest_verlcompat.wheels.torch_release import read_release
from pytest_verlcompat.wheels.zipped import WheelFile
from tests.abi_objects import compile_shared, define

if TYPE_CHECKING:
    from pathlib import Path

NAME = "torch/lib/libtorch_cpu.so"
DICE = random.Random(6)  # noqa: S311 -- data to compress, nothing secret
WORDS = [f"word{number:04x}" for number in range(4000)]


class CountingWheel(WheelFile):
    """A wheel on disk that counts the compressed bytes it gave."""

    given = 0

    def read_packed(self, name: str, start: int, stop: int) -> bytes:
        """Return them, and add them to ``given``."""
        body = super().read_packed(name, start, stop)
        self.given += len(body)
        return body


def text(size_bytes: int) -> bytes:
    """Return words in random order, which compress to a third."""
    return "".join(DICE.choices(WORDS, k=size_bytes // 8)).encode()


def pack(path: Path, body: bytes, *, method: int = zipfile.ZIP_DEFLATED) -> Path:
    """Return a wheel with that one member."""
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr(NAME, body)
    return path


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an object with its symbols before, and its dynamic section behind 8 MiB of data."""
    folder = tmp_path_factory.mktemp("library")
    (folder / "data").write_bytes(text(8 << 20))
    code = define("_ZN2at5emptyEv", "_ZN2at3addEv")
    code += f'__asm__(".section .rodata\\n.incbin \\"{folder / "data"}\\"\\n.previous");\n'
    return compile_shared(folder / "libtorch_cpu.so", code)


def test_symbols_are_read_without_the_middle(library: Path, tmp_path: Path) -> None:
    """The same names as from the whole file, for a fraction of its bytes."""
    with FileImage(library) as image:
        expected = parse_exported(image)
    with CountingWheel(pack(tmp_path / "torch.whl", library.read_bytes())) as wheel:
        found = parse_exported(EndsImage(wheel, NAME))
        packed = wheel.member(NAME).compressed_bytes

        assert found == expected
        assert 0 < wheel.given < packed // 3


def test_every_byte_of_the_end_is_right(tmp_path: Path) -> None:
    """Blocks that begin in the middle give what the whole stream gives."""
    head = compile_shared(tmp_path / "a.so", define("one")).read_bytes()
    letters = DICE.choices(b"ABCDEFGHIJKLMNOPabcdefghijklmnop", k=6 << 20)
    body = head + bytes(letters)
    with CountingWheel(pack(tmp_path / "torch.whl", body)) as wheel:
        start = len(body) - (1 << 19)

        assert EndsImage(wheel, NAME).read(start, 1 << 19) == body[start:]
        assert 0 < wheel.given < wheel.member(NAME).compressed_bytes // 3


def test_bytes_that_hang_on_the_unread_middle_are_refused(tmp_path: Path) -> None:
    """What is copied over and over from the start is never guessed."""
    head = compile_shared(tmp_path / "a.so", define("one")).read_bytes()
    block = DICE.randbytes(30_000)
    body = head + b"".join(block + text(400) for _ in range(4000))
    with WheelFile(pack(tmp_path / "torch.whl", body)) as wheel:
        image = EndsImage(wheel, NAME)

        with pytest.raises(EndUnreadableError):
            image.read(len(body) - 40_000, 40_000)


def test_file_that_was_stored_is_read_another_way(tmp_path: Path) -> None:
    """Without deflate there is nothing to find the start of."""
    head = compile_shared(tmp_path / "a.so", define("one")).read_bytes()
    path = pack(tmp_path / "torch.whl", head, method=zipfile.ZIP_STORED)
    with WheelFile(path) as wheel, pytest.raises(EndUnreadableError):
        EndsImage(wheel, NAME)


def test_offset_outside_of_the_file_is_an_error(library: Path, tmp_path: Path) -> None:
    """A damaged table cannot ask for what is not there."""
    with WheelFile(pack(tmp_path / "torch.whl", library.read_bytes())) as wheel:
        image = EndsImage(wheel, NAME)

        with pytest.raises(ElfFormatError, match="outside of the file"):
            image.read(1 << 40, 8)


def test_release_is_the_same_by_ends_and_whole(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How a library is read does not change what is known of it."""
    path = tmp_path / "torch-3.0-py3-none-any.whl"
    c10 = compile_shared(tmp_path / "libc10.so", define("_ZN3c105ErrorD1Ev"))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(library, NAME)
        archive.write(c10, "torch/lib/libc10.so")
    with CountingWheel(path) as wheel:
        whole = read_release(wheel, version="3.0", sha256=None)
        monkeypatch.setattr("pytest_verlcompat.wheels.torch_release._WHOLE_BYTES", 1 << 20)
        ends = read_release(wheel, version="3.0", sha256=None)

        assert ends == whole
        assert wheel.given > 0
