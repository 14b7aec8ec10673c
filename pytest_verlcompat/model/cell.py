"""A combination of values that is asked for, with the verdict expected of it."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_verlcompat.model.axis import Axis, AxisKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_verlcompat.model.verdict import Verdict, VerdictKind

_ID_LENGTH = 100
_DIGEST_LENGTH = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One declared combination."""

    id: str
    title: str
    values: Mapping[str, str]
    """Axis name to value, defaults included."""
    requirements: tuple[str, ...]
    """What a user would type, PEP 508, pins of the axes first."""
    overrides: tuple[str, ...]
    """Requirements that replace whatever the metadata says about those distributions."""
    python: str
    """Minor version, ``3.11``."""
    platform: str
    """uv platform triple the lock is made for."""
    as_of: str
    """``YYYY-MM-DD``: files uploaded after that day do not exist."""
    expected: VerdictKind | None
    """``None`` for a cell of a survey, which is asked for without a guess."""
    failing: tuple[str, ...] | None
    """Subjects expected to fail; ``None`` leaves that open."""
    reason: str
    sources: tuple[str, ...]
    survey: str | None = None
    """Name of the selection that asks for it; ``None`` for a cell with a file of its own."""

    @property
    def inputs_sha256(self) -> str:
        """Digest of everything the lock depends on."""
        inputs = {
            "requirements": self.requirements,
            "overrides": self.overrides,
            "python": self.python,
            "platform": self.platform,
            "as_of": self.as_of,
        }
        return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()

    def expects(self, verdict: Verdict) -> bool:
        """Return whether *verdict* is the expected one, down to the subjects that fail."""
        if self.expected is None:
            return True
        if verdict.kind is not self.expected:
            return False
        return self.failing is None or set(self.failing) == {
            each.subject for each in verdict.culprits
        }


def render_cell_id(values: Mapping[str, str], *, axes: Iterable[Axis]) -> str:
    """Return the values in axis order, ``[a-z0-9.+-]``, at most 100 characters.

    Defaults are left out. An id that would be longer is cut and ends with a digest of the rest.
    """
    parts = [
        f"{axis.label}{values[axis.name]}"
        for axis in sorted(axes, key=lambda axis: axis.place)
        if axis.name in values and values[axis.name] != axis.default
    ]
    text = re.sub(r"[^a-z0-9.+-]+", "-", "-".join(parts).lower())
    if len(text) <= _ID_LENGTH:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_LENGTH]
    return f"{text[: _ID_LENGTH - _DIGEST_LENGTH - 1]}-{digest}"


def pinned_requirements(
    values: Mapping[str, str], *, axes: Iterable[Axis], extras: Mapping[str, tuple[str, ...]]
) -> tuple[str, ...]:
    """Return one ``name[extras]==version`` for each distribution axis among *values*."""
    found = []
    for axis in sorted(axes, key=lambda axis: axis.place):
        if axis.kind is AxisKind.DISTRIBUTION and axis.name in values:
            names = extras.get(axis.name, ())
            wanted = f"[{','.join(names)}]" if names else ""
            found.append(f"{axis.distribution}{wanted}=={values[axis.name]}")
    return tuple(found)
