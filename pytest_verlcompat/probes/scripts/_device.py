"""Read the visible GPU through NVIDIA's management library, without making a CUDA context.

A process that touches CUDA before it starts an engine changes how the engine starts (it may no
longer fork), and its context takes memory itself. So memory is read from outside.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
from typing import Any

_MEBIBYTE = 1 << 20
_MIG_ENABLED = 1
SETTLE_S = 20.0
CONTEXT_MIB = 1024
"""More than a CUDA context with its loaded kernels takes."""


class _Memory(ctypes.Structure):
    _fields_ = (
        ("total", ctypes.c_ulonglong),
        ("free", ctypes.c_ulonglong),
        ("used", ctypes.c_ulonglong),
    )


def visible_names(environ: Any) -> list[str]:
    """Return the entries of ``CUDA_VISIBLE_DEVICES``; ``["0"]`` where it is not set."""
    value = environ.get("CUDA_VISIBLE_DEVICES")
    if value is None:
        return ["0"]
    return [entry.strip() for entry in value.split(",") if entry.strip()]


class Management:
    """The management library, opened for one ``with`` block.

    Raises:
        OSError: If the library, which the driver brings, is not there.
        RuntimeError: If a call fails; the function and its status are said.
    """

    def __enter__(self) -> Management:  # noqa: PYI034 -- typing.Self is newer than 3.10
        self._library = ctypes.CDLL("libnvidia-ml.so.1")
        self.call("nvmlInit_v2")
        return self

    def __exit__(self, *_: object) -> None:
        self._library.nvmlShutdown()

    def call(self, name: str, *arguments: Any) -> None:
        """Call a function of the library; raise RuntimeError unless it succeeds."""
        status = getattr(self._library, name)(*arguments)
        if status:
            raise RuntimeError(f"{name} returned status {status}")

    def handle(self, name: str) -> ctypes.c_void_p:
        """Return the handle of the device with that index or UUID."""
        found = ctypes.c_void_p()
        if name.isdigit():
            self.call("nvmlDeviceGetHandleByIndex_v2", int(name), ctypes.byref(found))
        else:
            self.call("nvmlDeviceGetHandleByUUID", name.encode(), ctypes.byref(found))
        return found

    def text(self, function: str, *first: Any) -> str:
        """Return what a function writes into a buffer of characters."""
        buffer = ctypes.create_string_buffer(96)
        self.call(function, *first, buffer, len(buffer))
        return buffer.value.decode()

    def memory(self, name: str) -> dict[str, int]:
        """Return total, free and used memory of device *name* in MiB."""
        found = _Memory()
        self.call("nvmlDeviceGetMemoryInfo", self.handle(name), ctypes.byref(found))
        return {key: getattr(found, key) // _MEBIBYTE for key in ("total", "free", "used")}

    def modes(self, name: str) -> dict[str, bool | None]:
        """Return whether MIG and ECC are on; None where the device does not know them."""
        found: dict[str, bool | None] = {}
        for key, function in (("mig", "nvmlDeviceGetMigMode"), ("ecc", "nvmlDeviceGetEccMode")):
            current, pending = ctypes.c_uint(), ctypes.c_uint()
            try:
                self.call(function, self.handle(name), ctypes.byref(current), ctypes.byref(pending))
            except RuntimeError:
                found[key] = None
            else:
                found[key] = current.value == _MIG_ENABLED
        return found


def used_mib() -> int | None:
    """Return the used memory of the first visible device in MiB, or None if it cannot be read."""
    try:
        with Management() as management:
            return management.memory(visible_names(os.environ)[0])["used"]
    except (OSError, RuntimeError, IndexError):
        return None


def engine_share(gib: float) -> float:
    """Return what share of the device's memory *gib* is, for engines that want a share."""
    try:
        with Management() as management:
            total = management.memory(visible_names(os.environ)[0])["total"]
    except (OSError, RuntimeError, IndexError):
        return 0.3
    return min(0.9, round(gib * 1024 / total, 4))


def wait_for_release(before: int | None, *, tolerance_mib: int = 64) -> dict[str, Any]:
    """Return used MiB before and after, once the latter is back or ``SETTLE_S`` are over.

    A CUDA context of this very process, which it keeps to its end, is allowed for.
    """
    torch = sys.modules.get("torch")
    own_context = bool(torch is not None and torch.cuda.is_initialized())
    allowed = tolerance_mib + (CONTEXT_MIB if own_context else 0)
    deadline = time.monotonic() + SETTLE_S
    after = used_mib()
    while before is not None and after is not None and after > before + allowed:
        if time.monotonic() > deadline:
            break
        time.sleep(0.25)
        after = used_mib()
    unknown = before is None or after is None
    return {
        "before_mib": before,
        "after_mib": after,
        "own_context": own_context,
        "given_back": None if unknown else after <= before + allowed,
    }
