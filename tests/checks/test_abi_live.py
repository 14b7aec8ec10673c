"""An installed environment is judged in place, without loading anything of it."""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_verlcompat.checks.abi_distributions import is_for_another_torch
from pytest_verlcompat.checks.abi_live import LiveReport, check_installed
from pytest_verlcompat.errors import WheelFormatError
from pytest_verlcompat.model.finding import Weight
from tests.abi_objects import (
    NEW_CHECK,
    OLD_CHECK,
    build_extension,
    build_torch,
    compile_shared,
    link,
    record,
    use,
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a torch to copy."""
    return build_torch(tmp_path_factory.mktemp("built"), version="2.9.1+cu128")


@pytest.fixture
def site(built: Path, tmp_path: Path) -> Path:
    """Return a site-packages with torch and nothing that binds to it."""
    return Path(shutil.copytree(built, tmp_path / "site-packages"))


def install(site: Path, *needs: str, name: str = "ext/_C.so") -> None:
    """Install an extension with these undefined names as the distribution ``ext 1.0``."""
    build_extension(site, needs=needs, torch=site, name=name)
    record(site, name="ext", version="1.0", files=[name, "ext/__init__.py"])


def lines(report: LiveReport) -> list[str]:
    """Return the first line of each finding."""
    return [finding.cause.first_line for finding in report.findings]


def test_extension_of_this_torch_has_no_finding(site: Path) -> None:
    """Everything is found where the loader would find it."""
    install(site, OLD_CHECK, "_ZN2at5emptyEv", "malloc", "PyList_New")
    report = check_installed(site)

    assert lines(report) == []
    assert report.judged == ("ext/_C.so",)
    assert report.torch == "2.9.1+cu128"


def test_extension_of_another_torch_is_found(site: Path) -> None:
    """The missing name comes demangled, with the distribution that needs it."""
    install(site, NEW_CHECK)
    (finding,) = check_installed(site).findings

    assert finding.cause.first_line == f"ext/_C.so: undefined symbol: {NEW_CHECK}"
    assert "unsigned int, bool" in (finding.cause.detail or "")
    assert "exported by torch 2.10.0-" in (finding.cause.detail or "")
    assert (finding.since, finding.until) == ("2.4.0", "2.9.1")
    assert (finding.consumer, finding.provider) == ("ext 1.0", "torch 2.9.1+cu128")


def test_builds_for_other_releases_of_torch_are_left_alone(site: Path) -> None:
    """Of several builds of one extension only the one that would be loaded is judged."""
    broken, right = "ext/libaddon_torch28-cpu.so", "ext/libaddon_torch29-cpu.so"
    build_extension(site, needs=[NEW_CHECK], torch=site, name=broken)
    build_extension(site, needs=[OLD_CHECK], torch=site, name=right)
    record(site, name="ext", version="1.0", files=[broken, right])

    report = check_installed(site)

    assert report.judged == (right,)
    assert lines(report) == []


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("ext/libaddon_torch29-cpu.so", False),
        ("ext/libaddon_torch2.9.so", False),
        ("ext/libaddon_torch210-cuda.so", True),
        ("ext/libaddon_torch24-cpu.so", True),
        ("ext/_C_stable_libtorch.abi3.so", False),
        ("torch24/ext.so", False),
    ],
)
def test_name_tells_for_which_torch_it_was_built(name: str, *, other: bool) -> None:
    """A tag in the file name counts, a tag in a folder name and no tag do not."""
    assert is_for_another_torch(name, "2.9.1+cu128") is other


def test_library_that_torch_opens_by_name_is_there(site: Path) -> None:
    """What ``import torch`` preloads is found without a path of the extension's own."""
    nvrtc = compile_shared(
        site / "nvidia" / "cu13" / "lib" / "libnvrtc.so.13",
        "int nvrtcVersion(void) { return 0; }",
        flags=["-Wl,-soname,libnvrtc.so.13"],
    )
    libraries = [nvrtc, site / "torch" / "lib" / "libtorch.so"]
    compile_shared(site / "ext" / "_C.so", use("_ZN2at5emptyEv"), flags=link(*libraries))
    record(site, name="ext", version="1.0", files=["ext/_C.so"])
    before = lines(check_installed(site))
    (site / "torch" / "__init__.py").write_text(
        'LIBRARIES = [("cuda_nvrtc", "libnvrtc.so.*[0-9]")]\n', encoding="utf-8"
    )

    after = lines(check_installed(site))

    assert before == ["libnvrtc.so.13: cannot open shared object file: No such file or directory"]
    assert after == []


def test_symbol_of_a_library_that_is_not_linked_is_missing(site: Path) -> None:
    """libtorch_python is there, but this extension does not ask the loader for it."""
    install(site, "THPVariable_Wrap")

    assert lines(check_installed(site)) == ["ext/_C.so: undefined symbol: THPVariable_Wrap"]


def test_sibling_gives_what_it_exports(site: Path) -> None:
    """A helper library of the distribution itself is found beside the extension."""
    helper = compile_shared(site / "ext" / "libhelp.so", "int _ZN2at6helperEv(void){return 0;}")
    libraries = [helper, site / "torch" / "lib" / "libtorch.so"]
    flags = [*link(*libraries), "-Wl,-rpath,$ORIGIN"]
    compile_shared(site / "ext" / "_C.so", use("_ZN2at6helperEv", "_ZN2at5emptyEv"), flags=flags)
    record(site, name="ext", version="1.0", files=["ext/_C.so", "ext/libhelp.so"])

    assert lines(check_installed(site)) == []


def test_kernel_that_was_not_built_is_missing(site: Path) -> None:
    """A name of its own that nothing gives keeps it from loading as well."""
    install(site, OLD_CHECK, "_ZN5flash12run_mha_fwd_Ev", "dlopen")
    (finding,) = check_installed(site).findings

    assert finding.cause.first_line == "ext/_C.so: undefined symbol: _ZN5flash12run_mha_fwd_Ev"
    assert (finding.provider, finding.weight) == ("its own build", Weight.BROKEN)


def test_driver_is_not_judged(site: Path, tmp_path: Path) -> None:
    """libcuda.so.1 and its names are nobody's fault here, on any machine."""
    driver = compile_shared(tmp_path / "libcuda.so.1", "int cuInit(void){return 0;}")
    flags = link(driver, site / "torch" / "lib" / "libtorch.so")
    compile_shared(site / "ext" / "_C.so", use("cuInit", "_ZN2at5emptyEv"), flags=flags)
    record(site, name="ext", version="1.0", files=["ext/_C.so"])

    assert lines(check_installed(site)) == []


def test_library_of_another_cuda_is_missing(site: Path, tmp_path: Path) -> None:
    """Neither torch nor the extension brings it."""
    cudart = compile_shared(tmp_path / "libcudart.so.99", "int cudaMalloc(void){return 0;}")
    flags = link(cudart, site / "torch" / "lib" / "libtorch.so")
    compile_shared(site / "ext" / "_C.so", use("_ZN2at5emptyEv"), flags=flags)
    record(site, name="ext", version="1.0", files=["ext/_C.so"])
    (finding,) = check_installed(site).findings

    assert finding.code == "missing-library"
    assert finding.weight is Weight.BROKEN
    assert finding.cause.first_line.startswith("libcudart.so.99: cannot open shared object")


def test_library_of_others_is_only_suspect(site: Path, tmp_path: Path) -> None:
    """Optional features ask for libraries that few machines have."""
    sox = compile_shared(tmp_path / "libsox.so.3", "int sox_open(void){return 0;}")
    flags = link(sox, site / "torch" / "lib" / "libtorch.so")
    compile_shared(site / "ext" / "_C.so", use("_ZN2at5emptyEv"), flags=flags)
    record(site, name="ext", version="1.0", files=["ext/_C.so"])
    (finding,) = check_installed(site).findings

    assert (finding.code, finding.weight) == ("missing-library", Weight.SUSPECT)


def test_old_nccl_is_found_out_through_torch(site: Path) -> None:
    """libtorch_cuda itself asks for a name that this libnccl does not have."""
    nccl = site / "nvidia" / "nccl" / "lib" / "libnccl.so.2"
    compile_shared(nccl, "int ncclSend(void){return 0;}")
    lib = site / "torch" / "lib"
    where = "-Wl,-rpath,$ORIGIN:$ORIGIN/../../nvidia/nccl/lib"
    flags = [*link(nccl, lib / "libc10_cuda.so", lib / "libtorch_cpu.so"), where]
    code = use("ncclSend", "ncclCommWindowRegister")
    compile_shared(lib / "libtorch_cuda.so", code, flags=flags)

    (finding,) = check_installed(site).findings

    assert finding.cause.first_line == (
        "torch/lib/libtorch_cuda.so: undefined symbol: ncclCommWindowRegister"
    )
    assert finding.provider == "the installed NCCL"


def test_newer_glibc_is_a_floor(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On an older machine the same files do not load."""
    install(site, "_ZN2at5emptyEv", "malloc")
    monkeypatch.setattr("platform.libc_ver", lambda: ("glibc", "2.2"))
    (finding,) = check_installed(site).findings

    assert finding.code == "glibc-floor"
    assert finding.provider == "glibc 2.2"
    assert "(required by ext/_C.so)" in finding.cause.first_line


@pytest.mark.parametrize("kind", ["gone", "text", "loop", "cut"])
def test_unreadable_object_does_not_hide_the_rest(site: Path, kind: str) -> None:
    """One clear finding for it, and the other extension is judged."""
    install(site, NEW_CHECK)
    bad = site / "bad" / "_B.so"
    bad.parent.mkdir()
    if kind == "text":
        bad.write_text("not an object")
    elif kind == "loop":
        bad.symlink_to(bad)
    elif kind == "cut":
        bad.write_bytes((site / "ext" / "_C.so").read_bytes()[:900])
    record(site, name="bad", version="1.0", files=["bad/_B.so"])

    found = check_installed(site).findings

    assert [finding.code for finding in found] == ["unreadable-extension", "undefined-symbol"]
    assert found[0].weight is Weight.UNKNOWN
    assert found[0].cause.first_line.startswith("bad/_B.so: ")


def test_damaged_library_of_torch_is_told_and_the_rest_is_judged(site: Path) -> None:
    """Tables that point out of the file end one look, not the check."""
    install(site, OLD_CHECK)
    library = site / "torch" / "lib" / "libc10_cuda.so"
    body = bytearray(library.read_bytes())
    place = next(
        start
        for start in range(0, len(body) - 24, 8)
        if struct.unpack_from("<Q", body, start)[0] == 6
        and struct.unpack_from("<Q", body, start + 16)[0] == 10
    )
    body[place + 8 : place + 16] = struct.pack("<Q", 1 << 60)
    library.write_bytes(bytes(body))

    found = check_installed(site).findings

    assert {finding.code for finding in found} == {"unreadable-extension"}
    assert any(finding.consumer == "ext 1.0" for finding in found)


def test_environment_without_torch_has_nothing_to_judge(tmp_path: Path) -> None:
    """It is said, and it is no finding."""
    report = check_installed(tmp_path)

    assert (report.torch, report.judged, report.findings) == (None, (), ())


def test_missing_folder_is_the_callers_mistake(tmp_path: Path) -> None:
    """There is nothing to read."""
    with pytest.raises(WheelFormatError, match="not a folder"):
        check_installed(tmp_path / "nothing")


def test_live_check_needs_nothing_that_the_plugin_does_not_install() -> None:
    """In the environment under test there is no requests, pypi-simple or pyelftools."""
    code = (
        "import sys\n"
        "import pytest_verlcompat.checks.abi_live\n"
        "heavy = {'requests', 'pypi_simple', 'elftools', 'itanium_demangler', 'jinja2'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )

    assert ended.stdout.strip() == "[]"
