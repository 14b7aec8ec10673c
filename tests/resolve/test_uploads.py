"""Upload days read from pages, in both forms, and kept for the day."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING

import pytest
from packaging.version import Version

from pytest_verlcompat.errors import IndexUnavailableError
from pytest_verlcompat.resolve.keep import Keep
from pytest_verlcompat.resolve.question import Answer, Resolution
from pytest_verlcompat.resolve.uploads import parse_uploads
from pytest_verlcompat.wheels.transport import Answer as Page

if TYPE_CHECKING:
    from pathlib import Path

    from tests.resolve.simple_site import SimpleSite


def make_page(body: bytes, kind: str = "text/html") -> Page:
    """Return what a server sent."""
    headers = {"content-type": kind}
    return Page(status=200, body=body, headers=headers, url="http://index.example/alpha/")


def test_first_wheel_of_each_final_release_counts(site: SimpleSite) -> None:
    """Pre-releases, yanked ones and releases without wheels are left out."""
    site.add("alpha", "1.0", uploaded="2025-01-02", tags="py3-none-any")
    site.add("alpha", "1.0", uploaded="2025-01-01", tags="py2-none-any")
    site.add("alpha", "2.0rc1", uploaded="2025-02-01")
    site.add("alpha", "2.0", uploaded="2025-03-01", yanked=True)
    site.add_sdist("alpha", "3.0", files={"PKG-INFO": ""})

    days = parse_uploads(make_page(site.page("alpha")))

    assert days == {Version("1.0"): dt.date(2025, 1, 1)}


def test_json_page_is_read_too() -> None:
    """The other form of the page says the same."""
    files = [{"filename": "alpha-1.0-py3-none-any.whl", "upload-time": "2025-01-01T00:00:00Z"}]
    body = json.dumps({"files": files}).encode()

    days = parse_uploads(make_page(body, "application/vnd.pypi.simple.v1+json"))

    assert days == {Version("1.0"): dt.date(2025, 1, 1)}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html><body><a href='x'>alpha", "text/html"),
        (b'{"files": [{"file', "application/vnd.pypi.simple.v1+json"),
        (b'{"message": "no"}', "application/vnd.pypi.simple.v1+json"),
    ],
)
def test_cut_page_is_an_index_that_fails(body: bytes, kind: str) -> None:
    """Half a page is never taken for few releases."""
    with pytest.raises(IndexUnavailableError, match="truncated"):
        parse_uploads(make_page(body, kind))


def test_days_are_kept_for_their_day_only(tmp_path: Path) -> None:
    """Another day reads the pages anew."""
    keep = Keep(tmp_path / "keep.sqlite")
    known = {"alpha": {Version("1.0"): dt.date(2025, 1, 1)}}
    keep.save_uploads(known, day=dt.date(2026, 1, 1))

    assert keep.load_uploads(day=dt.date(2026, 1, 1)) == known
    assert keep.load_uploads(day=dt.date(2026, 1, 2)) == {}
    keep.close()


def test_whole_set_is_kept_by_its_digest(tmp_path: Path) -> None:
    """A set comes back as it was; an unknown digest is None."""
    keep = Keep(tmp_path / "keep.sqlite")
    answer = Answer(
        resolution=Resolution.RESOLVED,
        picks={"alpha": "1.0", "beta": "2.0"},
        via={"alpha": (), "beta": ("alpha",)},
        sdists=("beta==2.0",),
    )
    keep.save_set(answer)

    assert keep.load_set(str(answer.set_digest)) == answer
    assert keep.load_set("00") is None
    keep.close()
