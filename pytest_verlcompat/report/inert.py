"""Make text that came from elsewhere safe to show: no control characters, bounded length."""

from __future__ import annotations

LIMIT = 2000
"""Characters of one text in a data file; what is longer is cut and says so."""


def printable(text: str) -> str:
    """Return *text* without characters that steer a terminal or turn the direction of reading."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() or letter == "\n" else " " for letter in text)


def bounded(text: str, limit: int = LIMIT) -> str:
    """Return *text* printable and at most *limit* characters long, and say what was cut."""
    if len(text) <= limit:
        return printable(text)
    return f"{printable(text[:limit])} … ({len(text) - limit} characters more)"
