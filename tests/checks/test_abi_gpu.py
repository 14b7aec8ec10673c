"""Whether there is code for a device follows from its architectures alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.checks.abi_gpu import (
    check_gpu_code,
    check_gpu_files,
    find_support,
    parse_capability,
)
from pytest_verlcompat.checks.abi_live import check_installed
from pytest_verlcompat.cli import main
from pytest_verlcompat.errors import UsageError
from pytest_verlcompat.model.finding import Weight
from tests.abi_objects import (
    OLD_CHECK,
    build_extension,
    build_torch,
    compile_shared,
    define,
    gpu_code,
    link,
    record,
    use,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("architectures", "capability", "expected"),
    [
        (["sm_80"], (8, 0), "code"),
        (["sm_80"], (8, 6), "code"),
        (["sm_86"], (8, 0), None),
        (["sm_80"], (9, 0), None),
        (["sm_90a"], (9, 0), "code"),
        (["sm_100a"], (10, 3), None),
        (["sm_100f"], (10, 3), "code"),
        (["sm_100f"], (12, 0), None),
        (["sm_80", "compute_80"], (9, 0), "ptx"),
        (["compute_90"], (8, 9), None),
        (["compute_90a"], (10, 0), None),
        (["compute_52", "sm_90"], (9, 0), "code"),
        ([], (9, 0), None),
        (["something else"], (9, 0), None),
    ],
)
def test_code_runs_where_the_vendor_says(
    architectures: list[str], capability: tuple[int, int], expected: str | None
) -> None:
    """Machine code within its major version, PTX on what is newer, letters where they bind."""
    assert find_support(architectures, capability) == expected


@pytest.mark.parametrize("text", ["9", "sm_90", "9.0.0", ""])
def test_capability_is_written_with_a_dot(text: str) -> None:
    """Anything else is a mistake of the caller."""
    with pytest.raises(UsageError, match=r"write it like 9\.0"):
        parse_capability(text)


def test_distribution_is_told_only_where_none_of_its_objects_has_code() -> None:
    """One object for one architecture is how such libraries are built."""
    objects = {"_C.so": ("sm_80", "sm_90"), "_flashmla.so": ("sm_90a",), "plain.so": ()}

    def found(capability: tuple[int, int]) -> list[str]:
        findings = check_gpu_code(objects, capability=capability, consumer="vllm 1.0")
        return [f"{f.weight.value}: {f.cause.detail}" for f in findings]

    assert found((8, 0)) == []
    assert found((7, 0)) == [
        "suspect: compute capability 7.0; _C.so, _flashmla.so: sm_80, sm_90, sm_90a"
    ]
    assert list(check_gpu_code({"plain.so": ()}, capability=(7, 0), consumer="x 1")) == []


def test_torch_without_code_for_the_device_is_broken(tmp_path: Path) -> None:
    """Nothing goes without torch; a kernel library may be passed over."""
    site = build_torch(tmp_path)
    lib = site / "torch" / "lib"
    code = gpu_code("sm_75", "sm_80") + define("unused")
    needed = link(lib / "libc10_cuda.so", lib / "libtorch_cpu.so")
    compile_shared(lib / "libtorch_cuda.so", code, flags=[*needed, "-Wl,-rpath,$ORIGIN"])
    libraries = [lib / name for name in ("libc10.so", "libc10_cuda.so", "libtorch.so")]
    code = gpu_code("sm_90a") + use(OLD_CHECK)
    compile_shared(site / "ext" / "_C.so", code, flags=link(*libraries))
    record(site, name="ext", version="1.0", files=["ext/_C.so"])

    def found(*capabilities: tuple[int, int]) -> list[tuple[str, Weight]]:
        findings = check_installed(site, capabilities=capabilities).findings
        return [(f.consumer, f.weight) for f in findings if f.code == "no-code-for-gpu"]

    assert found() == []
    assert found((8, 6)) == [("ext 1.0", Weight.SUSPECT)]
    assert found((9, 0)) == [("torch 2.9.1", Weight.BROKEN)]
    assert main(["abi", "--python", str(site), "--gpu", "8.6"]) == 0
    assert main(["abi", "--python", str(site), "--gpu", "9.0"]) == 1


def test_file_that_is_gone_is_left_to_others(tmp_path: Path) -> None:
    """Whoever judges symbols tells of it; here it is passed over."""
    files = {"gone.so": tmp_path / "gone.so"}

    assert list(check_gpu_files(files, capability=(9, 0), consumer="ext 1.0")) == []


def test_torch_of_the_index_is_asked_for_its_list(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A release without code for the device is told, another build of it is not judged."""
    path = compile_shared(tmp_path / "_K.so", define("one"))

    def told(torch: str) -> bool:
        main(["abi", str(path), "--torch", torch, "--gpu", "7.0"])
        return f"torch {torch}: CUDA error: no kernel image" in capsys.readouterr().out

    assert told("2.11.0")
    assert not told("2.8.0")
    assert not told("2.11.0+cu126")


def test_command_prints_gpu_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of an installed environment when asked, of a file always."""
    site = build_torch(tmp_path / "site")
    path = compile_shared(tmp_path / "_K.so", gpu_code("sm_90a", "compute_90"))
    build_extension(site, needs=[OLD_CHECK], torch=site)

    assert main(["abi", str(path), "--gpu", "8.0"]) == 0
    assert main(["abi", "--python", str(site), "--gpu-code", "--json"]) == 0
    out = capsys.readouterr().out
    assert f"  {path}: CUDA error: no kernel image is available for execution" in out
    assert "  GPU code for compute_90, sm_90a: _K.so\n" in out
    assert '"ext/_C.so": []' in out
