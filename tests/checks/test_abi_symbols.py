"""Findings say which symbol is missing, who has it, and what the extension was built for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.checks.abi_symbols import (
    check,
    find_abi_range,
    find_pin_mismatch,
    is_locked,
    render_versions,
)
from pytest_verlcompat.model.finding import Finding, Weight
from pytest_verlcompat.wheels.archive import InstalledTree
from pytest_verlcompat.wheels.exports import (
    TorchExports,
    load_exports,
    merge_exports,
)
from pytest_verlcompat.wheels.needs import WheelNeeds, read_file_needs
from pytest_verlcompat.wheels.torch_release import read_release
from tests.abi_objects import NEW_CHECK, OLD_CHECK, build_extension, build_torch

if TYPE_CHECKING:
    from pathlib import Path

KNOWN = ("2.8.0", "2.9.1", "2.10.0")


@pytest.fixture(scope="module")
def torch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an installed torch to link to."""
    return build_torch(tmp_path_factory.mktemp("torch"))


@pytest.fixture(scope="module")
def exports(torch: Path, tmp_path_factory: pytest.TempPathFactory) -> TorchExports:
    """Return a table of three releases."""
    new = build_torch(tmp_path_factory.mktemp("new"), check=NEW_CHECK)
    trees = {"2.8.0": torch, "2.9.1": torch, "2.10.0": new}
    added = [
        read_release(InstalledTree(folder), version=version, sha256=None)
        for version, folder in trees.items()
    ]
    return merge_exports(TorchExports((), names=(), places=()), added)


def needs_of(folder: Path, torch: Path, *names: str) -> WheelNeeds:
    """Return the needs of an extension that was compiled with these undefined names."""
    path = build_extension(folder, needs=names, torch=torch)
    extension = read_file_needs(path, name="ext/_C.so")
    return WheelNeeds(label="ext.whl", extensions=(extension,), torch_pin=None, problems=())


def findings(needs: WheelNeeds, exports: TorchExports, torch: str) -> list[Finding]:
    """Return what the check says."""
    return list(check(needs, exports=exports, torch=torch, consumer="ext 1.0"))


def test_extension_that_finds_everything_has_no_finding(
    tmp_path: Path, torch: Path, exports: TorchExports
) -> None:
    """No news is good news, on each release that fits."""
    needs = needs_of(tmp_path, torch, OLD_CHECK, "_ZN2at5emptyEv")

    assert findings(needs, exports, "2.8.0") == []
    assert findings(needs, exports, "2.9.1") == []


def test_missing_symbol_is_explained(tmp_path: Path, torch: Path, exports: TorchExports) -> None:
    """The line that people search for, then both signatures with their releases."""
    (found,) = findings(needs_of(tmp_path, torch, OLD_CHECK), exports, "2.10.0")

    assert found.weight is Weight.BROKEN
    assert found.cause.first_line == f"ext/_C.so: undefined symbol: {OLD_CHECK}"
    assert found.cause.detail == (
        "c10::cuda::c10_cuda_check_implementation(int, char const*, char const*, int, bool)\n"
        "  exported by torch 2.8.0-2.9.1 (libc10_cuda.so)\n"
        "  as c10::cuda::c10_cuda_check_implementation(int, char const*, char const*, "
        "unsigned int, bool): exported by torch 2.10.0 (libc10_cuda.so)\n"
        "built for torch 2.8.0-2.9.1: only there every symbol of it is exported"
    )
    assert (found.since, found.until) == ("2.10.0", "2.10.0")
    assert (found.consumer, found.provider) == ("ext 1.0", "torch 2.10.0")


def test_symbol_that_nobody_exports_is_said_to_be_so(
    tmp_path: Path, torch: Path, exports: TorchExports
) -> None:
    """Built for a torch that is not in the table: no release is made up."""
    needs = needs_of(tmp_path, torch, "_ZN2at7unknownEv", OLD_CHECK)
    (found,) = findings(needs, exports, "2.9.1")

    assert "exported by no torch release known here" in (found.cause.detail or "")
    assert "no release known here exports every symbol" in (found.cause.detail or "")
    assert (found.since, found.until) == ("2.8.0", "2.10.0")


def test_build_for_another_torch_is_not_asked(tmp_path: Path, torch: Path) -> None:
    """Of several builds in one wheel each release has its own."""
    old = build_extension(tmp_path, needs=[OLD_CHECK], torch=torch, name="libx_torch29-cpu.so")
    new = build_extension(tmp_path, needs=[NEW_CHECK], torch=torch, name="libx_torch210-cpu.so")
    extensions = (read_file_needs(old), read_file_needs(new))
    wheel = WheelNeeds(label="x", extensions=extensions, torch_pin=None, problems=())
    shipped = load_exports()

    assert list(check(wheel, exports=shipped, torch="2.9.1", consumer="x 1")) == []
    assert list(check(wheel, exports=shipped, torch="2.10.0+cu128", consumer="x 1")) == []
    assert "2.10.0" in find_abi_range(extensions, exports=shipped)


def test_kernel_that_was_not_built_is_nobody_elses_fault(
    tmp_path: Path, torch: Path, exports: TorchExports
) -> None:
    """A name of its own that nothing gives, but not where another library might give it."""
    needs = needs_of(tmp_path, torch, OLD_CHECK, "run_mha_fwd", "dlopen")
    (extension,) = needs.extensions
    linked = replace(extension, needed=(*extension.needed, "libhelp.so"))

    (found,) = findings(needs, exports, "2.9.1")

    assert found.cause.first_line == "ext/_C.so: undefined symbol: run_mha_fwd"
    assert found.provider == "its own build"
    assert findings(replace(needs, extensions=(linked,)), exports, "2.9.1") == []


def test_driver_and_python_are_not_asked_of_torch(
    tmp_path: Path, torch: Path, exports: TorchExports
) -> None:
    """A machine without a GPU gives the same verdict."""
    needs = needs_of(tmp_path, torch, OLD_CHECK, "cuInit", "PyList_New", "malloc")

    assert findings(needs, exports, "2.9.1") == []


def test_other_cuda_major_is_a_finding_of_its_own(
    tmp_path: Path, torch: Path, exports: TorchExports
) -> None:
    """The loader looks for libraries first, so this is what it would say."""
    path = build_extension(tmp_path, needs=["_ZN2at5emptyEv"], torch=torch)
    extension = replace(read_file_needs(path, name="ext/_C.so"), cuda=(12,))
    extension = replace(extension, needed=(*extension.needed, "libcudart.so.12"))
    needs = WheelNeeds(label="ext", extensions=(extension,), torch_pin=None, problems=())

    (found,) = findings(needs, exports, "2.9.1+cu130")

    assert found.code == "other-cuda-major"
    assert found.cause.first_line.startswith("ext/_C.so: libcudart.so.12: cannot open")
    assert findings(needs, exports, "2.9.1+cu128") == []


def test_torch_that_was_read_without_cuda_is_said_to_be_so(tmp_path: Path, torch: Path) -> None:
    """The index serves torch 2.9 for aarch64 without CUDA, and others serve it with."""
    needs = needs_of(tmp_path, torch, OLD_CHECK)
    extension = replace(needs.extensions[0], machine="aarch64", cuda=(12,))
    wheel = replace(needs, extensions=(extension,))
    exports = load_exports("aarch64")

    (found,) = check(wheel, exports=exports, torch="2.9.0", consumer="ext 1.0")

    detail = found.cause.detail or ""
    assert detail.endswith("has no CUDA; a build with CUDA from another index is not known here")
    assert "aarch64.whl" in detail


def test_unreadable_object_is_unknown_not_good(exports: TorchExports) -> None:
    """What could not be read is said, and reddens nothing."""
    needs = WheelNeeds(label="x", extensions=(), torch_pin=None, problems=("a.so: damaged",))
    (found,) = findings(needs, exports, "2.9.1")

    assert (found.weight, found.cause.first_line) == (Weight.UNKNOWN, "a.so: damaged")


@pytest.mark.parametrize(
    "case",
    [
        ([OLD_CHECK], ("2.8.0", "2.9.1"), "to a range: 2.8.0-2.9.1"),
        ([NEW_CHECK], ("2.10.0",), "yes: to 2.10"),
        (["_ZN2at5emptyEv"], KNOWN, "to a range: 2.8.0-2.10.0"),
        (["_ZN2at4goneEv"], (), "yes: to a torch not known here"),
        (["PyList_New"], KNOWN, "no: binds to nothing of torch"),
    ],
    ids=lambda case: case[2],
)
def test_locked_to_torch_is_answered_in_words(
    tmp_path: Path,
    torch: Path,
    *,
    exports: TorchExports,
    case: tuple[list[str], tuple[str, ...], str],
) -> None:
    """The column of the table."""
    names, fits, locked = case
    needs = needs_of(tmp_path, torch, *names)
    found = find_abi_range(needs.extensions, exports=exports)

    assert found == fits
    assert is_locked(needs.extensions, fits=found, known=KNOWN) == locked


@pytest.mark.parametrize(
    ("pin", "expected"),
    [
        ("==2.9.1", ((), ("2.8.0",))),
        (">=2.8", (("2.10.0",), ())),
        ("", (("2.10.0",), ())),
        (None, ((), ())),
        ("not a specifier", ((), ())),
    ],
)
def test_pin_is_compared_with_the_symbols(
    pin: str | None, expected: tuple[tuple[str, ...], tuple[str, ...]]
) -> None:
    """Where metadata and symbols disagree, both directions are told."""
    assert find_pin_mismatch(pin, fits=("2.8.0", "2.9.1"), known=KNOWN) == expected


def test_versions_are_shown_as_ranges_of_neighbours() -> None:
    """A gap is a gap among the known releases, not among numbers."""
    assert render_versions(["2.8.0", "2.9.1"], KNOWN) == "2.8.0-2.9.1"
    assert render_versions(["2.8.0", "2.10.0"], KNOWN) == "2.8.0, 2.10.0"
    assert render_versions([], KNOWN) == ""
