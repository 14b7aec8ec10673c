"""What a person types becomes the cells that are meant, or an error with the nearest names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.errors import UsageError
from pytest_verlcompat.matrix.select import parse_where, select_cells
from tests.tiny import MINOR, TinyWorkspace

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_verlcompat.matrix.load import Matrix

PLAIN = f"alpha1.0-python{MINOR}-2026-01-01"
WITH_BETA = f"alpha1.0-beta1.0-python{MINOR}-2026-01-01"


@pytest.fixture
def matrix(tmp_path: Path) -> Matrix:
    """Return a matrix with two cells."""
    checkout = TinyWorkspace(root=tmp_path)
    checkout.declare_axes()
    assert checkout.write_cell() == PLAIN
    assert checkout.write_cell({"beta": "1.0"}) == WITH_BETA
    return checkout.matrix()


def _ids(matrix: Matrix, *ids: str, **where: str) -> list[str]:
    return [cell.id for cell in select_cells(matrix, ids=ids, where=where)]


def test_cells_are_taken_by_value(matrix: Matrix) -> None:
    """All cells with the value, and with several values those that have them all."""
    assert _ids(matrix, alpha="1.0") == [WITH_BETA, PLAIN]
    assert _ids(matrix, alpha="1.0", beta="1.0") == [WITH_BETA]
    assert _ids(matrix) == [WITH_BETA, PLAIN]


def test_cells_are_taken_by_default_value(matrix: Matrix) -> None:
    """A default that no cell file writes can still be asked for."""
    assert _ids(matrix, platform="x86_64-manylinux_2_35") == [WITH_BETA, PLAIN]


def test_cells_are_taken_by_id_once_each(matrix: Matrix) -> None:
    """A cell that is named twice is run once, in the order it was named."""
    assert _ids(matrix, PLAIN, WITH_BETA, PLAIN) == [PLAIN, WITH_BETA]


def test_unknown_id_says_the_nearest(matrix: Matrix) -> None:
    """A typo is answered with what was probably meant."""
    with pytest.raises(UsageError, match=f"no cell '.*' is declared; nearest: {PLAIN}"):
        _ids(matrix, PLAIN.replace("alpha", "alhpa"))


def test_unknown_axis_says_the_nearest_and_all(matrix: Matrix) -> None:
    """A typo in an axis is answered with the axes there are."""
    with pytest.raises(UsageError, match=r"no axis 'pyhton'; nearest: python.*there are alpha"):
        _ids(matrix, pyhton="3.12")


def test_unknown_value_says_the_nearest(matrix: Matrix) -> None:
    """A value that is not declared is answered with the nearest that are."""
    with pytest.raises(UsageError, match=r"alpha has no value '1\.01'; nearest: 1\.[01]"):
        _ids(matrix, alpha="1.01")


def test_declared_value_without_a_cell_is_an_error(matrix: Matrix) -> None:
    """Nothing to run is never a success."""
    with pytest.raises(UsageError, match=r"no cell is declared with alpha=1\.1"):
        _ids(matrix, alpha="1.1")


def test_ids_and_values_together_are_an_error(matrix: Matrix) -> None:
    """Neither is silently ignored in favour of the other."""
    with pytest.raises(UsageError, match="name cells or values, not both"):
        _ids(matrix, PLAIN, alpha="1.0")


def test_where_words_may_be_quoted_and_spaced() -> None:
    """What a shell or nox leaves around a value is taken off."""
    assert parse_where(["vllm='0.11.0'", "verl = 0.6.1"]) == {"vllm": "0.11.0", "verl": "0.6.1"}


@pytest.mark.parametrize("word", ["vllm", "vllm=", "=0.11.0", "  =1"])
def test_word_that_is_no_pair_is_an_error_with_an_example(word: str) -> None:
    """A malformed word says how a good one looks."""
    with pytest.raises(UsageError, match=r"is not axis=value, such as vllm=0\.11\.0"):
        parse_where([word])


def test_one_axis_with_two_values_is_an_error() -> None:
    """No cell has two values on one axis; the last word does not silently win."""
    with pytest.raises(UsageError, match="vllm is named twice"):
        parse_where(["vllm=0.11.0", "vllm=0.24.0"])
