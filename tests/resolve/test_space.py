"""Cells of the space, their days, and what is not asked."""

from __future__ import annotations

import datetime as dt

import pytest

from pytest_verlcompat.errors import MatrixError
from pytest_verlcompat.model.axis import Axis, AxisKind, AxisValue
from pytest_verlcompat.resolve.space import (
    Form,
    Release,
    Selection,
    SpaceCell,
    When,
    day_of,
    find_cells,
    last_complete_day,
    releases_of,
    why_not,
)

TODAY = dt.date(2026, 11, 19)
RELEASES = {
    "verl": (
        Release(version="0.4.0", installable=dt.date(2025, 6, 9), extras=("vllm",)),
        Release(version="0.6.1", installable=dt.date(2025, 11, 14), extras=("sglang", "vllm")),
    ),
    "vllm": (
        Release(version="0.8.5", installable=dt.date(2025, 4, 28)),
        Release(version="0.33.0", installable=dt.date(2026, 11, 18)),
    ),
    "sglang": (Release(version="0.5.5", installable=None),),
}


def make_cell(**values: object) -> SpaceCell:
    """Return verl 0.6.1 with vLLM 0.8.5 by its extra, and what *values* change."""
    return SpaceCell(
        **{
            "verl": "0.6.1",
            "engine": "vllm",
            "release": "0.8.5",
            "form": Form.EXTRA,
            "python": "3.12",
            "glibc": "2.35",
            "when": When.RELEASE,
            **values,
        }  # type: ignore[arg-type]
    )


def make_axis(**facts: object) -> Axis:
    """Return the axis verl with one value that has these facts."""
    value = AxisValue(text="0.6.1", facts=facts)
    return Axis(
        name="verl",
        kind=AxisKind.DISTRIBUTION,
        place=10,
        label="verl",
        source="tests",
        values=(value,),
        distribution="verl",
    )


def test_space_is_the_product_of_its_axes() -> None:
    """Every verl with every engine release, form, Python, C library and day."""
    cells = list(find_cells(RELEASES, Selection(pythons=["3.11", "3.12"])))

    assert len(cells) == 2 * 3 * 2 * 2 * 2 * 3
    assert len({cell.id for cell in cells}) == len(cells)


def test_floor_leaves_out_older_releases() -> None:
    """A selection may start at a version."""
    selection = Selection(engines=["vllm"], least={"verl": "0.5", "vllm": "0.9"})

    assert {(cell.verl, cell.release) for cell in find_cells(RELEASES, selection)} == {
        ("0.6.1", "0.33.0")
    }


def test_release_day_is_the_day_after_the_newer_one() -> None:
    """The newer of the two decides, plus a day of grace, but never the future."""
    assert day_of(make_cell(), RELEASES, today=TODAY) == dt.date(2025, 11, 15)
    assert day_of(make_cell(release="0.33.0"), RELEASES, today=TODAY) == TODAY
    assert day_of(make_cell(when=When.TODAY), RELEASES, today=TODAY) == TODAY


def test_undated_release_has_no_day() -> None:
    """Where the index tells no dates, no day can be asked about."""
    assert day_of(make_cell(engine="sglang", release="0.5.5"), RELEASES, today=TODAY) is None


def test_extra_that_a_release_lacks_is_not_asked_for() -> None:
    """Uv would ignore the extra and answer another question."""
    cell = make_cell(verl="0.4.0", engine="sglang", release="0.5.5")

    assert why_not(cell, RELEASES) == "verl 0.4.0 declares no extra 'sglang'"
    assert why_not(make_cell(), RELEASES) is None


def test_question_carries_platform_and_extra() -> None:
    """A cell's words become uv's."""
    question = make_cell().question(TODAY)

    assert question.requirements == ("verl[vllm]==0.6.1", "vllm==0.8.5")
    assert question.platform == "x86_64-manylinux_2_35"
    assert question.newest == "2026-11-20T00:00:00Z"


def test_digest_depends_on_every_input() -> None:
    """Another day, Python, platform or resolver is another question."""
    questions = {
        make_cell().question(TODAY).digest("uv 1"),
        make_cell().question(TODAY).digest("uv 2"),
        make_cell(python="3.11").question(TODAY).digest("uv 1"),
        make_cell(glibc="2.28").question(TODAY).digest("uv 1"),
        make_cell().question(TODAY - dt.timedelta(days=1)).digest("uv 1"),
    }

    assert len(questions) == 5


@pytest.mark.parametrize(
    "facts", [{"uploaded": "soon"}, {"extras": "vllm"}, {"pins": "vllm"}, {"glibc": "musl"}]
)
def test_absurd_fact_in_an_axis_names_file_and_value(facts: dict[str, object]) -> None:
    """A hand-made mistake is said with its place."""
    with pytest.raises(MatrixError, match=r"axes/verl\.toml: values\[0\.6\.1\]"):
        releases_of(make_axis(**facts))


def test_last_complete_day_is_yesterday_in_utc() -> None:
    """Shortly after midnight elsewhere, the day in UTC decides."""
    zone = dt.timezone(dt.timedelta(hours=9))

    assert last_complete_day(dt.datetime(2026, 11, 20, 8, tzinfo=zone)) == dt.date(2026, 11, 18)
