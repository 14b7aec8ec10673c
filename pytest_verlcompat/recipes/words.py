"""Put words of records where a shell, YAML, TOML or Docker will read them, as words only."""

from __future__ import annotations

import json
import shlex
import textwrap

from pytest_verlcompat.issues.text import inert

_WIDTH = 98
_LONGEST = 2000


def comment(sentence: str) -> list[str]:
    """Return *sentence* as comment lines, which hold nothing that could end a comment."""
    text = inert(" ".join(sentence.split()), limit=_LONGEST)
    return [f"# {line}" for line in textwrap.wrap(text, _WIDTH, break_on_hyphens=False)]


def shell(word: str) -> str:
    """Return *word* as one word of a POSIX shell."""
    return shlex.quote(inert(word, limit=_LONGEST))


def quoted(text: str) -> str:
    """Return *text* as a string of JSON, which YAML and TOML read as the same string."""
    return json.dumps(inert(text, limit=_LONGEST), ensure_ascii=True)


def indented(lines: list[str], spaces: int) -> list[str]:
    """Return *lines* moved to the right; an empty line stays empty."""
    return [f"{' ' * spaces}{line}" if line else "" for line in lines]
