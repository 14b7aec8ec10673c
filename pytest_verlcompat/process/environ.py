"""Environments for the processes we start: what a tool needs, what a probe gets, and no secrets."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_verlcompat.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_SECRET_NAME = re.compile(
    r"TOKEN(?!IZER)|SECRET|PASSW|PASSPHRASE|CREDENTIAL|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|_KEY$|_AUTH$|_PAT$",
    re.IGNORECASE,
)
_INDEX_SETTINGS = ("UV_", "PIP_")
NAMED_VARIABLES = "VERLCOMPAT_PASS_ENV"
"""Names variables that probes get as well, apart by commas; their values are hidden in logs."""

_PROBE_KEEPS = (
    "PATH",
    "LD_LIBRARY_PATH",
    "LANG",
    "TZ",
    "CUDA_HOME",
    "CUDA_PATH",
    "CUDA_VISIBLE_DEVICES",
    "CUDA_DEVICE_ORDER",
    "NVIDIA_VISIBLE_DEVICES",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)
_STACK_PREFIXES = (
    "CUDA_",
    "FLASHINFER_",
    "FLASH_ATTENTION_",
    "NCCL_",
    "OMP_",
    "PYTHON",
    "PYTORCH_",
    "RAY_",
    "SGLANG_",
    "SGL_",
    "TORCH",
    "TRITON_",
    "VERL_",
    "VLLM_",
)
_QUIET = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "VLLM_NO_USAGE_STATS": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "WANDB_MODE": "offline",
    "PYTHONUNBUFFERED": "1",
}


def is_secret_name(name: str) -> bool:
    """Return whether a variable of that name is likely to hold a secret."""
    return bool(_SECRET_NAME.search(name))


def named_to_pass(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the variables that the caller named for probes.

    Raises:
        UsageError: If one is not set.
    """
    names = tuple(
        filter(None, (name.strip() for name in environ.get(NAMED_VARIABLES, "").split(",")))
    )
    for name in names:
        if name not in environ:
            raise UsageError(f"names {name}, which is not set", where=NAMED_VARIABLES)
    return names


def tool_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """Return *environ* for a tool of ours (uv): all but secrets that are not its own settings.

    uv may build a source distribution, which runs code of strangers.
    """
    return {
        name: value
        for name, value in environ.items()
        if name.startswith(_INDEX_SETTINGS) or not is_secret_name(name)
    }


def probe_environ(
    environ: Mapping[str, str], *, home: Path, scratch: Path, keep_stack: bool = False
) -> dict[str, str]:
    """Return the environment of a probe: an empty home, no hub, no credentials of the caller.

    What ``VERLCOMPAT_PASS_ENV`` names is passed all the same, in place of a quiet setting too.

    Args:
        home: Empty directory that stands in for the caller's home.
        scratch: Directory for temporary files; its path must be short, Unix sockets go there.
        keep_stack: Also pass on the variables by which a stack is configured (``VLLM_``,
            ``PYTORCH_`` and the like), because an installed environment is judged with them.
    """
    kept = {name: environ[name] for name in _PROBE_KEEPS if name in environ}
    if keep_stack:
        kept.update(
            (name, value)
            for name, value in environ.items()
            if name.startswith(_STACK_PREFIXES) and not is_secret_name(name)
        )
    named = {name: environ[name] for name in named_to_pass(environ)}
    return {
        "LANG": "C.UTF-8",
        **kept,
        **_QUIET,
        **named,
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "TMPDIR": str(scratch),
    }
