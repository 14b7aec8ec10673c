"""Shared objects, compiled in the test, that look like torch's libraries and its extensions."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NEW_CHECK = "_ZN3c104cuda29c10_cuda_check_implementationEiPKcS2_jb"
OLD_CHECK = "_ZN3c104cuda29c10_cuda_check_implementationEiPKcS2_ib"


def compile_shared(path: Path, code: str, *, flags: Sequence[str] = ()) -> Path:
    """Return *path*, where *code* in C was compiled as a shared object with that soname."""
    path.parent.mkdir(parents=True, exist_ok=True)
    source = path.with_suffix(".c")
    source.write_text(code)
    soname = f"-Wl,-soname,{path.name}"
    command = ["gcc", "-shared", "-fPIC", "-w", soname, "-o", str(path), str(source), *flags]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    source.unlink()
    return path


def define(*names: str) -> str:
    """Return C code that defines functions of these names."""
    return "".join(f"int {name}(void) {{ return 0; }}\n" for name in names)


def use(*names: str) -> str:
    """Return C code that needs functions of these names."""
    calls = "".join(f"int {name}(void);\n" for name in names)
    body = " + ".join(f"{name}()" for name in names) or "0"
    return f"{calls}int entry(void) {{ return {body}; }}\n"


def gpu_code(*architectures: str) -> str:
    """Return C code with a fat binary for these, such as ``sm_90a``, a container for each."""
    lines = []
    for name in architectures:
        kind, _, number = name.partition("_")
        flags = {"a": 1 << 20, "f": 1 << 21}.get(number[-1], 0) | 0x11
        lines += [".long 0xba55ed50", ".short 1, 16", ".quad 96"]
        lines += [
            f".short {2 if kind == 'sm' else 1}, 257",
            ".long 64",
            ".quad 32",
            ".quad 0",
            ".short 8, 1",
            f".long {number.rstrip('af')}",
        ]
        lines += [".quad 0", f".quad {flags}", ".zero 16", ".zero 32", ".zero 8"]
    body = "\\n".join(['.section .nv_fatbin,\\"a\\"', ".balign 8", *lines, ".previous"])
    return f'__asm__("{body}");\n'


def link(*libraries: Path) -> list[str]:
    """Return compiler flags that make an object need *libraries*, even unused."""
    folders = [f"-L{library.parent}" for library in libraries]
    names = [f"-l:{library.name}" for library in libraries]
    return [*folders, "-Wl,--no-as-needed", *names, "-Wl,--unresolved-symbols=ignore-all"]


def build_torch(folder: Path, *, check: str = OLD_CHECK, version: str = "2.9.1") -> Path:
    """Return a site-packages *folder* with a torch of a few symbols and its dist-info."""
    lib = folder / "torch" / "lib"
    cudart = compile_shared(
        folder / "nvidia" / "cuda_runtime" / "lib" / "libcudart.so.12", define("cudaMalloc")
    )
    c10 = compile_shared(lib / "libc10.so", define("_ZN3c105ErrorD1Ev", "_ZN3c105ErrorC1Ev"))
    where = "-Wl,-rpath,$ORIGIN:$ORIGIN/../../nvidia/cuda_runtime/lib"
    c10_cuda = compile_shared(
        lib / "libc10_cuda.so", define(check), flags=[*link(c10, cudart), where]
    )
    cpu = compile_shared(
        lib / "libtorch_cpu.so", define("_ZN2at5emptyEv"), flags=[*link(c10), where]
    )
    cuda = compile_shared(
        lib / "libtorch_cuda.so",
        define("_ZN2at4cuda3runEv"),
        flags=[*link(c10_cuda, cpu, cudart), where],
    )
    torch = compile_shared(lib / "libtorch.so", "", flags=[*link(cpu, cuda), where])
    compile_shared(
        lib / "libtorch_python.so", define("THPVariable_Wrap"), flags=[*link(torch), where]
    )
    (folder / "torch" / "version.py").write_text(f"__version__ = '{version}'\n")
    (folder / "torch" / "__init__.py").write_text(
        "import ctypes, pathlib\n"
        "ctypes.CDLL(str(pathlib.Path(__file__).with_name('lib') / 'libtorch_python.so'))\n"
    )
    record(folder, name="torch", version=version, files=["torch/version.py"])
    return folder


def build_extension(
    folder: Path, *, needs: Sequence[str], torch: Path, name: str = "ext/_C.so"
) -> Path:
    """Return an extension in *folder* that needs these names and links to *torch*."""
    lib = torch / "torch" / "lib"
    libraries = [lib / each for each in ("libc10.so", "libc10_cuda.so", "libtorch.so")]
    return compile_shared(folder / name, use(*needs), flags=link(*libraries))


def record(folder: Path, *, name: str, version: str, files: Sequence[str]) -> None:
    """Write the RECORD of a distribution that consists of *files*."""
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "RECORD").write_text("".join(f"{file},,\n" for file in files))
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
