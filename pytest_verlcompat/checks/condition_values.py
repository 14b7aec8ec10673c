"""The values that conditions work with, and the functions whose results a cell fixes."""

from __future__ import annotations

import ast
import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Ref:
    """An object known by where it was imported from."""

    dotted: str


class Unknown:
    """The value of an expression that this cell does not decide."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = Unknown()
Value = Any
"""`Ref`, `UNKNOWN`, or a plain Python value: text, number, version, tuple, names."""


def truth_of(value: Value) -> bool | None:
    """Return the truth of *value*, `None` where this cell does not decide it."""
    if isinstance(value, (Unknown, Ref)):
        return None
    return bool(value)


class RaisesError(Exception):
    """Evaluating an expression would raise in the cell, for certain."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Platform:
    """A value of which only the truth matters; also callable (``is_npu_available()``)."""

    answer: bool

    def __bool__(self) -> bool:
        return self.answer


@dataclass(frozen=True, slots=True)
class Signature:
    """The result of ``inspect.signature``."""

    names: frozenset[str]


COMPARE: dict[type, Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
}

PLAIN = {"str": str, "int": int, "bool": bool, "len": len, "tuple": tuple, "list": tuple,
          "set": frozenset, "frozenset": frozenset, "dict": frozenset}  # fmt: skip
TEXT_METHODS = frozenset(
    {"startswith", "endswith", "split", "strip", "lstrip", "rstrip", "lower", "partition"}
)
VERSION_PARSERS = frozenset(
    {
        "packaging.version.parse",
        "packaging.version.Version",
        "pkg_resources.parse_version",
        "pkg_resources.packaging.version.parse",
        "distutils.version.LooseVersion",
        "distutils.version.StrictVersion",
    }
)
VERSION_READERS = frozenset({"importlib.metadata.version", "importlib_metadata.version"})
VERSION_PARTS = frozenset(
    {"major", "minor", "micro", "release", "base_version", "public", "is_prerelease", "local"}
)
FIXED: dict[str, Value] = {
    "torch.version.hip": None,
    "sys.platform": "linux",
    "os.name": "posix",
    "typing.TYPE_CHECKING": False,
    "typing_extensions.TYPE_CHECKING": False,
}
FIXED_CALLS: dict[str, Value] = {
    "torch.cuda.is_available": True,
    "torch.distributed.is_available": True,
    "platform.system": "Linux",
    "platform.machine": "x86_64",
}
"""Answers of the platform: torch on Linux with CUDA.

Whether ``torch.distributed`` is available is a flag of the build, ``USE_DISTRIBUTED``. Builds
for Linux have it; those with CUDA link NCCL through it, which the exports that are kept of
every release show.

Source: ``torch/distributed/__init__.py`` of torch 2.4.0 to 2.15.0, docstring of
``is_available``, read 2026-11-20.
"""
