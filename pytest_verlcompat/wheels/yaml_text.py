"""What is looked at before a parser of YAML gets a text that others wrote."""

from __future__ import annotations

import re

_MOST_DEPTH = 100
_BRACKETS = re.compile(r"[\[\]{}]")


def check_brackets(text: str) -> None:
    """Raise where brackets are nested so deep that the parser takes the square of their number.

    Raises:
        ValueError: Deeper than anybody writes.
    """
    depth = 0
    for found in _BRACKETS.finditer(text):
        depth = max(0, depth + (1 if found[0] in "[{" else -1))
        if depth > _MOST_DEPTH:
            raise ValueError(f"brackets are nested more than {_MOST_DEPTH} deep")
