"""Says of each symbol and library that an extension needs, where it has to come from.

Needs nothing that is not in the standard library but ``packaging``, because the plugin uses
it in the environment under test.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from packaging.version import Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_verlcompat.wheels.elf import SharedObject, Symbol


class Origin(Enum):
    """Who has to define a symbol."""

    TORCH = "torch"
    PYTHON = "python"
    DRIVER = "driver"
    """libcuda.so.1, which is installed with the GPU driver and is no part of any wheel."""
    CUDA = "cuda"
    """Libraries of the CUDA runtime that torch's wheels require."""
    NCCL = "nccl"
    SYSTEM = "system"
    """The C and C++ runtimes."""
    OTHER = "other"
    """Libraries that are neither the system's nor torch's: ffmpeg, NUMA, a sibling."""


class Binding(Enum):
    """What an extension binds to in torch."""

    UNSTABLE = "unstable C++ ABI"
    """Mangled C++ names: what one torch release exports, the next may not."""
    STABLE = "stable shim"
    """C functions only, which later releases keep."""
    NONE = "nothing of torch"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtensionNeeds:
    """What one shared object of a distribution needs at load time."""

    name: str
    """Path relative to site-packages."""
    machine: str
    needed: tuple[str, ...]
    """Sonames it asks the loader for."""
    torch: tuple[str, ...]
    """Undefined names that torch has to export, mangled, sorted."""
    nccl: tuple[str, ...]
    driver: tuple[str, ...]
    other: tuple[str, ...]
    """Undefined names of nobody that is known here."""
    binding: Binding
    glibc: str | None
    """Newest GLIBC_ version needed: the floor of the C library."""
    glibcxx: str | None
    """Newest GLIBCXX_ version needed: the floor of libstdc++."""
    cuda: tuple[int, ...]
    """CUDA majors its libraries name."""
    soname: str | None = None
    """DT_SONAME; None where there is none, or only the start of the file was read."""
    versions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Symbol versions it needs, by soname."""
    architectures: tuple[str, ...] | None = None
    """GPU code it carries (``sm_90``, ``compute_90`` for PTX); None where it was not read."""


_TORCH_MANGLED = re.compile(r"_Z\w*?(?<!\d)(?:3c10|2at|5torch|6caffe2|4c10d)")
_TORCH_GLOBAL = re.compile(r"_Z\d+(?:THP|TH|c10_)")
_TORCH_C = re.compile(r"aoti_torch_|torch_|THP|THC|c10_|aoti_")
_CPP_RUNTIME = re.compile(
    r"_Z(?:T[ISTV])?N?[KRO]*(?:S[a-z]|10__cxxabiv)|_Zn[aw]|_Zd[al]|__cxa_|__gxx_personality|"
    r"__dynamic_cast|_Unwind_|GOMP_|omp_"
)
# Of the C library since 2.34 and of libdl before; a static CUDA runtime leaves them unversioned.
_LOADER_NAME = re.compile(r"dl(?:open|close|sym|vsym|error|addr|addr1|info|iterate_phdr)")
_PYTHON = re.compile(r"_?Py[A-Z_]")
_DRIVER = re.compile(r"cu(?!da|blas|dnn|sparse|rand|fft|solver|tensor|pti|file)[A-Z]")
_CUDA = re.compile(
    r"cuda[A-Z]|__cuda[A-Z]|cublas|cudnn|cusparse|curand|cufft|cusolver|cutensor|nvrtc|"
    r"nvJitLink|nvshmem|cufile|cuFile|nvtx|nvjpeg|npp"
)
_CUDA_LIBRARY = re.compile(r"lib(?:cudart|cublas|cublasLt|nvrtc|nvJitLink|cupti|nvjpeg)\.so\.(\d+)")
_CUDA_NAMED = re.compile(
    r"lib(?:cudart|cublas|cudnn|cusparse|curand|cufft|cusolver|cutensor|cupti|nvrtc|nvJitLink|"
    r"nvshmem|cufile|nvToolsExt|nvjpeg|npp)"
)
_TORCH_LIBRARY = re.compile(r"lib(?:c10|torch)\w*\.so")
_SYSTEM_LIBRARY = re.compile(
    r"ld-linux|lib(?:c|m|dl|rt|pthread|util|resolv|stdc\+\+|gcc_s|gomp|atomic|mvec|quadmath)"
    r"(?:-[0-9a-f]+|\.[0-9a-f]{8})?\.so"
)
_DRIVER_LIBRARY = re.compile(r"lib(?:cuda|nvidia-ml)\.so\.1")


def find_origin(symbol: Symbol) -> Origin:
    """Return who has to define *symbol*; the version it asks for decides where there is one."""
    if symbol.library is not None:
        return origin_of_library(symbol.library)
    name = symbol.name
    rules = (
        (_PYTHON, Origin.PYTHON),
        (_TORCH_C, Origin.TORCH),
        (_TORCH_GLOBAL, Origin.TORCH),
        (_TORCH_MANGLED, Origin.TORCH),
        (_DRIVER, Origin.DRIVER),
        (_CUDA, Origin.CUDA),
        (_CPP_RUNTIME, Origin.SYSTEM),
    )
    for pattern, origin in rules:
        if pattern.match(name):
            return origin
    if name.startswith("nccl"):
        return Origin.NCCL
    return Origin.OTHER


def origin_of_library(soname: str) -> Origin:
    """Return whose library *soname* is."""
    if _TORCH_LIBRARY.match(soname):
        return Origin.TORCH
    if _DRIVER_LIBRARY.match(soname):
        return Origin.DRIVER
    if soname.startswith("libnccl."):
        return Origin.NCCL
    if soname.startswith("libpython"):
        return Origin.PYTHON
    if _CUDA_NAMED.match(soname):
        return Origin.CUDA
    return Origin.SYSTEM if _SYSTEM_LIBRARY.match(soname) else Origin.OTHER


def find_orphans(other: Iterable[str], *, needed: Iterable[str]) -> tuple[str, ...]:
    """Return those of *other* that no library in *needed* is known to give; if unknown, none.

    A kernel that was declared and not built is such a name. Libraries of others may give any.
    """
    if any(origin_of_library(soname) is Origin.OTHER for soname in needed):
        return ()
    return tuple(name for name in other if not _LOADER_NAME.fullmatch(name))


def classify_needs(
    found: SharedObject,
    *,
    name: str,
    siblings: frozenset[str] = frozenset(),
    architectures: tuple[str, ...] | None = None,
) -> ExtensionNeeds:
    """Return what *found* needs, by who has to give it.

    Args:
        found: The shared object, parsed.
        name: Its path relative to site-packages.
        siblings: Names that other libraries of the same distribution export.
        architectures: GPU code it carries, where it was read.
    """
    by_origin: dict[Origin, list[str]] = {origin: [] for origin in Origin}
    for symbol in found.undefined:
        if not symbol.weak and symbol.name not in siblings:
            by_origin[find_origin(symbol)].append(symbol.name)
    torch = tuple(sorted(by_origin[Origin.TORCH]))
    versions = [version for names in found.versions.values() for version in names]
    return ExtensionNeeds(
        name=name,
        machine=found.machine,
        needed=found.needed,
        torch=torch,
        nccl=tuple(sorted(by_origin[Origin.NCCL])),
        driver=tuple(sorted(by_origin[Origin.DRIVER])),
        other=tuple(sorted(by_origin[Origin.OTHER])),
        binding=_binding(torch),
        glibc=newest(versions, prefix="GLIBC_"),
        glibcxx=newest(versions, prefix="GLIBCXX_"),
        cuda=cuda_majors(found.needed),
        soname=found.soname,
        versions=found.versions,
        architectures=architectures,
    )


def _binding(torch: Iterable[str]) -> Binding:
    names = list(torch)
    if any(name.startswith("_Z") for name in names):
        return Binding.UNSTABLE
    return Binding.STABLE if names else Binding.NONE


def newest(versions: Iterable[str], *, prefix: str) -> str | None:
    """Return the newest of *versions* that start with *prefix*, without it."""
    found = [text.removeprefix(prefix) for text in versions if text.startswith(prefix)]
    numbered = [text for text in found if re.fullmatch(r"\d+(\.\d+)*", text)]
    return max(numbered, key=Version, default=None)


def cuda_majors(sonames: Iterable[str]) -> tuple[int, ...]:
    """Return the CUDA majors that *sonames* name, such as 12 for ``libcudart.so.12``.

    Libraries with a count of their own (cuFFT, cuSPARSE, cuRAND) are left out.
    """
    found = {_CUDA_LIBRARY.fullmatch(soname) for soname in sonames}
    return tuple(sorted({int(match[1]) for match in found if match}))


def demangle(name: str) -> str:
    """Return *name* as it is written in C++, or as it is where it cannot be read.

    The reader is an extra requirement; without it the mangled name is returned.
    """
    try:
        from itanium_demangler import parse  # noqa: PLC0415 -- only the command installs it
    except ImportError:
        return name
    try:
        tree = parse(name)
    except (NotImplementedError, ValueError, IndexError, AssertionError, RecursionError):
        return name
    if tree is None:
        return name
    # The reader puts the qualifier of a member function before its parameters.
    return re.sub(r"^([^()]*) const(\(.*\))$", r"\1\2 const", str(tree))
