"""What the index said about releases: recorded, and compared with what it says now."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.errors import EvidenceError, IndexUnavailableError
from pytest_verlcompat.resolve.keep import Keep
from pytest_verlcompat.resolve.open import open_resolver
from pytest_verlcompat.resolve.seen import FILE, PAGE, Seen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.resolve.simple_site import SimpleSite

TODAY = dt.date(2026, 1, 10)
PICKS = {"alpha": "1.0", "beta": "2.0"}


@pytest.fixture
def reopen(site: SimpleSite, tmp_path: Path) -> Iterator[Callable[[], Seen]]:
    """Yield what reads the records from disk anew, as the next run does."""
    site.add("alpha", "1.0")
    site.add("alpha", "0.9")
    site.add("beta", "2.0")
    keep = Keep(tmp_path / "keep.sqlite")
    with open_resolver(sleep=lambda _seconds: None) as (_resolver, shelf):
        yield lambda: Seen(tmp_path / "ledger", pages=shelf, marks=keep, until=TODAY)
    keep.close()


def yank(site: SimpleSite) -> None:
    """Yank the release that was picked."""
    site.pages["alpha"][0].yanked = True


def delete(site: SimpleSite) -> None:
    """Delete the release that was picked."""
    site.pages["alpha"].pop(0)


def vanish(site: SimpleSite) -> None:
    """Delete the project."""
    del site.pages["alpha"]


def replace_file(site: SimpleSite) -> None:
    """Serve another file under the same name."""
    site.pages["alpha"][0].body += b"0"


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (yank, "is yanked"),
        (delete, "is gone"),
        (vanish, "is gone"),
        (replace_file, "has other files"),
    ],
)
def test_change_of_a_pick_is_found_once(
    site: SimpleSite,
    reopen: Callable[[], Seen],
    damage: Callable[[SimpleSite], None],
    what: str,
) -> None:
    """The run after it names it and has another digest; the run after that finds nothing."""
    before = reopen().note(PICKS)
    damage(site)

    seen = reopen()
    changes = seen.refresh()

    assert [(each.name, each.version, each.what) for each in changes] == [("alpha", "1.0", what)]
    assert seen.digest_of(PICKS) != before
    assert reopen().refresh() == ()
    assert reopen().restated == {("alpha", "1.0")}


def test_page_that_agrees_is_parsed_once(
    reopen: Callable[[], Seen], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was recorded from a page needs no second look while the page is the same."""
    seen = reopen()
    seen.note(PICKS)
    seen.note({"alpha": "0.9"})
    parsed: list[object] = []
    monkeypatch.setattr("pytest_verlcompat.resolve.seen.parse_files", parsed.append)

    assert reopen().refresh() == ()
    assert not parsed


def test_change_of_another_release_concerns_whole_pages_only(
    site: SimpleSite, reopen: Callable[[], Seen]
) -> None:
    """An answer that rests on the page notices what one that rests on a pick does not."""
    seen = reopen()
    seen.note(PICKS)
    seen.note({}, whole=["alpha"])
    site.pages["alpha"][1].yanked = True

    assert [(each.name, each.version) for each in reopen().refresh()] == [("alpha", PAGE)]


def test_upload_after_the_reading_is_no_change(
    site: SimpleSite, reopen: Callable[[], Seen]
) -> None:
    """A new release, or a new wheel of an old one, was not there to be read."""
    reopen().note(PICKS, whole=["alpha"])
    site.add("alpha", "1.1", uploaded="2026-01-11")
    site.add("alpha", "1.0", uploaded="2026-01-11", tags="cp314-cp314-manylinux_2_28_x86_64")

    assert reopen().refresh() == ()


def test_equal_answers_have_equal_digests_whatever_was_noted_first(
    reopen: Callable[[], Seen], tmp_path: Path
) -> None:
    """Two machines that read the same state of the index write the same digest."""
    first = reopen().note(PICKS)
    (tmp_path / "ledger" / FILE).unlink()
    seen = reopen()
    seen.note({"beta": "2.0"})

    assert seen.note(dict(reversed(PICKS.items()))) == first


def test_what_was_never_noted_has_no_digest(reopen: Callable[[], Seen]) -> None:
    """An answer whose releases nobody looked at cannot be vouched for."""
    assert reopen().digest_of(PICKS) is None


def test_index_that_is_down_is_no_change(site: SimpleSite, reopen: Callable[[], Seen]) -> None:
    """A page that cannot be read says nothing about its releases."""
    reopen().note(PICKS)
    site.fault = "down"

    with pytest.raises(IndexUnavailableError):
        reopen().refresh()


@pytest.mark.parametrize("line", ['{"name":"a"}', '{"name":"a","until":"x","read":{}}'])
def test_damaged_record_is_named(reopen: Callable[[], Seen], tmp_path: Path, line: str) -> None:
    """The error says file and line."""
    reopen().note(PICKS)
    path = tmp_path / "ledger" / FILE
    path.write_text(path.read_text() + line + "\n")

    with pytest.raises(EvidenceError, match=r"releases\.jsonl:3"):
        reopen()
