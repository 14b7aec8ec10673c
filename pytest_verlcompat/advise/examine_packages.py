"""Distributions that lie over each other, come from elsewhere, or do not belong together."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pytest_verlcompat.advise.advice import Advice, Level
from pytest_verlcompat.advise.inventory import cuda_majors
from pytest_verlcompat.issues.catalogue import load_catalogue
from pytest_verlcompat.issues.facts import Holds, holds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_verlcompat.advise.inventory import Inventory

_OPENCV = frozenset({
    "opencv-python", "opencv-python-headless", "opencv-contrib-python",
    "opencv-contrib-python-headless",
})  # fmt: skip


_FAMILIES = {
    "VC096": ("flashinfer-python", "flashinfer-cubin", "flashinfer-jit-cache"),
    "VC154": (
        "transformer-engine", "transformer-engine-cu12", "transformer-engine-cu13",
        "transformer-engine-torch",
    ),
}  # fmt: skip
"""Entry of the catalogue to distributions that must be of one release."""


def examine(inventory: Inventory) -> Iterator[Advice]:
    """Yield what is wrong with the set of distributions, apart from their versions."""
    yield from _nothing_installed(inventory)
    yield from _duplicates(inventory)
    yield from _opencv(inventory)
    yield from _cuda(inventory)
    yield from _other_places(inventory)
    yield from _editable(inventory)
    yield from _companions(inventory)


def _nothing_installed(inventory: Inventory) -> Iterator[Advice]:
    if inventory.first("verl") is None:
        yield Advice(
            code="no-verl",
            level=Level.RISK,
            title="verl is not installed in this environment",
            detail=f"Looked in {len(inventory.interpreter.site_packages)} site-packages folder(s).",
            remedies=("verlcompat doctor --python /path/to/the/environment/bin/python",),
            costs=("none: judges another environment",),
        )


def _duplicates(inventory: Inventory) -> Iterator[Advice]:
    for folder in {each.location for each in inventory.distributions}:
        names = Counter(each.name for each in inventory.distributions if each.location == folder)
        for name in sorted(name for name, count in names.items() if count > 1):
            versions = [d.version for d in inventory.distributions if d.name == name]
            yield Advice(
                code="duplicate-distribution",
                level=Level.BREAKS,
                title=f"{name} is installed twice in one folder",
                detail=f"Metadata of {' and '.join(versions)}: an interrupted install left a part.",
                remedies=(f"pip uninstall -y {name}\npip uninstall -y {name}\npip install {name}",),
                costs=("name the version that is wanted in the last command",),
            )


def _opencv(inventory: Inventory) -> Iterator[Advice]:
    found = sorted({d.name for d in inventory.distributions if d.name in _OPENCV})
    if len(found) > 1:
        versions = {d.version for d in inventory.distributions if d.name in _OPENCV}
        yield Advice(
            code="several-opencv",
            level=Level.BREAKS if len(versions) > 1 else Level.RISK,
            title="Several OpenCV distributions write the same folder cv2",
            detail=", ".join(f"{name} {_version(inventory, name)}" for name in found),
            remedies=(f"pip uninstall -y {' '.join(found)}\npip install opencv-python-headless",),
            costs=("no windows can be opened, which servers do not need",),
        )


def _cuda(inventory: Inventory) -> Iterator[Advice]:
    majors = cuda_majors(inventory.distributions)
    if len(majors) > 1:
        few = min(majors.values(), key=len)
        yield Advice(
            code="mixed-cuda-wheels",
            level=Level.RISK,
            title="NVIDIA wheels of two CUDA majors are installed",
            detail="; ".join(f"CUDA {k}: {len(v)} wheels" for k, v in sorted(majors.items())),
            remedies=(f"pip uninstall -y {' '.join(few[:12])}",),
            costs=("what was built for that major loses its libraries",),
        )


def _other_places(inventory: Inventory) -> Iterator[Advice]:
    own = set(inventory.interpreter.site_packages)
    for folder in sorted({d.location for d in inventory.distributions} - own):
        names = {d.name for d in inventory.distributions if d.location == folder}
        inside = {d.name for d in inventory.distributions if d.location in own}
        user = folder == inventory.interpreter.user_site
        yield Advice(
            code="user-site" if user else "python-path",
            level=Level.RISK,
            title=f"{_place(user=user)} brings {len(names)} distribution(s)",
            detail="They stand before those of the environment; both have: "
            + (", ".join(sorted(names & inside)[:8]) or "none"),
            remedies=("export PYTHONNOUSERSITE=1" if user else "unset PYTHONPATH",),
            costs=("what is installed only there is not found any more",),
        )


def _editable(inventory: Inventory) -> Iterator[Advice]:
    for each in inventory.distributions:
        if each.editable:
            yield Advice(
                code="editable",
                level=Level.FINE,
                title=f"{each.name} {each.version} is an editable install",
                detail=f"{each.origin or 'its folder is not recorded'}; the version may lie",
            )


def _companions(inventory: Inventory) -> Iterator[Advice]:
    """Yield families of which one part is of another release; no metadata of theirs says it."""
    entries = {each.id: each for each in load_catalogue()}
    for code, names in _FAMILIES.items():
        parts = [found for name in names if (found := inventory.first(name)) is not None]
        if len({each.version.partition("+")[0] for each in parts}) < 2:  # noqa: PLR2004 -- differ
            continue
        entry = entries[code]
        remedies = [e for e in entry.remedies if holds(e.when, inventory.facts) is not Holds.NO]
        yield Advice(
            code=code,
            level=Level.BREAKS,
            title=entry.title,
            detail="Here: " + ", ".join(f"{each.name} {each.version}" for each in parts) + ".",
            remedies=tuple(each.do for each in remedies),
            costs=tuple(each.cost for each in remedies),
        )


def _version(inventory: Inventory, name: str) -> str:
    found = inventory.first(name)
    return found.version if found else "?"


def _place(*, user: bool) -> str:
    return "The user site" if user else "PYTHONPATH"
