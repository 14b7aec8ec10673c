"""Recognize that something failed, whatever it was: the first exception of a process."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_verlcompat.issues.scan import TRACEBACK, lines_after
from pytest_verlcompat.issues.text import Line, inert

if TYPE_CHECKING:
    from pytest_verlcompat.issues.scan import Hit

_EXCEPTION = re.compile(
    r"(?:[A-Za-z_][\w]{0,60}\.){0,8}[A-Za-z_]\w{0,60}"
    r"(?:Error|Exception|Interrupt|Exit|Timeout|Warning)(?:\([A-Za-z]\w{0,60}\))?(?::|$)"
)
_FRAME = re.compile(r"\s{2,}|Traceback|During handling|The above exception|\s*$|ray::")
_BARE = re.compile(r"(?:[\w./-]{1,80}: )?(?:[Ee]rror|ERROR|fatal error|fatal|FATAL): \S")
_MAX_LINES = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Something that failed in one process."""

    process: str
    line_number: int
    exception: str
    """The last line of the traceback, or the line that says ``error``."""
    lines: tuple[str, ...]
    complete: bool
    """Whether the traceback ends within the text."""
    tentative: bool
    """Whether it is one line without a traceback, which a traceback replaces."""


def looks_failed(hit: Hit) -> bool:
    """Return whether the line begins a traceback, ends one, or says ``error`` by itself."""
    return (
        TRACEBACK in hit.line.text
        or _EXCEPTION.match(hit.line.message) is not None
        or _BARE.match(hit.line.text.lstrip()) is not None
    )


def read_failure(hit: Hit, *, traceback: bool) -> Failure | None:
    """Return the failure that begins at *hit*, or ``None`` where the line only mentions one."""
    if traceback:
        return _read_traceback(hit)
    message = hit.line.message
    if not _EXCEPTION.match(message):
        if not _BARE.match(hit.line.text.lstrip()):
            return None
        message = hit.line.text.strip()
    return Failure(
        process=hit.line.process,
        line_number=hit.number,
        exception=inert(message),
        lines=(hit.line.text,),
        complete=False,
        tentative=True,
    )


def _read_traceback(hit: Hit) -> Failure:
    kept = [hit.line.text]
    ended = ""
    for text in lines_after(hit, _MAX_LINES):
        message = Line(process=hit.line.process, text=text).message
        if ended and not _continues(message):
            break
        kept.append(text)
        if message.strip() and not _FRAME.match(message):
            ended = ended or message
            if not _EXCEPTION.match(message):
                break
    return Failure(
        process=hit.line.process,
        line_number=hit.number,
        exception=inert(ended or "(the traceback is cut off before its exception)"),
        lines=tuple(kept),
        complete=bool(ended),
        tentative=False,
    )


def _continues(message: str) -> bool:
    """Return whether a line after an exception belongs to what it caused."""
    return not message.strip() or bool(_FRAME.match(message)) or bool(_EXCEPTION.match(message))
