"""Establish that SGLang's engine and its HTTP server can be imported.

Imports ``sglang.srt.entrypoints.engine.Engine`` and ``sglang.srt.entrypoints.http_server``,
which verl builds its rollout on. Passed: both import. Skipped: a compiled kernel of SGLang
needs the NVIDIA driver library, which this host lacks; then nothing is known of the rest.
"""

from __future__ import annotations

import importlib
import time
from typing import Any

TITLE = "SGLang's Engine and its HTTP server import"
RUNG = "cpu"
DISTRIBUTIONS = ("sglang",)
GPUS = 0
TIMEOUT_S = 300.0

DRIVER_LIBRARY = "libcuda.so.1"


def probe(request: dict[str, Any]) -> dict[str, Any]:
    """Return seconds per imported module, or that the host lacks the driver library."""
    facts = request["facts"]
    facts["modules_s"] = {}
    try:
        engine = _import("sglang.srt.entrypoints.engine", facts["modules_s"])
        _import("sglang.srt.entrypoints.http_server", facts["modules_s"])
    except ImportError as error:
        if not _needs_driver(error):
            raise
        return {**facts, "lacks": [f"{DRIVER_LIBRARY} (NVIDIA driver library)"]}
    facts["engine"] = f"{engine.Engine.__module__}.{engine.Engine.__qualname__}"
    return dict(facts)


def _import(name: str, seconds: dict[str, float]) -> Any:
    """Import *name* and note how long that took."""
    started = time.monotonic()
    module = importlib.import_module(name)
    seconds[name] = round(time.monotonic() - started, 3)
    return module


def _needs_driver(error: BaseException | None) -> bool:
    """Return whether the driver library is named anywhere in the chain behind *error*."""
    while error is not None:
        if DRIVER_LIBRARY in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False
