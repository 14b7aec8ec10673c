"""Every exception of the project, each with the exit status a command ends with.

A broken stack is an outcome, not an exception: what is raised here is a mistake of the
caller, something the machine lacks, or a mistake of ours.
"""

from __future__ import annotations

from typing import ClassVar


class VerlcompatError(Exception):
    """Anything that stops a command; *where* names the file and key to look at."""

    exit_status: ClassVar[int] = 70

    def __init__(self, message: str, *, where: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        """What was found, and what to do."""
        self.where = where
        """File and dotted key, or whatever else a reader should open."""

    def __str__(self) -> str:
        return self.message if self.where is None else f"{self.where}: {self.message}"


class UsageError(VerlcompatError):
    """An argument names something that does not exist; the nearest names are said."""

    exit_status: ClassVar[int] = 2


class MatrixError(VerlcompatError):
    """A declared file under ``matrix/`` is malformed."""

    exit_status: ClassVar[int] = 3


class LockError(VerlcompatError):
    """A lock is missing, unreadable, or was made for other inputs than its cell's."""

    exit_status: ClassVar[int] = 4


class ToolMissingError(VerlcompatError):
    """A program this project calls (uv) is not on this machine."""

    exit_status: ClassVar[int] = 5


class InterpreterMissingError(VerlcompatError):
    """This machine has no Python of the version a cell asks for."""

    exit_status: ClassVar[int] = 6


class DiskSpaceError(VerlcompatError):
    """There is not room enough to build an environment."""

    exit_status: ClassVar[int] = 7


class IndexUnavailableError(VerlcompatError):
    """The package index did not answer, or answered with something else than packages."""

    exit_status: ClassVar[int] = 8


class EnvironmentBuildError(VerlcompatError):
    """An environment could not be built for a reason that is not the stack's."""

    exit_status: ClassVar[int] = 9


class NothingRanError(VerlcompatError):
    """A run ended without executing a single check or probe."""

    exit_status: ClassVar[int] = 10


class EvidenceError(VerlcompatError):
    """An evidence file holds something that is not a record of ours."""

    exit_status: ClassVar[int] = 11


class WheelFormatError(VerlcompatError):
    """A wheel or a tree of installed files cannot be read, or is hostile."""

    exit_status: ClassVar[int] = 12


class ElfFormatError(VerlcompatError):
    """A file is not an ELF object this project can read."""

    exit_status: ClassVar[int] = 13


class ProbeDefinitionError(VerlcompatError):
    """A probe script does not declare what a probe must declare."""

    exit_status: ClassVar[int] = 14


class SourceSyntaxError(VerlcompatError):
    """A source file or launch script cannot be parsed."""

    exit_status: ClassVar[int] = 15


class CatalogueError(VerlcompatError):
    """An entry of the catalogue of known failures is malformed."""

    exit_status: ClassVar[int] = 16


class BundleError(VerlcompatError):
    """A carried cell is incomplete, altered, hostile, or was made for another machine."""

    exit_status: ClassVar[int] = 17


class SignatureError(VerlcompatError):
    """A signature is missing, does not fit its records, or is of nobody who may sign."""

    exit_status: ClassVar[int] = 19


class ConversationError(VerlcompatError):
    """A process that answers questions ended, went silent or gave what is no answer."""

    exit_status: ClassVar[int] = 18

    def __init__(self, message: str, *, tail: str) -> None:
        super().__init__(message)
        self.tail = tail
        """The last lines it printed, redacted."""


class ExecutorError(VerlcompatError):
    """A cluster cannot be reached, or has no place that a task can run on."""

    exit_status: ClassVar[int] = 20
