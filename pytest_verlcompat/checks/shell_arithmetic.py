"""The value of a shell's ``$(( ))``, worked out without a shell."""

from __future__ import annotations

import ast
import operator
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

UNKNOWN = "\0"
"""Stands where only a shell could know."""

_OPERATORS: dict[type, Any] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.floordiv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}


def arithmetic(text: str, parameter: Callable[[str], str]) -> str:
    """Return the value of ``$((text))``, unknown if a part of it is.

    Args:
        parameter: Gives the value of a variable.
    """
    plain = re.sub(r"\$\{([^}]*)\}", r" \1 ", text).replace("$", "")
    named = re.sub(r"[A-Za-z_]\w*", lambda found: f"({parameter(found[0])})", plain)
    try:
        return str(_number(ast.parse(named.strip(), mode="eval").body))
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError, MemoryError):
        return UNKNOWN


def _number(node: ast.expr) -> int:
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return node.value
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return int(_OPERATORS[type(node.op)](_number(node.left), _number(node.right)))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_number(node.operand)
    raise ValueError("not arithmetic")
