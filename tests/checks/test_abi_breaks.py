"""Known changes of layout crash what was built on the other side of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.checks.abi_breaks import SILENT_BREAKS, find_silent_break
from pytest_verlcompat.checks.abi_live import check_installed
from pytest_verlcompat.checks.abi_symbols import check, find_built_for, find_crashes
from pytest_verlcompat.model.finding import Weight
from pytest_verlcompat.wheels.exports import load_exports
from pytest_verlcompat.wheels.needs import WheelNeeds, read_file_needs
from tests.abi_objects import build_extension, build_torch, compile_shared, define, record

if TYPE_CHECKING:
    from pathlib import Path

REGISTERS = "_ZN5torch7LibraryC1ENS0_4KindESsSt8optionalIN3c1011DispatchKeyEEPKcj"


@pytest.mark.parametrize(
    ("built_for", "torch", "expected"),
    [
        (["2.8.0"], "2.9.1", True),
        (["2.9.0", "2.9.1"], "2.8.0+cu128", True),
        (["2.8.0", "2.9.0"], "2.9.1", False),
        (["2.8.0"], "2.7.1", None),
        (["2.10.0"], "2.9.1", None),
        ([], "2.9.1", None),
    ],
)
def test_break_is_certain_only_where_all_builds_lie_beyond_it(
    built_for: list[str], torch: str, *, expected: bool | None
) -> None:
    """Certain, possible, or nothing known."""
    found = find_silent_break([REGISTERS], built_for=built_for, torch=torch)

    assert (found[1] if found else None) is expected


def test_extension_that_registers_nothing_is_not_concerned() -> None:
    """The layout matters to those who pass such objects only."""
    found = find_silent_break(["_ZN2at5emptyEv"], built_for=["2.8.0"], torch="2.9.1")

    assert found is None


def test_every_entry_says_what_changed_and_where_that_was_read() -> None:
    """No rule without its source."""
    for each in SILENT_BREAKS:
        assert each.what
        assert "read 20" in each.source
        assert load_exports().release(each.since).version == each.since


def test_wheel_that_pins_one_side_crashes_on_the_other(tmp_path: Path) -> None:
    """Every symbol is there on both sides, and the finding says why it is not enough."""
    torch = build_torch(tmp_path / "torch")
    path = build_extension(tmp_path, needs=["_ZN5torch11CppFunctionD1Ev"], torch=torch)
    extension = read_file_needs(path, name="ext/_C.so")
    wheel = WheelNeeds(label="x", extensions=(extension,), torch_pin="==2.8.0", problems=())
    exports = load_exports()

    (finding,) = check(wheel, exports=exports, torch="2.9.1", consumer="ext 1.0")

    assert (finding.code, finding.weight) == ("silent-abi-break", Weight.BROKEN)
    assert "built for torch 2.8.0; c10::KernelFunction" in (finding.cause.detail or "")
    assert find_built_for(wheel, exports=exports) == ("2.8.0",)
    assert find_crashes(wheel, exports=exports)[0] == "2.9.0"
    assert list(check(wheel, exports=exports, torch="2.7.1", consumer="ext 1.0")) == []


def test_label_of_a_local_build_tells_what_it_was_built_for(tmp_path: Path) -> None:
    """flash-attn's builds name torch in their version, and pin nothing."""
    torch = build_torch(tmp_path / "site", version="2.9.1+cu128")
    path = build_extension(torch, needs=["_ZN5torch7Library4_defEv"], torch=torch)
    version = "2.8.3+cu12torch2.8cxx11abiTRUE"
    record(torch, name="flash_attn", version=version, files=["ext/_C.so"])
    label = f"flash_attn-{version}-cp312-cp312-linux_x86_64.whl"
    extension = read_file_needs(path, name="ext/_C.so")
    bound = replace(extension, torch=("_ZN5torch11CppFunctionD1Ev",))
    wheel = WheelNeeds(label=label, extensions=(bound,), torch_pin="", problems=())

    codes = [finding.code for finding in check_installed(torch).findings]

    assert "silent-abi-break" in codes
    assert find_built_for(wheel, exports=load_exports()) == ("2.8.0",)


def test_symbols_tell_what_an_unpinned_build_was_built_for(tmp_path: Path) -> None:
    """sgl-kernel pins nothing: one of its objects gives away for which torch all were built."""
    torch = build_torch(tmp_path / "site", version="2.9.1+cu128")
    only_until_2_8 = "_ZNK3c106SymInt6sym_neERKS0_"
    compile_shared(torch / "torch" / "lib" / "libc10.so", define("_ZN3c105ErrorD1Ev"))
    build_extension(torch, needs=["_ZN5torch11CppFunctionD1Ev"], torch=torch, name="ext/_A.so")
    build_extension(torch, needs=[only_until_2_8], torch=torch, name="ext/_B.so")
    record(torch, name="ext", version="1.0", files=["ext/_A.so", "ext/_B.so"])

    found = check_installed(torch).findings
    (silent,) = [finding for finding in found if finding.code == "silent-abi-break"]

    assert silent.cause.first_line.startswith("ext/_A.so: crashes")
    assert "built for torch 2." in (silent.cause.detail or "")
    assert "2.9" not in (silent.cause.detail or "").partition(";")[0]


def test_installed_extension_is_judged_by_the_pin_of_its_distribution(tmp_path: Path) -> None:
    """The metadata tells what it was built for, and torch's own file what is installed."""
    torch = build_torch(tmp_path / "site", version="2.9.1+cu128")
    lib = torch / "torch" / "lib" / "libtorch_cpu.so"
    build_extension(torch, needs=["_ZN5torch7Library4_defEv"], torch=torch)
    record(torch, name="ext", version="1.0", files=["ext/_C.so"])
    metadata = torch / "ext-1.0.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text() + "Requires-Dist: torch==2.8.0\n")

    codes = [finding.code for finding in check_installed(torch).findings]

    assert lib.is_file()
    assert codes == ["silent-abi-break", "undefined-symbol"]
