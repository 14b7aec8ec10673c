"""Break text into lines for a terminal, also where there are no spaces to break at."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from itertools import groupby

_CLOSING = frozenset("，。；：、！？）》」』”’…—")
"""No line begins with one of these."""
_OPENING = frozenset("（《「『“‘")
"""No line ends with one of these."""


def wrap(text: str, *, width: int) -> list[str]:
    """Return *text* in lines of at most *width* columns; a wide character takes two.

    Lines are broken at spaces and between wide characters. A word without either that is
    longer than a line stays whole.
    """
    if text.isascii():
        return textwrap.wrap(text, width)
    lines, line = [], ""
    for piece in _pieces(text):
        if line and columns(line) + columns(piece.rstrip()) > width:
            lines.append(line.rstrip())
            line = ""
        line += piece if line else piece.lstrip()
    return [*lines, line.rstrip()] if line.strip() else lines


def columns(text: str) -> int:
    """Return how many columns of a terminal *text* takes."""
    return sum(1 + _is_wide(each) for each in text)


def _is_wide(character: str) -> bool:
    return unicodedata.east_asian_width(character) in {"W", "F"}


def _pieces(text: str) -> list[str]:
    """Return *text* cut wherever a line may end."""
    units: list[str] = []
    for wide, run in groupby(text, key=_is_wide):
        letters = list(run)
        units += letters if wide else re.findall(r"\s+|\S+\s*", "".join(letters))
    pieces: list[str] = []
    for unit in units:
        glued = pieces and (unit[0] in _CLOSING or pieces[-1][-1] in _OPENING)
        pieces[-1:] = [pieces[-1] + unit] if glued else [*pieces[-1:], unit]
    return pieces
