"""Signatures as one line of text, and whether a call's arguments fit them."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_TRANSPARENT = frozenset(
    {
        "abstractmethod",
        "cache",
        "cached_property",
        "classmethod",
        "contextmanager",
        "asynccontextmanager",
        "deprecated",
        "experimental",
        "final",
        "inference_mode",
        "instrument",
        "lru_cache",
        "no_grad",
        "override",
        "run_once",
        "staticmethod",
    }
)
"""Decorators, by their last name, that leave the parameters as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """What a callable accepts."""

    positional: tuple[str, ...]
    """Names that may be given by position, in order."""
    positional_only: int
    """How many of those cannot be given by keyword."""
    keyword_only: tuple[str, ...]
    required: frozenset[str]
    takes_args: bool
    takes_kwargs: bool

    @property
    def names(self) -> frozenset[str]:
        """Names that can be given by keyword."""
        return frozenset(self.positional[self.positional_only :]) | frozenset(self.keyword_only)


def signature_text(node: ast.FunctionDef | ast.AsyncFunctionDef, *, bound: bool) -> str | None:
    """Return the parameters of *node* as text, or ``None`` if a decorator may change them.

    A default is written as a bare ``=``. *bound* drops the first parameter unless the
    function is a static method.
    """
    names = [decorator_name(decorator) for decorator in node.decorator_list]
    if any(name not in _TRANSPARENT for name in names):
        return None
    text = _arguments(node.args)
    if bound and "staticmethod" not in names and text:
        head, _, rest = text.partition(",")
        return text if head.startswith("*") else rest
    return text


def decorator_name(node: ast.expr) -> str:
    """Return the last dotted part of a decorator's name."""
    target = node.func if isinstance(node, ast.Call) else node
    if isinstance(target, ast.Attribute):
        return target.attr
    return target.id if isinstance(target, ast.Name) else ""


def _arguments(args: ast.arguments) -> str:
    positional = [*args.posonlyargs, *args.args]
    plain = len(positional) - len(args.defaults)
    parts = [arg.arg + ("=" if i >= plain else "") for i, arg in enumerate(positional)]
    if args.posonlyargs:
        parts.insert(len(args.posonlyargs), "/")
    if args.vararg:
        parts.append("*" + args.vararg.arg)
    elif args.kwonlyargs:
        parts.append("*")
    for arg, default in zip(args.kwonlyargs, args.kw_defaults, strict=True):
        parts.append(arg.arg + ("" if default is None else "="))
    if args.kwarg:
        parts.append("**" + args.kwarg.arg)
    return ",".join(parts)


def parse_signature(text: str) -> Parameters:
    """Return what `signature_text` wrote as a record."""
    positional: list[str] = []
    keyword_only: list[str] = []
    required: set[str] = set()
    positional_only, seen_star, args, kwargs = 0, False, False, False
    for part in filter(None, text.split(",")):
        if part == "/":
            positional_only = len(positional)
        elif part.startswith("**"):
            kwargs = True
        elif part.startswith("*"):
            seen_star, args = True, len(part) > 1
        else:
            name = part.rstrip("=")
            (keyword_only if seen_star else positional).append(name)
            if not part.endswith("="):
                required.add(name)
    return Parameters(
        positional=tuple(positional),
        positional_only=positional_only,
        keyword_only=tuple(keyword_only),
        required=frozenset(required),
        takes_args=args,
        takes_kwargs=kwargs,
    )


def find_misfit(
    parameters: Parameters, *, positional: int, keywords: Sequence[str], unpacks: bool
) -> str | None:
    """Return in words why a call does not fit, or ``None`` if it may."""
    unknown = [name for name in keywords if name not in parameters.names]
    if unknown and not parameters.takes_kwargs:
        return f"unexpected keyword argument {unknown[0]!r}"
    if positional > len(parameters.positional) and not parameters.takes_args:
        takes = len(parameters.positional)
        return f"takes {takes} positional arguments but {positional} were given"
    taken = set(parameters.positional[:positional])
    twice = sorted(taken & set(keywords) - set(parameters.positional[: parameters.positional_only]))
    if twice:
        return f"multiple values for argument {twice[0]!r}"
    missing = sorted(parameters.required - taken - set(keywords))
    if missing and not unpacks:
        return f"missing required argument {missing[0]!r}"
    return None
