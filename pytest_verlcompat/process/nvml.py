"""Say as JSON what the NVIDIA driver's own library knows: which GPUs, and how full.

Runs in a process of its own (``python -I -S nvml.py``), because a driver that hangs or
crashes must not take pytest along. It imports nothing of ours. One line a reading; with
``--until FILE`` readings go on, a line at every change, until that file exists.

Source: NVML API reference, https://docs.nvidia.com/deploy/nvml-api/ , R590, read 2026-11-20.
"""

from __future__ import annotations

import ctypes
import json
import sys
import time
from pathlib import Path
from typing import Any

_LIBRARY = "libnvidia-ml.so.1"
_TEXT_BYTES = 96
_MEBIBYTE = 1 << 20
_NO_PERMISSION = 4
_WORDS = {
    3: "not supported",
    4: "no permission",
    9: "driver not loaded",
    15: "GPU is lost",
    16: "GPU requires a reset",
    18: "driver and library version mismatch",
    999: "unknown error",
}
_EVERY_S = 0.1


class _NvmlError(Exception):
    """A call did not return 0."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class _Memory(ctypes.Structure):
    """``nvmlMemory_v2_t``; ``used`` of the first version counts what the driver reserves."""

    _fields_ = (
        ("version", ctypes.c_uint),
        ("total", ctypes.c_ulonglong),
        ("reserved", ctypes.c_ulonglong),
        ("free", ctypes.c_ulonglong),
        ("used", ctypes.c_ulonglong),
    )


class _OldMemory(ctypes.Structure):
    """``nvmlMemory_t``, of drivers before R510."""

    _fields_ = (
        ("total", ctypes.c_ulonglong),
        ("free", ctypes.c_ulonglong),
        ("used", ctypes.c_ulonglong),
    )


class Nvml:
    """The library, loaded and initialised."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(_LIBRARY)
        self._call("nvmlInit_v2")

    def read(self) -> list[dict[str, Any]]:
        """Return one object a GPU, in the driver's order.

        What this process may not open is left out, as CUDA leaves it out of its numbers.
        """
        found: list[dict[str, Any]] = []
        for place in range(self._number("nvmlDeviceGetCount_v2")):
            gpu: dict[str, Any] = {"index": len(found)}
            try:
                handle = self._handle("nvmlDeviceGetHandleByIndex_v2", place)
                gpu.update(self._describe(handle), mig=self._mig(handle))
            except _NvmlError as error:
                if error.status == _NO_PERMISSION:
                    continue
                gpu["error"] = str(error)
            found.append(gpu)
        return found

    def driver(self) -> dict[str, str | None]:
        """Return the driver's version, and the highest CUDA it supports."""
        text = ctypes.create_string_buffer(_TEXT_BYTES)
        cuda = ctypes.c_int()
        try:
            self._call("nvmlSystemGetDriverVersion", text, ctypes.c_uint(_TEXT_BYTES))
            self._call("nvmlSystemGetCudaDriverVersion_v2", ctypes.byref(cuda))
        except (_NvmlError, AttributeError):
            return {}
        number = cuda.value
        return {
            "driver": text.value.decode(errors="replace"),
            "driver_cuda": f"{number // 1000}.{number % 1000 // 10}" if number else None,
        }

    def _describe(self, handle: ctypes.c_void_p) -> dict[str, Any]:
        used, total = self._memory(handle)
        return {
            "uuid": self._text("nvmlDeviceGetUUID", handle),
            "name": self._text("nvmlDeviceGetName", handle),
            "used_mib": used // _MEBIBYTE,
            "total_mib": total // _MEBIBYTE,
            "capability": self._capability(handle),
        }

    def _capability(self, handle: ctypes.c_void_p) -> str | None:
        major, minor = ctypes.c_int(), ctypes.c_int()
        try:
            self._call(
                "nvmlDeviceGetCudaComputeCapability",
                handle,
                ctypes.byref(major),
                ctypes.byref(minor),
            )
        except (_NvmlError, AttributeError):
            return None  # an instance, for which some drivers do not tell it
        return f"{major.value}.{minor.value}"

    def _mig(self, handle: ctypes.c_void_p) -> list[dict[str, Any]] | None:
        """Return the instances of a GPU in MIG mode, ``None`` for one that is whole."""
        mode, pending = ctypes.c_uint(), ctypes.c_uint()
        try:
            self._call("nvmlDeviceGetMigMode", handle, ctypes.byref(mode), ctypes.byref(pending))
        except (_NvmlError, AttributeError):
            return None  # a GPU or a driver that knows no such mode
        if not mode.value:
            return None
        found = []
        for place in range(self._number("nvmlDeviceGetMaxMigDeviceCount", handle)):
            try:
                instance = self._handle("nvmlDeviceGetMigDeviceHandleByIndex", handle, place)
            except _NvmlError:
                continue  # no instance has that number
            gpu = self._number("nvmlDeviceGetGpuInstanceId", instance)
            compute = self._number("nvmlDeviceGetComputeInstanceId", instance)
            found.append({**self._describe(instance), "instance": f"{gpu}/{compute}"})
        return found

    def _memory(self, handle: ctypes.c_void_p) -> tuple[int, int]:
        """Return bytes in use, without what the driver keeps for itself, and bytes in all."""
        memory = _Memory(version=ctypes.sizeof(_Memory) | 2 << 24)
        try:
            self._call("nvmlDeviceGetMemoryInfo_v2", handle, ctypes.byref(memory))
        except AttributeError:
            old = _OldMemory()
            self._call("nvmlDeviceGetMemoryInfo", handle, ctypes.byref(old))
            return old.used, old.total
        # Whether ``used`` holds ``reserved`` changed between releases; this does not.
        return memory.total - memory.reserved - memory.free, memory.total

    def _text(self, name: str, handle: ctypes.c_void_p) -> str:
        text = ctypes.create_string_buffer(_TEXT_BYTES)
        self._call(name, handle, text, ctypes.c_uint(_TEXT_BYTES))
        return text.value.decode(errors="replace")

    def _number(self, name: str, *words: object) -> int:
        number = ctypes.c_uint()
        self._call(name, *words, ctypes.byref(number))
        return number.value

    def _handle(self, name: str, *words: object) -> ctypes.c_void_p:
        handle = ctypes.c_void_p()
        given = [ctypes.c_uint(word) if isinstance(word, int) else word for word in words]
        self._call(name, *given, ctypes.byref(handle))
        return handle

    def _call(self, name: str, *words: object) -> None:
        status = getattr(self._library, name)(*words)
        if status:
            raise _NvmlError(status, _WORDS.get(status, f"NVML error {status}"))


def take() -> dict[str, Any]:
    """Return one reading; what went wrong is in ``error``."""
    try:
        library = Nvml()
        return {"gpus": library.read(), **library.driver()}
    except OSError:
        return {"gpus": [], "error": f"no {_LIBRARY}"}
    except (_NvmlError, AttributeError) as error:
        return {"gpus": [], "error": str(error)}


def main(words: list[str]) -> int:
    """Write one reading, or readings until the file named after ``--until`` exists."""
    reading = json.dumps(take())
    sys.stdout.write(reading + "\n")
    if words[:1] != ["--until"]:
        return 0
    until = Path(words[1])
    while until.parent.exists() and not until.exists():
        sys.stdout.flush()
        time.sleep(_EVERY_S)
        latest = json.dumps(take())
        if latest != reading:
            reading = latest
            sys.stdout.write(reading + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
