"""TOML that others wrote: parsed, or a `ValueError`, within moments."""

from __future__ import annotations

import sys
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_MOST_CHARACTERS = 8 << 20
_MOST_PARTS = 64
"""Of a dotted key: the time that a parser takes grows with the square."""


def parse_toml(text: str) -> dict[str, Any]:
    """Return the table in *text*.

    Raises:
        ValueError: If it is no TOML, or larger or deeper than anybody writes.
    """
    if len(text) > _MOST_CHARACTERS:
        raise ValueError(f"more than {_MOST_CHARACTERS >> 20} MiB")
    for number, line in enumerate(text.splitlines(), start=1):
        key = line.partition("=")[0]
        if key.count(".") > _MOST_PARTS and sum(map(bool, key.split("."))) > _MOST_PARTS:
            raise ValueError(f"line {number}: a key of more than {_MOST_PARTS} parts")
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
