"""The table of exports answers by name, is written compactly, and holds known history."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.errors import UsageError, WheelFormatError
from pytest_verlcompat.wheels.archive import InstalledTree
from pytest_verlcompat.wheels.exports import (
    TorchExports,
    is_bindable,
    load_exports,
    merge_exports,
    parse_exports,
    reach,
    render_exports,
)
from pytest_verlcompat.wheels.torch_release import read_release
from tests.abi_objects import NEW_CHECK, OLD_CHECK, build_torch, compile_shared

if TYPE_CHECKING:
    from pathlib import Path

EMPTY = TorchExports((), names=(), places=())


@pytest.fixture(scope="module")
def two_releases(tmp_path_factory: pytest.TempPathFactory) -> TorchExports:
    """Return a table of two releases that differ in one function's parameter."""
    read = [
        read_release(
            InstalledTree(build_torch(tmp_path_factory.mktemp(version), check=check)),
            version=version,
            sha256=None,
        )
        for version, check in (("2.10.0", NEW_CHECK), ("2.9.1", OLD_CHECK))
    ]
    return merge_exports(EMPTY, read)


def test_releases_are_in_version_order(two_releases: TorchExports) -> None:
    """2.10 is younger than 2.9."""
    assert two_releases.versions == ("2.9.1", "2.10.0")


def test_name_is_answered_with_library_and_releases(two_releases: TorchExports) -> None:
    """Who exports a name, and since and until when."""
    assert two_releases.exporters(OLD_CHECK) == {"libc10_cuda.so": ("2.9.1",)}
    assert two_releases.releases_with("_ZN2at5emptyEv") == ("2.9.1", "2.10.0")
    assert two_releases.exporters("_ZN2at5emptyEvx") == {}


def test_other_signatures_of_a_function_are_found(two_releases: TorchExports) -> None:
    """The reader of a missing name sees what became of it."""
    assert two_releases.relatives(OLD_CHECK) == (NEW_CHECK,)
    assert two_releases.relatives("_ZN3c105ErrorD1Ev") == ()
    assert two_releases.relatives("torch_call_dispatcher") == ()


def test_symbol_of_a_library_that_is_not_linked_is_missing(two_releases: TorchExports) -> None:
    """Exported is not enough; the loader must come by that library."""
    release = two_releases.release("2.9.1")

    def missing(*needed: str) -> tuple[str, ...]:
        names = ["_ZN2at5emptyEv", "_ZN3c105ErrorD1Ev", "THPVariable_Wrap"]
        return two_releases.missing(names, needed=needed, release=release)

    assert missing("libtorch_python.so") == ()
    assert missing("libtorch.so", "libother.so") == ("THPVariable_Wrap",)
    assert missing("libc10.so") == ("_ZN2at5emptyEv", "THPVariable_Wrap")
    assert missing() == ("_ZN2at5emptyEv", "_ZN3c105ErrorD1Ev", "THPVariable_Wrap")


def test_libraries_that_need_each_other_end() -> None:
    """A loop of DT_NEEDED is walked once."""
    libraries = {"a": ("b",), "b": ("a", "libc.so.6")}

    assert reach(["a"], libraries) == {"a", "b"}


def test_table_survives_writing_and_reading(two_releases: TorchExports) -> None:
    """What was written is read again, and writing it again gives the same bytes."""
    body = render_exports([two_releases])
    again = parse_exports(body)["x86_64"]

    assert again.releases == two_releases.releases
    assert again.exporters(OLD_CHECK) == two_releases.exporters(OLD_CHECK)
    assert render_exports([again]) == body


def test_list_of_architectures_is_read_from_torch_itself(tmp_path: Path) -> None:
    """The text stands in torch_python, whatever stands before it."""
    site = build_torch(tmp_path)
    code = 'const char text[] = "std::string ipc_hsm_70 sm_90 sm_100a compute_120 ";'
    compile_shared(site / "torch" / "lib" / "libtorch_python.so", code)

    read = read_release(InstalledTree(site), version="3.0", sha256=None)

    assert read.release.architectures == ("sm_70", "sm_90", "sm_100a", "compute_120")
    assert load_exports().release("2.15.0").architectures[0] == "sm_75"
    assert load_exports().release("2.15.0+cu126").architectures == ()


def test_release_is_replaced_not_doubled(two_releases: TorchExports, tmp_path: Path) -> None:
    """Reading a release again forgets what it no longer exports."""
    tree = InstalledTree(build_torch(tmp_path, check=NEW_CHECK))
    merged = merge_exports(two_releases, [read_release(tree, version="2.9.1", sha256=None)])

    assert merged.versions == ("2.9.1", "2.10.0")
    assert merged.exporters(OLD_CHECK) == {}
    assert merged.releases_with(NEW_CHECK) == ("2.9.1", "2.10.0")


@pytest.mark.parametrize("body", [b"", b"garbage", b"\xfd7zXZ\0"], ids=["empty", "text", "cut"])
def test_damaged_table_says_how_to_make_it(body: bytes) -> None:
    """The command that writes it is named."""
    with pytest.raises(WheelFormatError, match="--index-torch"):
        parse_exports(body, label="torch_exports.xz")


@pytest.mark.parametrize(
    ("version", "message"), [("2.99.0", "not known here"), ("v-x", "not a version")]
)
def test_unknown_release_is_never_guessed(version: str, message: str) -> None:
    """No neighbour stands in for a release that was not read."""
    with pytest.raises(UsageError, match=message):
        load_exports().release(version)


@pytest.mark.parametrize(
    ("version", "cuda"),
    [("2.8.0", 12), ("2.8.0+cu126", 12), ("2.9.1+cu130", 13), ("2.8.0+cpu", None)],
)
def test_local_label_tells_the_cuda_of_a_build(version: str, cuda: int | None) -> None:
    """Builds of one release differ in CUDA, not in the symbols of torch."""
    assert load_exports().release(version).cuda == cuda


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        (OLD_CHECK, True),
        ("_ZN3c10lsERSoNS_10DeviceTypeE", True),
        ("aoti_torch_empty_strided", True),
        ("_Z16THPVariable_WrapRKN2at10TensorBaseE", True),
        ("_ZZN2at6native3addEvE1x", False),
        ("_ZN2at6native12_GLOBAL__N_13runEv", False),
        ("mkl_blas_sgemm", False),
        ("_ZN4gloo4SendEv", False),
    ],
)
def test_only_bindable_names_are_kept(name: str, kept: bool) -> None:  # noqa: FBT001 -- a table of cases
    """Locals, unnamed namespaces and libraries linked into torch are no interface."""
    assert is_bindable(name) is kept


def test_shipped_table_is_small_and_knows_the_break_of_torch_2_10() -> None:
    """The int of c10_cuda_check_implementation became unsigned in 2.10."""
    path = resources.files("pytest_verlcompat.wheels") / "data" / "torch_exports.xz"
    exports = load_exports()

    assert len(path.read_bytes()) < 2 << 20
    assert len(exports.versions) >= 18
    assert exports.versions[0] == "2.4.0"
    assert exports.releases_with(OLD_CHECK)[-1] == "2.9.1"
    assert exports.releases_with(NEW_CHECK)[0] == "2.10.0"
    assert NEW_CHECK in exports.relatives(OLD_CHECK)
