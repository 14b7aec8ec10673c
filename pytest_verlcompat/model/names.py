"""Names of distributions as indexes compare them."""

from __future__ import annotations

import re

_SEPARATORS = re.compile(r"[-_.]+")


def normalize(name: str) -> str:
    """Return *name* as indexes compare it: ``Flash_Attn`` is ``flash-attn``.

    The same as ``packaging.utils.canonicalize_name``, whose module takes as long to import as all
    else that a collecting pytest imports of ours.

    Source: https://packaging.python.org/en/latest/specifications/name-normalization/, read
    2026-11-20.
    """
    return _SEPARATORS.sub("-", name).lower()


AXES = (
    "torch",
    "transformers",
    "numpy",
    "opencv-python-headless",
    "ray",
    "tensordict",
    "uvloop",
    "flash-attn",
    "vllm",
    "sglang",
    "verl",
)
"""Distributions whose versions the ledger of the space keeps; a whole set, by its digest."""
