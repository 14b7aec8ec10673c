"""Each symbol is put down to the one who has to define it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.wheels.archive import open_wheel
from pytest_verlcompat.wheels.elf import Symbol
from pytest_verlcompat.wheels.fatbin import find_architectures
from pytest_verlcompat.wheels.images import FileImage
from pytest_verlcompat.wheels.needs import (
    decode_needs,
    encode_needs,
    parse_torch_pin,
    read_file_needs,
    read_needs,
)
from pytest_verlcompat.wheels.symbols import (
    Binding,
    Origin,
    cuda_majors,
    demangle,
    find_origin,
    newest,
    origin_of_library,
)
from tests.abi_objects import compile_shared, define, link, use

if TYPE_CHECKING:
    from pathlib import Path

    from tests.wheels.conftest import BuildWheel


def symbol(name: str, library: str | None = None) -> Symbol:
    """Return an undefined symbol."""
    return Symbol(name=name, defined=False, weak=False, library=library)


@pytest.mark.parametrize(
    ("name", "origin"),
    [
        ("_ZN3c104cuda29c10_cuda_check_implementationEiPKcS2_jb", Origin.TORCH),
        ("_ZN3c10lsERSoNS_10DeviceTypeE", Origin.TORCH),
        ("_ZNSt6vectorIN2at6TensorESaIS1_EED1Ev", Origin.TORCH),
        ("_Z16THPVariable_WrapRKN2at10TensorBaseE", Origin.TORCH),
        ("THPVariableClass", Origin.TORCH),
        ("aoti_torch_delete_tensor_object", Origin.TORCH),
        ("torch_call_dispatcher", Origin.TORCH),
        ("PyObject_Call", Origin.PYTHON),
        ("_PyObject_New", Origin.PYTHON),
        ("_Py_NoneStruct", Origin.PYTHON),
        ("cuMemCreate", Origin.DRIVER),
        ("cuTensorMapEncodeTiled", Origin.DRIVER),
        ("cudaMalloc", Origin.CUDA),
        ("cublasCreate_v2", Origin.CUDA),
        ("nvrtcCreateProgram", Origin.CUDA),
        ("_ZTTSt14basic_ifstreamIcSt11char_traitsIcEE", Origin.SYSTEM),
        ("_ZTTNSt7__cxx1119basic_istringstreamIcSt11char_traitsIcESaIcEEE", Origin.SYSTEM),
        ("_ZTVN10__cxxabiv120__si_class_type_infoE", Origin.SYSTEM),
        ("__gxx_personality_v0", Origin.SYSTEM),
        ("ncclCommWindowRegister", Origin.NCCL),
        ("_ZNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEE10_M_replaceEmmPKcm", Origin.SYSTEM),
        ("_ZNKSt10filesystem7__cxx114path11parent_pathEv", Origin.SYSTEM),
        ("_ZSt21ios_base_library_initv", Origin.SYSTEM),
        ("GOMP_parallel", Origin.SYSTEM),
        ("av_buffer_ref", Origin.OTHER),
        ("_ZN4math3addEv", Origin.OTHER),
        ("current", Origin.OTHER),
    ],
)
def test_name_tells_who_defines_it(name: str, origin: Origin) -> None:
    """The spelling of a name is enough where no version is asked for."""
    assert find_origin(symbol(name)) is origin


@pytest.mark.parametrize(
    ("soname", "origin"),
    [
        ("libc10_cuda.so", Origin.TORCH),
        ("libtorch_python.so", Origin.TORCH),
        ("libcuda.so.1", Origin.DRIVER),
        ("libcudart.so.12", Origin.CUDA),
        ("libcublasLt.so.13", Origin.CUDA),
        ("libnvrtc.so.12", Origin.CUDA),
        ("libnccl.so.2", Origin.NCCL),
        ("libpython3.12.so.1.0", Origin.PYTHON),
        ("libc.so.6", Origin.SYSTEM),
        ("libcrypt.so.1", Origin.OTHER),
        ("libgomp-a34b3233.so.1", Origin.SYSTEM),
        ("ld-linux-x86-64.so.2", Origin.SYSTEM),
        ("libavutil.so.56", Origin.OTHER),
        ("libnuma.so.1", Origin.OTHER),
    ],
)
def test_library_tells_whose_it_is(soname: str, origin: Origin) -> None:
    """The soname is enough."""
    assert origin_of_library(soname) is origin


def test_version_decides_over_the_name() -> None:
    """A name that looks like torch's, but is versioned by libstdc++, is libstdc++'s."""
    assert find_origin(symbol("_ZNSt6vectorIN2at1AEE", "libstdc++.so.6")) is Origin.SYSTEM


def test_floors_are_compared_as_numbers() -> None:
    """2.9 is older than 2.34, and names that are no numbers are left out."""
    assert newest(["GLIBC_2.9", "GLIBC_2.34", "GLIBC_PRIVATE"], prefix="GLIBC_") == "2.34"
    assert newest(["GLIBC_2.9"], prefix="GLIBCXX_") is None


def test_cuda_major_is_read_where_libraries_count_with_cuda() -> None:
    """The cuSPARSE 12 belongs to CUDA 13 and must not be taken for CUDA 12."""
    assert cuda_majors(["libcudart.so.13", "libcusparse.so.12", "libcurand.so.10"]) == (13,)


def test_names_are_demangled_as_written_in_cpp() -> None:
    """Qualifiers stand behind the parameters, and C names stay."""
    assert demangle("_ZNK3c106SymInt6sym_neERKS0_") == (
        "c10::SymInt::sym_ne(c10::SymInt const&) const"
    )
    assert demangle("torch_call_dispatcher") == "torch_call_dispatcher"
    assert demangle("_ZNonsense") == "_ZNonsense"


def test_needs_of_an_extension_are_told_apart(tmp_path: Path) -> None:
    """One object with needs of every kind."""
    cudart = compile_shared(tmp_path / "libcudart.so.12", define("cudaMalloc"))
    c10 = compile_shared(tmp_path / "libc10.so", define("_ZN3c105ErrorD1Ev"))
    names = ["_ZN3c105ErrorD1Ev", "cudaMalloc", "cuInit", "PyList_New", "ncclSend", "sox_open"]
    path = compile_shared(tmp_path / "_C.so", use(*names, "malloc"), flags=link(cudart, c10))

    needs = read_file_needs(path)

    assert needs.torch == ("_ZN3c105ErrorD1Ev",)
    assert (needs.driver, needs.nccl, needs.other) == (("cuInit",), ("ncclSend",), ("sox_open",))
    assert needs.binding is Binding.UNSTABLE
    assert needs.cuda == (12,)
    assert needs.glibc is not None
    assert {"libcudart.so.12", "libc10.so"} <= set(needs.needed)


@pytest.mark.parametrize(
    ("names", "binding"),
    [
        (["torch_call_dispatcher"], Binding.STABLE),
        (["torch_call_dispatcher", "_ZN2at5emptyEv"], Binding.UNSTABLE),
        (["PyList_New"], Binding.NONE),
    ],
)
def test_binding_is_stable_only_without_cpp_names(
    tmp_path: Path, names: list[str], binding: Binding
) -> None:
    """One mangled name of torch is enough to be locked to it."""
    assert read_file_needs(compile_shared(tmp_path / "_C.so", use(*names))).binding is binding


def test_gpu_architectures_are_read_from_the_fat_binary(tmp_path: Path) -> None:
    """Machine code and PTX are told apart; padding between containers is skipped."""
    entry = ".short {kind}\n.short 0\n.long 64\n.quad 0\n.quad 0\n"
    entry += ".short 0\n.short 8\n.long {arch}\n.zero 32\n"
    container = ".long 0xba55ed50\n.short 1\n.short 16\n.quad {size}\n"
    text = (
        container.format(size=128) + entry.format(kind=2, arch=90) + entry.format(kind=2, arch=100)
    )
    text += ".zero 24\n" + container.format(size=64) + entry.format(kind=1, arch=120)
    quoted = text.replace("\n", "\\n")
    code = f'__asm__(".section .nv_fatbin,\\"a\\"\\n{quoted}.previous");\n'
    path = compile_shared(tmp_path / "_C.so", code)

    assert read_file_needs(path).architectures == ("sm_90", "sm_100", "compute_120")
    with FileImage(compile_shared(tmp_path / "plain.so", define("one"))) as image:
        assert find_architectures(image) == ()


def test_wheel_is_judged_as_a_whole(tmp_path: Path, build_wheel: BuildWheel) -> None:
    """Siblings satisfy each other, one broken object is told, and the result can be kept."""
    sibling = compile_shared(tmp_path / "libhelp.so", define("_ZN2at6helperEv"))
    code = use("_ZN2at6helperEv", "_ZN2at5emptyEv")
    extension = compile_shared(tmp_path / "_C.so", code, flags=link(sibling))
    wheel = build_wheel(
        {
            "pkg/libhelp.so": sibling.read_bytes(),
            "pkg/_C.so": extension.read_bytes(),
            "pkg/broken.so": b"not an object",
            "pkg/tool.py": b"",
        }
    )

    with open_wheel(wheel) as tree:
        needs = read_needs(tree)

    by_name = {each.name: each for each in needs.extensions}
    assert by_name["pkg/_C.so"].torch == ("_ZN2at5emptyEv",)
    assert needs.torch_pin == "==2.8.0"
    assert len(needs.problems) == 1
    assert needs.problems[0].startswith("pkg/broken.so: ")
    assert decode_needs(encode_needs(needs)) == needs


@pytest.mark.parametrize(
    ("lines", "pin"),
    [
        ("Requires-Dist: torch==2.8.0\n", "==2.8.0"),
        ("Requires-Dist: torch\n", ""),
        ("Requires-Dist: torch>=2; extra == 'gpu'\n", None),
        ("Requires-Dist: torchvision==0.1\n", None),
        ("Requires-Dist: ???\nRequires-Dist: Torch (>=2.4)\n", ">=2.4"),
    ],
)
def test_pin_on_torch_is_read(lines: str, pin: str | None) -> None:
    """No requirement, any version and a pin are three different things."""
    assert parse_torch_pin(f"Metadata-Version: 2.1\nName: x\n{lines}".encode()) == pin
