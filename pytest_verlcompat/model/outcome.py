"""Words for how one check or probe ended, and on which rung of the ladder it stands."""

from __future__ import annotations

from enum import Enum


class Rung(Enum):
    """One step of the ladder of evidence, cheapest first; order is declaration order."""

    RESOLVES = "resolves"
    """The metadata has a solution."""
    IMPORTS = "imports"
    """Every name the consumer imports exists in the provider; read, not run."""
    LOADS = "loads"
    """Every symbol an extension needs is exported by this torch; read, not run."""
    INSTALLS = "installs"
    """The locked environment was built."""
    CPU = "cpu"
    """Probes ran without a GPU."""
    GPU = "gpu"
    """Probes ran on a GPU."""
    TRAIN = "train"
    """Steps of reinforcement learning ran with verl's own trainer."""

    @property
    def order(self) -> int:
        """Place on the ladder, 0 for the lowest."""
        return list(Rung).index(self)


class Outcome(Enum):
    """How one check or probe ended, in pytest's words."""

    PASSED = "passed"
    FAILED = "failed"
    """The stack is at fault."""
    SKIPPED = "skipped"
    """The host lacks something; it says nothing about the stack."""
    ERRORED = "errored"
    """The harness broke; it says nothing about the stack."""


class Ending(Enum):
    """How the process of a probe came to its end."""

    REPLIED = "replied"
    """It left a reply and exited with status 0."""
    EXITED = "exited"
    """It exited without a reply."""
    SIGNALLED = "signalled"
    """A signal ended it (SIGSEGV, SIGABRT, ...)."""
    TIMED_OUT = "timed out"
    """Its deadline passed and its process group was killed."""
    FLOODED = "flooded"
    """It wrote more output than allowed and its process group was killed."""
    LEFT_PROCESSES = "left processes"
    """It replied, but processes it had started lived on and were killed."""
    NOT_STARTED = "not started"
    """No process was started: a static check, or something was lacking beforehand."""
