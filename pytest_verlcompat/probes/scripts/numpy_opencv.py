"""Establish that arrays survive NumPy, OpenCV, PyArrow, pandas, numba, torch and tensordict.

Imports each of them that is installed and sends a real array through it and back, comparing
values, dtype and shape. Then reads the Requires-Dist of every installed distribution and
compares it with what is installed, as ``pip check`` does.

Passed: the round trips work and no requirement within the array libraries is unmet. Failed: an
import or a round trip fails. Conditional: the round trips work although a declared requirement
that names or belongs to one of these libraries is unmet, or although two OpenCV
distributions, which write the same files, are installed side by side.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import io
import re
import time
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

TITLE = "arrays survive NumPy, OpenCV, PyArrow, pandas, numba, torch and tensordict"
RUNG = "cpu"
DISTRIBUTIONS = ("numpy",)
GPUS = 0
TIMEOUT_S = 240.0

OPENCV = (
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
    "opencv-python",
    "opencv-python-headless",
)
CHAIN = frozenset({"numpy", "pyarrow", "numba", "pandas", "tensordict", *OPENCV})


class Unmet(NamedTuple):
    """One declared requirement that what is installed does not meet."""

    text: str
    """In the words of ``pip check``."""
    names: frozenset[str]
    """The requiring and the required distribution, normalized."""


def probe(request: dict[str, Any]) -> dict[str, Any]:
    """Return the versions used, seconds per round trip, and the unmet requirements."""
    facts, versions = request["facts"], request["versions"]
    flavours = [name for name in OPENCV if name in versions]
    facts["opencv_flavours"] = flavours
    facts["versions"] = {name: versions[name] for name in sorted(CHAIN & versions.keys())}
    unmet = sorted(find_unmet(importlib.metadata.distributions()))
    facts["unmet_requirements"] = [item.text for item in unmet]
    facts["round_trips_s"] = {}
    trips: list[tuple[str, bool, Callable[[], None]]] = [
        ("cv2", bool(flavours), _opencv),
        ("pyarrow", "pyarrow" in versions, _pyarrow),
        ("pandas", {"pandas", "pyarrow"} <= versions.keys(), _pandas),
        ("numba", "numba" in versions, _numba),
        ("torch", "torch" in versions, _torch),
        ("tensordict", {"tensordict", "torch"} <= versions.keys(), _tensordict),
    ]
    for name, installed, trip in trips:
        if installed:
            started = time.monotonic()
            trip()
            facts["round_trips_s"][name] = round(time.monotonic() - started, 3)
    condition = describe_conditions(unmet, flavours)
    return {**facts, "condition": condition} if condition else dict(facts)


def describe_conditions(unmet: Iterable[Unmet], flavours: list[str]) -> str | None:
    """Return under what condition a stack with working round trips works, or None."""
    conditions = []
    reasons = [item.text for item in unmet if CHAIN & item.names]
    if reasons:
        conditions.append(
            f"installed with overrides, because pip check reports: {'; '.join(reasons)}"
        )
    if len(flavours) > 1:
        conditions.append(f"{' and '.join(flavours)} stay of one version: they share their files")
    return "; ".join(conditions) or None


def find_unmet(
    distributions: Iterable[importlib.metadata.Distribution],
) -> Iterator[Unmet]:
    """Yield every requirement of *distributions* that they do not meet themselves.

    Requirements of extras are left out: nothing records which extras were asked for. Nothing
    is yielded where neither packaging nor pip's copy of it is installed.
    """
    requirements = _packaging("requirements")
    if requirements is None:
        return
    installed = {}
    for item in distributions:
        # A broken folder of metadata has no name.
        if item.metadata["Name"]:
            installed.setdefault(_normalized(item.metadata["Name"]), item)
    for name, item in installed.items():
        for line in item.requires or ():
            try:
                requirement = requirements.Requirement(line)
            except ValueError:
                continue
            marker = requirement.marker
            if marker is not None and not marker.evaluate({"extra": ""}):
                continue
            wanted = _normalized(requirement.name)
            found = installed.get(wanted)
            who = f"{name} {item.version} requires {requirement.name}{requirement.specifier}"
            if found is None:
                yield Unmet(f"{who}, not installed", frozenset({name, wanted}))
            elif not requirement.specifier.contains(found.version, prereleases=True):
                yield Unmet(f"{who}, installed {found.version}", frozenset({name, wanted}))


def _packaging(module: str) -> Any:
    """Return packaging's *module*, or pip's copy of it, or None."""
    for parent in ("packaging", "pip._vendor.packaging"):
        try:
            return importlib.import_module(f"{parent}.{module}")
        except ModuleNotFoundError:
            continue
    return None


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _require_equal(name: str, sent: Any, received: Any) -> None:
    """Raise AssertionError unless *received* has the values, dtype and shape of *sent*."""
    import numpy as np

    if received.dtype != sent.dtype or received.shape != sent.shape:
        raise AssertionError(
            f"{name} turned {sent.dtype} {sent.shape} into {received.dtype} {received.shape}"
        )
    if not np.array_equal(sent, received):
        raise AssertionError(f"{name} changed {int((sent != received).sum())} values")


def _image() -> Any:
    """Return a picture, ``uint8`` (height, width, channel), that differs in every pixel."""
    import numpy as np

    return np.arange(16 * 24 * 3, dtype=np.uint16).reshape(16, 24, 3).astype(np.uint8)


def _opencv() -> None:
    """Encode a picture as PNG and decode it, and convert its colours there and back."""
    import cv2

    image = _image()
    written, data = cv2.imencode(".png", image)
    if not written:
        raise AssertionError("cv2.imencode could not write PNG")
    _require_equal("cv2 PNG", image, cv2.imdecode(data, cv2.IMREAD_COLOR))
    swapped = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    _require_equal("cv2 colours", image, cv2.cvtColor(swapped, cv2.COLOR_RGB2BGR))


def _pyarrow() -> None:
    """Send ``float32`` and ``int64`` arrays through Arrow."""
    import numpy as np
    import pyarrow as pa

    for dtype in ("float32", "int64"):
        sent = np.arange(1000, dtype=dtype)
        _require_equal(f"pyarrow {dtype}", sent, pa.array(sent).to_numpy())


def _pandas() -> None:
    """Write a frame as Parquet, as verl's data sets are stored, and read it."""
    import numpy as np
    import pandas as pd

    sent = np.arange(100, dtype=np.int64)
    stored = io.BytesIO()
    pd.DataFrame({"value": sent, "text": [str(item) for item in sent]}).to_parquet(stored)
    stored.seek(0)
    frame = pd.read_parquet(stored)
    _require_equal("Parquet", sent, frame["value"].to_numpy())
    if frame["text"].tolist() != [str(item) for item in sent]:
        raise AssertionError("Parquet changed the texts")


def _numba() -> None:
    """Compile a loop over an array."""
    import numba
    import numpy as np

    @numba.njit
    def total(values: Any) -> Any:
        result = 0
        for value in values:
            result += value
        return result

    values = np.arange(100, dtype=np.int64)
    if total(values) != values.sum():
        raise AssertionError(f"numba sums to {total(values)}, numpy to {values.sum()}")


def _torch() -> None:
    """Share an array's memory with a tensor."""
    import numpy as np
    import torch

    sent = np.arange(100, dtype=np.float32)
    tensor = torch.from_numpy(sent)
    tensor += 1
    _require_equal("torch", sent, tensor.numpy())
    if sent[0] != 1:
        raise AssertionError("torch.from_numpy copied instead of sharing memory")


def _tensordict() -> None:
    """Stack two batches of tensors, as verl's DataProto does, and read the arrays."""
    import numpy as np
    import torch
    from tensordict import TensorDict

    sent = np.arange(12, dtype=np.float32).reshape(3, 4)
    batch = TensorDict({"value": torch.from_numpy(sent)}, batch_size=[3])
    stacked = torch.cat([batch, batch])
    if tuple(stacked.batch_size) != (6,):
        raise AssertionError(f"two batches of 3 became {tuple(stacked.batch_size)}")
    _require_equal("tensordict", sent, stacked[3:]["value"].numpy())
