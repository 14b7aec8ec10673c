"""Tell what a host lacks from what is wrong with a stack.

A list of texts that only a missing driver, network or resource produces. Each was seen in a
real run on a machine without the thing.
"""

from __future__ import annotations

import re

_LACKS = (
    (re.compile(r"libcuda\.so\.1: cannot open shared object"), "libcuda.so.1 (NVIDIA driver)"),
    (
        re.compile(r"libnvidia-ml\.so\.1: cannot open shared object"),
        "libnvidia-ml.so.1 (NVIDIA driver)",
    ),
    (re.compile(r"Found no NVIDIA driver on your system"), "an NVIDIA driver"),
    (re.compile(r"No CUDA GPUs are available|no CUDA-capable device"), "a CUDA device"),
    (re.compile(r"No space left on device"), "disk space"),
    (re.compile(r"Cannot allocate memory|std::bad_alloc"), "memory"),
    (
        re.compile(
            r"openaipublic|harmony[^\n]*vocab|HarmonyError: error downloading",
            re.IGNORECASE,
        ),
        "network (openai_harmony fetches its vocabulary file)",
    ),
    (
        re.compile(
            r"NameResolutionError|Name or service not known|Temporary failure in name resolution"
            r"|LocalEntryNotFoundError|OfflineModeIsEnabled|Network is unreachable"
            r"|couldn't connect to 'http|Max retries exceeded with url"
        ),
        "network",
    ),
)


def find_lack(text: str) -> str | None:
    """Return what the host lacks according to the exception *text*, or ``None``."""
    for pattern, lack in _LACKS:
        if pattern.search(text):
            return lack
    return None
