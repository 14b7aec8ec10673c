"""Establish that driver, CUDA runtime, GPU architecture and libraries of this stack fit.

Reads the driver's CUDA version and the device from the driver and its management library, then
the runtime's from torch: compute capability against the architectures in torch's binary, a
kernel compiled there and one that Triton compiles here, cuDNN and NCCL as loaded against what
they were built against. Host settings that verl's recipes ask for (shared memory, open files) are
compared with what this host has.

Passed: kernels of torch run and give right numbers, and runtime, cuDNN and NCCL are loaded.
Conditional: the architecture runs only through PTX compiled at start, MIG is on, or Triton's
compiler lacks what it needs here. Missing shared memory or open files are facts.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import resource
import shutil
import time
from pathlib import Path
from typing import Any

TITLE = "driver, CUDA runtime, architecture, NCCL and cuDNN of this stack fit each other"
RUNG = "gpu"
DISTRIBUTIONS = ("torch",)
GPUS = 1
TIMEOUT_S = 180.0

SHARED_MEMORY_GIB = 10
"""verl's container recipes start with ``--shm-size=10g``."""
OPEN_FILES = 65535
"""Ray warns below this soft limit."""


def probe(request: dict[str, Any]) -> dict[str, Any]:
    """Return versions, device, architectures, host settings and what the kernels gave."""
    facts = request["facts"]
    facts["step"] = "driver"
    facts["driver"], facts["device_modes"] = _driver()
    facts["host"] = _host()
    facts["step"] = "torch"
    started = time.monotonic()
    import torch

    facts["import_s"] = round(time.monotonic() - started, 3)
    facts["runtime_cuda"] = torch.version.cuda
    capability = torch.cuda.get_device_capability(0)
    facts["device"] = torch.cuda.get_device_name(0)
    facts["compute_capability"] = ".".join(map(str, capability))
    facts["architectures"] = torch.cuda.get_arch_list()
    facts["architecture"] = match_architecture(capability, facts["architectures"])
    facts["driver_fits"] = fits(facts["driver"].get("driver_cuda"), facts["runtime_cuda"])
    facts["step"] = "kernel of torch"
    _kernel(facts)
    facts["step"] = "cuDNN"
    _cudnn(facts)
    facts["step"] = "NCCL"
    facts["nccl"] = _nccl(torch, request["versions"])
    facts["step"] = "Triton"
    facts["triton"] = _triton(Path(request["scratch"]))
    facts["peak_mib"] = torch.cuda.max_memory_allocated() >> 20
    facts["step"] = "done"
    condition = conclude(facts)
    return {**facts, "condition": condition} if condition else dict(facts)


def conclude(facts: dict[str, Any]) -> str | None:
    """Return the conditions under which the stack works on this machine, or None.

    Raises:
        AssertionError: If torch's binary has nothing for this architecture.
    """
    said = []
    if facts["architecture"] == "none":
        raise AssertionError(
            f"torch has {facts['architectures']}, the device is {facts['compute_capability']}"
        )
    if facts["architecture"] == "ptx":
        said.append(
            f"kernels for compute capability {facts['compute_capability']} are compiled from PTX"
        )
    if facts["driver_fits"] == "minor":
        driver, runtime = facts["driver"].get("driver_cuda"), facts["runtime_cuda"]
        said.append(
            f"the driver's CUDA {driver} runs runtime {runtime} by minor version compatibility: "
            "what compiles PTX needs a newer driver"
        )
    if facts["device_modes"].get("mig"):
        said.append("MIG is on: NCCL across instances does not work")
    if "error" in facts["triton"]:
        said.append(f"Triton cannot compile here ({facts['triton']['error']})")
    return "; ".join(said) or None


def match_architecture(capability: tuple[int, int], architectures: list[str]) -> str:
    """Return how a binary with *architectures* runs on *capability*: exact, minor, ptx or none.

    Machine code runs on the same major version from its minor on; PTX (``compute_``) on
    anything newer. Letters after the number bind to that very architecture.
    """
    found = "none"
    for entry in architectures:
        match = re.fullmatch(r"(sm|compute)_(\d+)(\d)([af]?)", entry)
        if not match:
            continue
        kind, built = match[1], (int(match[2]), int(match[3]))
        if kind == "sm" and built == capability:
            return "exact"
        if kind == "sm" and not match[4] and built[0] == capability[0] and built < capability:
            found = "minor"
        elif kind == "compute" and built <= capability and found == "none":
            found = "ptx"
    return found


def fits(driver: str | None, runtime: str | None) -> str | None:
    """Return how the driver's CUDA *driver* carries *runtime*: newer, minor, older or None."""
    if not driver or not runtime:
        return None
    have, want = (tuple(int(part) for part in text.split(".")[:2]) for text in (driver, runtime))
    if have >= want:
        return "newer"
    return "minor" if have[0] == want[0] else "older"


def _driver() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the driver's versions and the device's modes, from the management library."""
    import ctypes

    device = _sibling("_device")
    with device.Management() as management:
        name = device.visible_names(os.environ)[0]
        number = ctypes.c_int()
        management.call("nvmlSystemGetCudaDriverVersion_v2", ctypes.byref(number))
        versions = {
            "driver": management.text("nvmlSystemGetDriverVersion"),
            "driver_cuda": f"{number.value // 1000}.{number.value % 1000 // 10}",
            **{f"{key}_mib": value for key, value in management.memory(name).items()},
        }
        return versions, management.modes(name)


def _host() -> dict[str, Any]:
    """Return shared memory, open files and cores, and whether recipes ask for more."""
    shared = shutil.disk_usage("/dev/shm").total >> 30  # noqa: S108  the mount itself
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return {
        "shared_memory_gib": shared,
        "shared_memory_enough": shared >= SHARED_MEMORY_GIB,
        "open_files": soft,
        "open_files_hard": hard,
        "open_files_enough": soft >= OPEN_FILES,
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
    }


def _kernel(facts: dict[str, Any]) -> None:
    """Multiply on the GPU and compare with the CPU in ``float64``."""
    import torch

    torch.manual_seed(0)
    first, second = torch.randn(256, 256), torch.randn(256, 256)
    wanted = first.double() @ second.double()
    for dtype, bound in ((torch.float32, 1e-1), (torch.bfloat16, 1.0)):
        found = (first.to("cuda", dtype) @ second.to("cuda", dtype)).double().cpu()
        worst = float((found - wanted).abs().max())
        facts[f"product_error_{str(dtype).removeprefix('torch.')}"] = worst
        if not worst < bound:
            raise AssertionError(f"a product in {dtype} is off by {worst}, bound {bound}")
    torch.cuda.synchronize()


def _cudnn(facts: dict[str, Any]) -> None:
    """Note cuDNN's version and run one convolution through it."""
    import torch

    facts["cudnn"] = torch.backends.cudnn.version()
    image = torch.randn(1, 3, 32, 32, device="cuda")
    layer = torch.nn.Conv2d(3, 8, 3).cuda()
    with torch.no_grad():
        found = layer(image).cpu()
        wanted = layer.cpu()(image.cpu())
    worst = float((found - wanted).abs().max())
    if not worst < 1e-2:  # noqa: PLR2004 -- products in TF32 stay below
        raise AssertionError(f"a convolution is off by {worst}")


def _nccl(torch: Any, versions: Any) -> dict[str, Any]:
    """Return NCCL's version as torch was built, as loaded, and as installed."""
    import ctypes

    built = ".".join(map(str, torch.cuda.nccl.version()))
    maps = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")
    files = sorted({line.split()[-1] for line in maps.splitlines() if "libnccl.so" in line})
    loaded = []
    for file in files:
        number = ctypes.c_int()
        if ctypes.CDLL(file).ncclGetVersion(ctypes.byref(number)) == 0:
            value = number.value
            loaded.append(f"{value // 10000}.{value % 10000 // 100}.{value % 100}")
    installed = {name: versions[name] for name in versions if name.startswith("nvidia-nccl")}
    return {
        "built": built,
        "loaded": loaded,
        "installed": installed,
        "one_library": len(files) <= 1,
    }


def _triton(scratch: Path) -> dict[str, Any]:
    """Return seconds of compiling and running one kernel with Triton, or its error.

    Triton reads a kernel's source from its file, so that is written first.
    """
    if importlib.util.find_spec("triton") is None:
        return {"error": "not installed"}
    file = scratch / "kernel.py"
    file.write_text(_KERNEL, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("_verlcompat_kernel", file)
    if spec is None or spec.loader is None:
        return {"error": "the kernel's file cannot be loaded"}
    started = time.monotonic()
    try:
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        worst = module.run()
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        return {"error": f"{type(error).__name__}: {lines[0][:200]}"}
    if worst:
        return {"error": f"the kernel's sum is off by {worst}"}
    return {"seconds": round(time.monotonic() - started, 3)}


_KERNEL = """
import torch
import triton
import triton.language as tl


@triton.jit
def add(first, second, out, count, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < count
    tl.store(out + at, tl.load(first + at, inside) + tl.load(second + at, inside), inside)


def run():
    first, second = torch.randn(1000, device="cuda"), torch.randn(1000, device="cuda")
    out = torch.empty_like(first)
    add[(4,)](first, second, out, 1000, BLOCK=256)
    return float((out - (first + second)).abs().max())
"""


def _sibling(name: str) -> Any:
    """Return the module in the file *name* beside this one, which is on no path."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    if spec is None or spec.loader is None:
        raise ImportError(f"no {name}.py beside this script")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
