"""A selection becomes cells: every combination once, on the day the newer release came out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.errors import MatrixError, UsageError
from pytest_verlcompat.matrix.load import load_axis, load_matrix
from pytest_verlcompat.matrix.select import select_cells
from pytest_verlcompat.model.verdict import Verdict, VerdictKind
from tests.conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SELECTION = """\
title = "a look around"
reason = "nobody knows"
python = ["3.12"]

[[pairs]]
verl = ["0.6.0", "0.6.1"]
vllm = ["0.11.0"]
as-of = ["release", "2026-11-20"]
"""
DECLARED = "verl0.6.1-vllm0.11.0-python3.12-2026-11-20"


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """Return what writes a selection beside this repository's axes, and returns the matrix."""
    folder = tmp_path / "matrix"
    (folder / "selections").mkdir(parents=True)
    (folder / "axes").symlink_to(ROOT / "matrix" / "axes")

    def write(text: str) -> Path:
        (folder / "selections" / "look.toml").write_text(text, encoding="utf-8")
        return folder

    return write


def test_every_combination_is_a_cell_on_its_day(write: Callable[[str], Path]) -> None:
    """Release day is the day after the newer of the two; vLLM 0.11.0 is older than both here."""
    cells = load_matrix(write(SELECTION)).cells

    assert list(cells) == [
        "verl0.6.0-vllm0.11.0-python3.12-2025-10-17",
        "verl0.6.0-vllm0.11.0-python3.12-2026-11-20",
        "verl0.6.1-vllm0.11.0-python3.12-2025-11-15",
        DECLARED,
    ]
    assert cells[DECLARED].requirements == ("verl==0.6.1", "vllm==0.11.0")
    assert cells[DECLARED].platform == "x86_64-manylinux_2_35"


def test_surveyed_cell_expects_nothing(write: Callable[[str], Path]) -> None:
    """A survey cannot be wrong; what it finds is what it says."""
    cell = load_matrix(write(SELECTION)).cells[DECLARED]

    assert cell.expected is None
    for kind in VerdictKind:
        assert cell.expects(Verdict(kind=kind, passed=(), failed=(), partial=()))


def test_cell_with_a_file_of_its_own_stays_as_declared(write: Callable[[str], Path]) -> None:
    """Whoever chose a cell by hand said more about it than a survey does."""
    folder = write(SELECTION)
    (folder / "cells").mkdir()
    text = (ROOT / "matrix" / "cells" / f"{DECLARED}.toml").read_text(encoding="utf-8")
    (folder / "cells" / f"{DECLARED}.toml").write_text(text, encoding="utf-8")
    matrix = load_matrix(folder)

    assert matrix.cells[DECLARED].expected is VerdictKind.INCOMPATIBLE
    assert [cell.id for cell in select_cells(matrix)] == [DECLARED]
    assert len(select_cells(matrix, survey="look")) == 3
    assert [
        cell.values["verl"] for cell in select_cells(matrix, survey="look", where={"verl": "0.6.1"})
    ] == ["0.6.1"]


def test_selection_that_is_not_there_names_those_that_are(write: Callable[[str], Path]) -> None:
    """A mistyped name is answered with the names."""
    matrix = load_matrix(write(SELECTION))

    with pytest.raises(UsageError, match=r"no selection 'lok' asks for a cell; there are: look"):
        select_cells(matrix, survey="lok")


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('"0.11.0"', '"0.11"', r"pairs\[0\]: vllm: '0.11' is not declared; nearest: 0.11.0"),
        ('"0.6.0", "0.6.1"', '"0.6.1", "0.6.1"', "is asked for twice; keep one"),
        ('["0.11.0"]', '["0.11.0"]\nvlm = ["1"]', r"vlm: unknown key; did you mean 'vllm'\?"),
        ('"release"', '"realease"', "'realease' is neither 'release' nor a day"),
        ('python = ["3.12"]', 'python = ["3.9"]', "python: '3.9' is not declared"),
        ('reason = "nobody knows"', "", "reason: missing; add it"),
        ('vllm = ["0.11.0"]', "", "vllm: missing; name releases of verl, and of vllm or sglang"),
    ],
)
def test_mistake_in_a_selection_names_file_and_key(
    write: Callable[[str], Path], before: str, after: str, message: str
) -> None:
    """What is declared loads strictly."""
    assert before in SELECTION
    folder = write(SELECTION.replace(before, after))

    with pytest.raises(MatrixError, match=message) as raised:
        load_matrix(folder)
    assert "selections/look.toml" in str(raised.value)


def test_release_whose_day_nobody_knows_needs_days(write: Callable[[str], Path]) -> None:
    """An index without dates is told from a mistake; the axis is as discovery wrote it."""
    folder = write(SELECTION)
    axes = folder / "axes"
    axes.unlink()
    axes.mkdir()
    for path in (ROOT / "matrix" / "axes").glob("*.toml"):
        text = path.read_text(encoding="utf-8")
        kept = [line for line in text.splitlines() if not line.startswith("uploaded")]
        (axes / path.name).write_text("\n".join(kept), encoding="utf-8")

    assert load_axis(axes / "verl.toml").values
    with pytest.raises(MatrixError, match=r"the index told no day for verl 0.6.0; write days"):
        load_matrix(folder)
