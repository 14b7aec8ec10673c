"""A small stack with every distribution that recipes speak of, locked by hand."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.resolve.lock import Lock
from tests.tiny import make_cell

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_verlcompat.model.cell import Cell

PINS = {
    "antlr4-python3-runtime": "4.9.3",
    "numpy": "1.26.4",
    "nvidia-cuda-runtime-cu12": "12.8.90",
    "opencv-python-headless": "4.9.0.80",
    "ray": "2.51.1",
    "torch": "2.8.0",
    "verl": "0.6.1",
    "vllm": "0.11.0",
}


@pytest.fixture
def stack(tmp_path: Path) -> tuple[Cell, Lock]:
    """Return a cell with an override, and its lock."""
    cell = make_cell(
        id="verl0.6.1-vllm0.11.0-python3.12-2025-11-20",
        requirements=("verl==0.6.1", "vllm==0.11.0"),
        overrides=("opencv-python-headless<4.10",),
        python="3.12",
        as_of="2025-11-20",
    )
    lines = []
    for name, version in PINS.items():
        if name.startswith("antlr4"):
            lines.append("# sdist, is built on the machine:")
        digest = hashlib.sha256(name.encode()).hexdigest()
        lines.append(f"{name}=={version} --hash=sha256:{digest}")
    path = tmp_path / cell.id / "requirements.txt"
    path.parent.mkdir()
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    lock = Lock(sha256="5e" * 32, resolver="uv 0.13.8", versions=PINS, path=path)
    return cell, lock
