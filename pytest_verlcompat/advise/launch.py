"""Read a launch script for what it leans on, without running it.

A script is read as words: ``KEY=VALUE`` options as Hydra takes them, ``export`` lines, and
plain shell variables, which are put in where they are used. What a shell would compute is left
as it is, and whatever depends on it is not judged.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_verlcompat.errors import SourceSyntaxError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_OPTION = re.compile(r"\+{0,2}~?(?P<key>[A-Za-z_][\w./@-]{0,200})=(?P<value>.{0,4000})", re.DOTALL)
_VARIABLE = re.compile(r"\$(?:\{(?P<braced>\w+)(?::?-(?P<default>[^}]{0,400}))?\}|(?P<plain>\w+))")
_MAX_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What a script sets."""

    path: Path
    options: Mapping[str, str]
    """Options of the trainer by key without plus signs; variables put in."""
    variables: Mapping[str, str]
    """Environment variables it exports or gives to a command."""
    commands: tuple[tuple[str, ...], ...] = ()
    """Its lines as words; variables put in where they are known."""


def read_launch(path: Path, *, environ: Mapping[str, str]) -> Launch:
    """Return what the script at *path* sets.

    Raises:
        UsageError: If it cannot be read.
        SourceSyntaxError: If its quotes do not match.
    """
    try:
        text = path.read_bytes()[:_MAX_BYTES].decode("utf-8", "replace")
    except OSError as error:
        raise UsageError(f"cannot read this script: {error.strerror}", where=str(path)) from error
    options: dict[str, str] = {}
    exported: dict[str, str] = {}
    shell = dict(environ)
    commands = _commands(text, path)
    for words in commands:
        exporting = words[0] in {"export", "env"}
        alone = all(_OPTION.fullmatch(word) for word in words)
        for matched in filter(None, map(_OPTION.fullmatch, words)):
            key, value = matched["key"], _filled(matched["value"], shell)
            if "." in key:
                options[key] = value
                continue
            if exporting or alone:
                shell[key] = value
            if exporting or not alone:
                exported[key] = value
    lines = tuple(tuple(_filled(word, shell) for word in words) for words in commands)
    return Launch(path=path, options=options, variables=exported, commands=lines)


def _commands(text: str, path: Path) -> list[list[str]]:
    commands = []
    joined = text.replace("\\\r\n", " ").replace("\\\n", " ")
    for number, line in enumerate(joined.splitlines(), 1):
        try:
            words = shlex.split(line, comments=True)
        except ValueError as error:
            if "<<" in text:
                continue  # a here-document is not written in the shell's words
            raise SourceSyntaxError(
                f"{error}; a quote is missing in the command that begins here",
                where=f"{path}: command {number}",
            ) from error
        if words:
            commands.append(words)
    return commands


def _filled(value: str, shell: Mapping[str, str]) -> str:
    def fill(matched: re.Match[str]) -> str:
        name = matched["braced"] or matched["plain"]
        return shell.get(name) or matched["default"] or matched[0]

    return _VARIABLE.sub(fill, value)
