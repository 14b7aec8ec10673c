"""For which GPUs there is code is read from files and streams, within what may be read."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.wheels.archive import InstalledTree
from pytest_verlcompat.wheels.fatbin import find_architectures, scan_architectures
from pytest_verlcompat.wheels.gpu_code import read_gpu_code
from pytest_verlcompat.wheels.images import FileImage
from pytest_verlcompat.wheels.zipped import WheelFile
from tests.abi_objects import compile_shared, define, gpu_code

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_verlcompat.wheels.archive import FileTree

EVERYTHING = ("sm_75", "sm_90", "sm_90a", "sm_100f", "compute_120")


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """Return an object with code for several GPUs, in two containers."""
    return compile_shared(tmp_path / "ext" / "_C.so", gpu_code(*EVERYTHING) + define("one"))


class Elsewhere(WheelFile):
    """A wheel that is not on this disk, as far as a reader knows."""


def test_letters_of_an_architecture_are_told(library: Path) -> None:
    """``a`` and ``f`` bind code to a device or a family."""
    with FileImage(library) as image:
        assert find_architectures(image) == EVERYTHING


@pytest.mark.parametrize("chunk_bytes", [1, 7, 64, 4096, 1 << 20])
def test_stream_tells_the_same_as_the_file(library: Path, chunk_bytes: int) -> None:
    """However the pieces are cut."""
    body = library.read_bytes()
    chunks = (body[start : start + chunk_bytes] for start in range(0, len(body), chunk_bytes))

    assert scan_architectures(chunks) == EVERYTHING


def test_object_without_section_headers_is_searched(library: Path) -> None:
    """Stripped headers hide nothing."""
    body = bytearray(library.read_bytes())
    body[40:48], body[58:64] = bytes(8), bytes(6)
    library.write_bytes(bytes(body))
    with FileImage(library) as image:
        assert find_architectures(image) is None
    with InstalledTree(library.parent) as tree:
        assert read_gpu_code(tree).architectures == {"_C.so": EVERYTHING}


def _wheel(tmp_path: Path, library: Path) -> Path:
    path = tmp_path / "ext-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(library, "ext/_C.so")
        archive.writestr("ext/plain.so", compile_shared(tmp_path / "p.so", "").read_bytes())
        archive.writestr("ext/text.so", "text")
    return path


def test_wheel_on_disk_is_read_whole(library: Path, tmp_path: Path) -> None:
    """Nothing has to be fetched, so nothing is left out."""
    with WheelFile(_wheel(tmp_path, library)) as wheel:
        found = read_gpu_code(wheel, limit_bytes=0)

    assert found.architectures["ext/_C.so"] == EVERYTHING
    assert found.architectures["ext/plain.so"] == ()
    assert found.is_whole


def test_what_costs_too_much_is_named_with_its_cost(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unknown is not empty, and the smaller objects are read all the same."""
    monkeypatch.setattr("pytest_verlcompat.wheels.gpu_code.WheelFile", _Nothing)
    with Elsewhere(_wheel(tmp_path, library)) as wheel:
        cost = wheel.member("ext/_C.so").compressed_bytes
        tree: FileTree = wheel
        found = read_gpu_code(tree, limit_bytes=cost - 1)

    assert found.unread == {"ext/_C.so": cost}
    assert "ext/_C.so" not in found.architectures
    assert not found.is_whole


def test_loose_kernels_are_told_by_their_names(tmp_path: Path) -> None:
    """A wheel of kernels without a shared object still says for which GPUs it is."""
    path = tmp_path / "cubin-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("gemm_sm100f.cubin", "fmha_Sm90a_x.cubin", "notes_sm80.txt"):
            archive.writestr(f"cubin/{name}", b"")
    with WheelFile(path) as wheel:
        found = read_gpu_code(wheel)

    assert found.architectures == {"2 files *.cubin, by their names": ("sm_90a", "sm_100f")}


class _Nothing:
    """No wheel is of this class."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["arch=compute_80,code=sm_80"], ("sm_80",)),
        (["arch=compute_90a,code=sm_90a"], ("sm_90a",)),
        (["arch=compute_90a,code=compute_90a"], ("compute_90a",)),
        (["arch=compute_100f,code=sm_100f"], ("sm_100f",)),
        (
            ["arch=compute_75,code=sm_75", "arch=compute_90,code=[sm_90,compute_90]"],
            ("sm_75", "compute_90", "sm_90"),
        ),
    ],
)
def test_what_the_compiler_was_asked_for_is_found(
    tmp_path: Path, flags: list[str], expected: tuple[str, ...]
) -> None:
    """The vendor's own compiler is the oracle of the format nobody documents."""
    compiler = shutil.which("nvcc")
    if compiler is None:
        pytest.skip("needs nvcc")
    source = tmp_path / "k.cu"
    source.write_text("__global__ void k(float *x) { x[threadIdx.x] += 1; }\n")
    target = tmp_path / "k.so"
    wanted = [word for flag in flags for word in ("-gencode", flag)]
    subprocess.run(
        [compiler, "-shared", "-Xcompiler", "-fPIC", *wanted, "-o", target, source],
        check=True,
        capture_output=True,
        timeout=120,
    )

    with FileImage(target) as image:
        assert find_architectures(image) == expected
    assert scan_architectures([target.read_bytes()]) == expected
