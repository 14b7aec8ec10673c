"""Why something failed: the first line people search for, and the frame it came from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A place in source code."""

    file: str
    """Path relative to site-packages where possible; never a path below a home directory."""
    line: int
    """1-based line number."""
    function: str | None = None
    """Name of the enclosing function; ``None`` for a static finding."""
    source: str | None = None
    """The line itself, stripped."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """What went wrong, as a reader would quote it."""

    kind: str
    """Exception type (``ImportError``), signal name, or code of a static finding."""
    first_line: str
    """First line of the message, without the exception type."""
    frame: Frame | None = None
    """Where it was raised, or the consumer's side of a static finding."""
    provider: Frame | None = None
    """The provider's side of a static finding: where the thing was, or is defined otherwise."""
    detail: str | None = None
    """More lines, bounded: the resolver's explanation, the traceback's last frames."""

    def __str__(self) -> str:
        return f"{self.kind}: {self.first_line}" if self.first_line else self.kind
