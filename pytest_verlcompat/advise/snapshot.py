"""Published verdicts: the cells of a ``matrix.json``, and which of them is nearest.

The file is the one that this release was built with, unless another one is named. Nothing is
fetched unless an address is named.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_verlcompat.errors import UsageError
from pytest_verlcompat.issues.facts import parse_version

if TYPE_CHECKING:
    from collections.abc import Mapping

    from packaging.version import Version

PACKAGED = Path(__file__).with_name("matrix.json")
"""Put into the wheel when it is built, a copy of ``reports/matrix.json``."""
CHECKOUT = Path(__file__).parent.parent.parent / "reports" / "matrix.json"
"""Where an editable install finds it."""

ENGINES = ("vllm", "sglang")
_FETCH_S = 5.0
_MAX_BYTES = 64 << 20
_WEIGHTS = {
    "verl": 32, "vllm": 32, "sglang": 32, "torch": 16, "transformers": 12, "ray": 4, "numpy": 4,
    "python": 4, "tensordict": 3, "flash-attn": 3, "opencv-python-headless": 2, "uvloop": 2,
}  # fmt: skip
"""How much a difference of major release in each weighs; minor and patch weigh less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedCell:
    """One cell and its verdict, as published."""

    id: str
    title: str
    verdict: str
    versions: Mapping[str, Version]
    """By distribution, and ``python``."""
    rungs: Mapping[str, tuple[str, ...]]
    """``passed``, ``failed``, ``partial`` and ``untested`` to rungs."""
    causes: tuple[str, ...]
    """First lines of what failed."""
    conditions: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Near:
    """A published cell beside what is installed."""

    cell: PublishedCell
    distance: float
    """0 where every version that both know is the same."""
    differences: tuple[str, ...]
    """``transformers 5.9.0 there, 4.57.1 here``, the weightiest first."""


def load_snapshot(place: str | None = None) -> tuple[PublishedCell, ...]:
    """Return the cells published at *place*, a path or an address; those shipped by default.

    Raises:
        UsageError: If there is nothing there that is a matrix.
    """
    if place is None:
        shipped = next((each for each in (PACKAGED, CHECKOUT) if each.is_file()), None)
        return parse_snapshot(shipped.read_bytes(), where=shipped.name) if shipped else ()
    try:
        if place.startswith(("http://", "https://")):
            import urllib.request  # noqa: PLC0415 -- costs time, and is seldom needed

            with urllib.request.urlopen(place, timeout=_FETCH_S) as reply:  # noqa: S310 -- only these two schemes
                body = reply.read(_MAX_BYTES)
        else:
            body = Path(place).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"cannot read this matrix: {reason}", where=place) from error
    return parse_snapshot(body, where=place)


def parse_snapshot(body: bytes, *, where: str) -> tuple[PublishedCell, ...]:
    """Return the cells in *body*; keys that are not known are ignored.

    Raises:
        UsageError: If it is not the JSON that ``verlcompat report`` writes.
    """
    try:
        return tuple(_cell(each) for each in json.loads(body)["cells"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"is not a matrix ({type(error).__name__}: {error}); name the matrix.json that "
            "verlcompat report writes",
            where=where,
        ) from error


def _cell(values: Mapping[str, Any]) -> PublishedCell:
    failed = [each for each in values.get("records", ()) if each["outcome"] == "failed"]
    causes = [each["cause"]["first_line"] for each in failed if each.get("cause")]
    return PublishedCell(
        id=values["id"],
        title=values.get("title", ""),
        verdict=values["verdict"],
        versions={
            name: version
            for name, text in values["versions"].items()
            if name in _WEIGHTS and (version := parse_version(text)) is not None
        },
        rungs={key: tuple(names) for key, names in values["rungs"].items()},
        causes=tuple(dict.fromkeys(causes)),
        conditions=tuple(values.get("conditions", ())),
    )


def nearest(
    cells: tuple[PublishedCell, ...], versions: Mapping[str, Version], *, verdicts: tuple[str, ...]
) -> Near | None:
    """Return the cell of one of *verdicts* nearest to *versions*; ``None`` where none compares.

    Only cells of the same engine compare. A version that one side does not know is no
    difference.
    """
    engines = {name for name in ENGINES if name in versions}
    near = [
        _near(each, versions)
        for each in cells
        if each.verdict in verdicts
        and "verl" in versions
        and engines & each.versions.keys() == {n for n in ENGINES if n in each.versions}
    ]
    return min(near, key=lambda each: (each.distance, each.cell.id), default=None)


def _near(cell: PublishedCell, versions: Mapping[str, Version]) -> Near:
    found = []
    for name, there in cell.versions.items():
        here = versions.get(name)
        if here is not None and (share := _difference(here, there)):
            found.append((share * _WEIGHTS[name], f"{name} {there} there, {here} here"))
    found.sort(key=lambda each: -each[0])
    return Near(
        cell=cell,
        distance=sum(weight for weight, _ in found),
        differences=tuple(text for _, text in found),
    )


def _difference(here: Version, there: Version) -> float:
    """Return 0 for the same release, else how far apart: by major, minor or less."""
    ours, theirs = (tuple((*each.release, 0, 0, 0)[:3]) for each in (here, there))
    if ours[0] != theirs[0]:
        return 1.0
    if ours[1] != theirs[1]:
        return 0.5 + min(abs(ours[1] - theirs[1]), 40) / 100
    return 0.2 if here.base_version != there.base_version else 0.0
