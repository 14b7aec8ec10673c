"""A cell's id follows from its values, and its digest from everything its lock depends on."""

from __future__ import annotations

import dataclasses
import re

import pytest

from pytest_verlcompat.model.axis import Axis, AxisKind, AxisValue
from pytest_verlcompat.model.cell import Cell, pinned_requirements, render_cell_id
from tests.tiny import make_cell


def _axis(name: str, place: int, *texts: str, **more: object) -> Axis:
    return Axis(
        name=name,
        kind=AxisKind.DISTRIBUTION,
        place=place,
        label=name,
        source="tests",
        values=tuple(AxisValue(text=text) for text in texts),
        distribution=name,
        **more,  # type: ignore[arg-type]
    )


AXES = [_axis("verl", 10), _axis("vllm", 20), _axis("cuda", 30, default="12.8")]


def test_id_is_the_values_in_axis_order() -> None:
    """The place of the axes counts, not the order a person wrote the values in."""
    values = {"vllm": "0.11.0", "verl": "0.6.1"}

    assert render_cell_id(values, axes=reversed(AXES)) == "verl0.6.1-vllm0.11.0"


def test_default_value_is_left_out() -> None:
    """Only what differs from the default lengthens an id."""
    assert render_cell_id({"verl": "1", "cuda": "12.8"}, axes=AXES) == "verl1"
    assert render_cell_id({"verl": "1", "cuda": "13.0"}, axes=AXES) == "verl1-cuda13.0"


def test_id_has_only_letters_a_file_name_may_have() -> None:
    """Whatever a value holds, the id can be a file name and a word of a command line."""
    cell_id = render_cell_id({"verl": "0.6.1+CU128 / x_y'`$(rm)"}, axes=AXES)

    assert re.fullmatch(r"[a-z0-9.+-]+", cell_id)


def test_long_id_is_cut_to_exactly_100_with_a_digest() -> None:
    """An id never exceeds 100 characters, and two long ids with one beginning still differ."""
    axes = [_axis(f"axis-number-{place}", place) for place in range(10)]
    values = {axis.name: "1.0" for axis in axes}

    first = render_cell_id(values, axes=axes)
    second = render_cell_id({**values, "axis-number-9": "2.0"}, axes=axes)

    assert len(first) == len(second) == 100
    assert first != second
    assert re.fullmatch(r".{91}-[0-9a-f]{8}", first)
    assert first == render_cell_id(dict(reversed(values.items())), axes=axes)


@pytest.mark.parametrize("length", [99, 100])
def test_id_up_to_100_characters_is_whole(length: int) -> None:
    """The cut begins behind the hundredth character."""
    text = "1" * (length - len("verl"))

    assert render_cell_id({"verl": text}, axes=AXES) == f"verl{text}"


def test_pins_are_one_a_distribution_axis_with_extras() -> None:
    """A pin is what a user would type; axes without a distribution give none."""
    python = dataclasses.replace(AXES[0], name="python", kind=AxisKind.PYTHON, distribution=None)

    pins = pinned_requirements(
        {"vllm": "0.11.0", "verl": "0.6.1", "python": "3.12"},
        axes=[*AXES, python],
        extras={"verl": ("geo", "vllm")},
    )

    assert pins == ("verl[geo,vllm]==0.6.1", "vllm==0.11.0")


@pytest.mark.parametrize(
    "change",
    [
        {"requirements": ("alpha==1.1",)},
        {"overrides": ("beta<2",)},
        {"python": "3.9"},
        {"platform": "x86_64-manylinux_2_28"},
        {"as_of": "2026-01-02"},
    ],
)
def test_every_input_of_the_lock_changes_the_digest(change: dict[str, object]) -> None:
    """A lock that was made for something else is recognized by one digest."""
    assert make_cell(**change).inputs_sha256 != make_cell().inputs_sha256


def test_words_about_a_cell_do_not_change_the_digest() -> None:
    """A better reason does not make a lock stale."""
    cell: Cell = make_cell(title="Better", reason="clearer", sources=("a link",))

    assert cell.inputs_sha256 == make_cell().inputs_sha256
