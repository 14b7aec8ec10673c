"""Discovery over a small index: what is found, what a refresh writes, and what it tells."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.cli.cmd_discover import discover_axis
from pytest_verlcompat.errors import IndexUnavailableError
from pytest_verlcompat.matrix.load import load_axis
from pytest_verlcompat.resolve.axis_file import render_summary
from pytest_verlcompat.resolve.discover import find_releases, read_pins
from pytest_verlcompat.wheels.index import IndexClient

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_verlcompat.resolve.axis_file import Change
    from tests.resolve.simple_site import SimpleSite

HEAD = (
    'kind = "distribution"\ndistribution = "vllm"\nlabel = "vllm"\nplace = 20\nsource = "tests"\n'
)


def refresh(path: Path, site: SimpleSite) -> Change:
    """Refresh the axis file at *path* from the index and return what changed."""
    client = IndexClient((site.index_url,))
    text, change = discover_axis(load_axis(path), client, floor="0.8")
    path.write_text(text, encoding="utf-8")
    return change


@pytest.fixture
def axis_path(tmp_path: Path) -> Path:
    """Return an axis file for vLLM that declares 0.8.5 by hand."""
    path = tmp_path / "vllm.toml"
    path.write_text(f'{HEAD}\n[[values]]\nvalue = "0.8.5"\nsource = "a hand"\n')
    return path


def publish(site: SimpleSite) -> None:
    """Put two vLLM releases on the index, and one below the floor."""
    platform = "manylinux_2_31_x86_64"
    site.add("vllm", "0.7.0")
    site.add("vllm", "0.8.5", requires=["torch==2.6.0", "requests"], requires_python=">=3.9")
    site.add(
        "vllm",
        "0.11.0",
        requires=["torch==2.8.0", "pandas; extra == 'bench'"],
        extras=["bench"],
        uploaded="2025-10-02",
        tags=f"cp38-abi3-{platform}",
    )


def test_release_is_described_from_its_page(site: SimpleSite) -> None:
    """Day, Requires-Python, tags and glibc floor come from the project page alone."""
    publish(site)

    found = find_releases(IndexClient((site.index_url,)), "vllm", floor="0.8")

    assert [each.version for each in found] == ["0.8.5", "0.11.0"]
    assert found[0].requires_python == ">=3.9"
    assert found[1].uploaded == dt.date(2025, 10, 2)
    assert found[1].glibc == "2.31"
    assert found[0].glibc is None


def test_late_wheel_moves_the_day_it_is_installable(site: SimpleSite) -> None:
    """A release is installable when its wheels for this platform are all there."""
    tags = "manylinux_2_34_x86_64"
    site.add("vllm", "1.0", tags=f"cp310-cp310-{tags}", uploaded="2026-05-05")
    site.add("vllm", "1.0", tags=f"cp312-cp312-{tags}", uploaded="2026-05-07")
    site.add("vllm", "1.0", tags=f"cp313-cp313-{tags}", uploaded="2026-09-01")

    (found,) = find_releases(IndexClient((site.index_url,)), "vllm", floor="0.8")

    assert found.uploaded == dt.date(2026, 5, 5)
    assert found.installable == dt.date(2026, 5, 7)


def test_pins_of_other_axes_are_read_from_the_wheel(site: SimpleSite) -> None:
    """Requirements on axes are kept, the rest and the extras nobody uses are not."""
    publish(site)

    read = read_pins(IndexClient((site.index_url,)), "vllm", ["0.8.5", "0.11.0"])

    assert read == {"0.8.5": (("torch==2.6.0",), ()), "0.11.0": (("torch==2.8.0",), ())}


def test_refresh_keeps_what_a_hand_wrote(site: SimpleSite, axis_path: Path) -> None:
    """The source of a value stays, facts are added, and the file still loads."""
    publish(site)

    change = refresh(axis_path, site)

    axis = load_axis(axis_path)
    assert axis.values[0].source == "a hand"
    assert (axis.values[0].facts or {})["pins"] == ["torch==2.6.0"]
    assert change.added == ("0.11.0",)


def test_second_refresh_changes_no_byte(site: SimpleSite, axis_path: Path) -> None:
    """Without news the diff is empty, and no metadata is read again."""
    publish(site)
    refresh(axis_path, site)
    before, asked = axis_path.read_bytes(), len(site.requests)

    change = refresh(axis_path, site)

    assert axis_path.read_bytes() == before
    assert change.is_empty
    assert len(site.requests) == asked + 1


def test_yanked_and_deleted_releases_are_told_and_stay(site: SimpleSite, axis_path: Path) -> None:
    """Nothing is dropped silently."""
    publish(site)
    refresh(axis_path, site)
    entries = site.pages["vllm"]
    site.pages["vllm"] = [each for each in entries if "0.8.5" not in each.filename]
    site.pages["vllm"][-1].yanked = True

    change = refresh(axis_path, site)

    assert change.deleted == ("0.8.5",)
    assert "yanked" in change.changed["0.11.0"][0]
    assert load_axis(axis_path).texts == ("0.8.5", "0.11.0")


def test_summary_says_what_is_new_and_what_it_moves(site: SimpleSite, axis_path: Path) -> None:
    """A reader sees the new release, its untested cells, and the pin that moved."""
    publish(site)

    change = refresh(axis_path, site)

    text = render_summary([change], day=dt.date(2026, 1, 1), cells={"vllm": 256})
    assert "**0.11.0** is new: 256 cells of the space, all untested" in text
    assert "requires torch==2.8.0 (before: torch==2.6.0)" in text


def test_index_without_dates_is_said_so(site: SimpleSite, axis_path: Path) -> None:
    """Without upload days the axis has none, and the summary says what follows."""
    site.dated = False
    publish(site)

    change = refresh(axis_path, site)

    assert change.undated
    assert "uploaded" not in (load_axis(axis_path).values[0].facts or {})
    assert "no upload dates" in render_summary([change], day=dt.date(2026, 1, 1), cells={"vllm": 1})


@pytest.mark.parametrize("fault", ["garbage", "cut"])
def test_broken_page_is_no_news(site: SimpleSite, axis_path: Path, fault: str) -> None:
    """A page that is cut or something else stops discovery; the file stays as it is."""
    publish(site)
    site.fault = fault
    before = axis_path.read_bytes()

    with pytest.raises(IndexUnavailableError):
        refresh(axis_path, site)

    assert axis_path.read_bytes() == before


def test_project_without_files_is_an_index_that_fails(site: SimpleSite, axis_path: Path) -> None:
    """An empty page of a project that exists must not mark everything deleted."""
    site.pages["vllm"] = []

    with pytest.raises(IndexUnavailableError, match="no file"):
        refresh(axis_path, site)
