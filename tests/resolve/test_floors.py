"""The lowest C library of a release, read from real file names."""

from __future__ import annotations

import datetime as dt

import pytest

from pytest_verlcompat.resolve.floors import fits, floor_of
from pytest_verlcompat.resolve.uploads import ListedFile

DAY = dt.date(2026, 1, 10)
NEW = "numpy-2.3.5-cp312-cp312-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl"


def make_file(filename: str, day: str | None = "2026-01-01", *, yanked: bool = False) -> ListedFile:
    """Return a link as the page has it."""
    return ListedFile(filename, None if day is None else f"{day}T00:00:00Z", yanked, None)


@pytest.mark.parametrize(
    ("filename", "floor"),
    [
        ("idna-3.0-py3-none-any.whl", 0),
        ("vllm-0.6.3-cp38-abi3-manylinux1_x86_64.whl", 5),
        ("ray-2.50-cp312-cp312-manylinux2014_x86_64.whl", 17),
        (NEW, 27),
        ("vllm-0.33.0-cp38-abi3-manylinux_2_31_x86_64.whl", 31),
        ("x-1.0-cp313-cp313-manylinux_2_28_x86_64.whl", None),
        ("x-1.0-cp312-cp312-manylinux_2_28_aarch64.whl", None),
        ("x-1.0-cp312-cp312-musllinux_1_2_x86_64.whl", None),
        ("x-1.0-cp312-cp312-macosx_11_0_arm64.whl", None),
        ("x-1.0-py2.py3-none-linux_x86_64.whl", 0),
        ("x-1.0.tar.gz", None),
        ("x-1.0-garbage.whl", None),
    ],
)
def test_floor_is_read_from_the_tags(filename: str, floor: int | None) -> None:
    """The lowest platform tag of a wheel that CPython 3.12 takes counts."""
    assert floor_of([make_file(filename)], python="3.12", as_of=DAY) == floor


def test_wheel_that_came_later_does_not_count() -> None:
    """A wheel for an old system that was added later was not there on the day."""
    late = make_file("numpy-2.3.5-cp312-cp312-manylinux2014_x86_64.whl", "2026-02-01")

    assert floor_of([make_file(NEW), late], python="3.12", as_of=DAY) == 27


def test_yanked_wheel_counts_only_where_all_are_yanked() -> None:
    """Uv takes a yanked release for a pin only, and then all of it."""
    yanked = make_file("numpy-2.3.5-cp312-cp312-manylinux2014_x86_64.whl", yanked=True)

    assert floor_of([make_file(NEW), yanked], python="3.12", as_of=DAY) == 27
    assert floor_of([yanked], python="3.12", as_of=DAY) == 17


@pytest.mark.parametrize(
    ("floor", "glibc", "answer"),
    [("2.5", "2.28", True), ("2.35", "2.31", False), ("2.28", "2.28", True), (None, "2.35", False)],
)
def test_floors_are_compared_as_versions(floor: str | None, glibc: str, *, answer: bool) -> None:
    """2.5 is lower than 2.28, and what is unknown fits nothing."""
    assert fits(floor, glibc) is answer
