"""The whole space over a small index: once, stopped, again, on another day."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import itertools
from typing import TYPE_CHECKING

from pytest_verlcompat.resolve.keep import Keep
from pytest_verlcompat.resolve.ledger import Ledger
from pytest_verlcompat.resolve.open import open_resolver
from pytest_verlcompat.resolve.question import Resolution
from pytest_verlcompat.resolve.space import Form, Release, Selection, When, find_cells
from pytest_verlcompat.resolve.sweep import Desk, find_todo, run_of, sweep

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_verlcompat.resolve.space import SpaceCell
    from tests.resolve.simple_site import SimpleSite

TODAY = dt.date(2026, 1, 10)
OUT = dt.date(2025, 1, 10)
RELEASES = {
    "verl": (Release(version="1.0", installable=OUT, extras=("vllm",)),),
    "vllm": (
        Release(version="1.0", installable=OUT),
        Release(version="2.0", installable=OUT),
    ),
    "sglang": (Release(version="1.0", installable=OUT),),
}


def publish(site: SimpleSite) -> None:
    """Put one verl and two engines on the index; vLLM 2.0 contradicts verl."""
    site.add("verl", "1.0", requires=["numpy<2", "vllm<2; extra == 'vllm'"], extras=["vllm"])
    site.add("vllm", "1.0", requires=["numpy"])
    site.add("vllm", "2.0", requires=["numpy>=2"])
    site.add("sglang", "1.0")
    site.add("numpy", "1.26")
    site.add("numpy", "2.0")


def cells() -> tuple[SpaceCell, ...]:
    """Return the space of one Python."""
    return tuple(find_cells(RELEASES, Selection(pythons=["3.12"])))


@contextlib.contextmanager
def open_desk(folder: Path, *, today: dt.date = TODAY) -> Iterator[Desk]:
    """Yield what a sweep works with; ledger and keep are read from disk anew."""
    keep = Keep(folder / "keep.sqlite")
    with open_resolver(sleep=lambda _seconds: None) as (resolver, _shelf):
        ledger = Ledger(folder / "ledger")
        yield Desk(releases=RELEASES, today=today, ledger=ledger, keep=keep, resolver=resolver)
    keep.close()


def run_all(folder: Path, *, today: dt.date = TODAY) -> int:
    """Do what is to do and return how many cells that were."""
    with open_desk(folder, today=today) as desk:
        todo = find_todo(cells(), desk)
        words = [step.fact.resolution for step in sweep(todo, desk, workers=2)]
        if Resolution.ERRORED not in words:
            desk.ledger.append_run(run_of(cells(), desk))
    return len(words)


def test_every_cell_gets_its_word(site: SimpleSite, tmp_path: Path) -> None:
    """Resolved, unresolvable and not attempted are told apart."""
    publish(site)

    assert run_all(tmp_path) == 12

    facts = {fact.cell.id: fact for fact in Ledger(tmp_path / "ledger").facts()}
    words = {
        (fact.cell.engine, fact.cell.release, fact.cell.form): fact.resolution
        for fact in facts.values()
        if fact.cell.when is When.TODAY
    }
    assert words == {
        ("vllm", "1.0", Form.EXTRA): Resolution.RESOLVED,
        ("vllm", "1.0", Form.BARE): Resolution.RESOLVED,
        ("vllm", "2.0", Form.EXTRA): Resolution.UNRESOLVABLE,
        ("vllm", "2.0", Form.BARE): Resolution.UNRESOLVABLE,
        ("sglang", "1.0", Form.EXTRA): Resolution.NOT_ATTEMPTED,
        ("sglang", "1.0", Form.BARE): Resolution.RESOLVED,
    }


def test_second_run_asks_nothing(site: SimpleSite, tmp_path: Path) -> None:
    """With everything known, the index is not touched."""
    publish(site)
    run_all(tmp_path)
    before = len(site.requests)

    assert run_all(tmp_path) == 0
    assert len(site.requests) == before


def test_stopped_run_goes_on(site: SimpleSite, tmp_path: Path) -> None:
    """What was yielded is on disk; the next run does the rest only."""
    publish(site)
    with open_desk(tmp_path) as desk:
        steps = sweep(find_todo(cells(), desk), desk, workers=1)
        first = list(itertools.islice(steps, 5))
        steps.close()  # type: ignore[attr-defined]

    assert len(first) == 5
    assert run_all(tmp_path) <= 12 - 5


def test_new_day_without_news_writes_nothing(site: SimpleSite, tmp_path: Path) -> None:
    """Cells of today are asked again on another day, and an equal answer is no line."""
    publish(site)
    run_all(tmp_path)
    before = (tmp_path / "ledger" / "1.0.jsonl").read_bytes()

    done = run_all(tmp_path, today=TODAY + dt.timedelta(days=7))

    assert 0 < done < 12
    assert (tmp_path / "ledger" / "1.0.jsonl").read_bytes() == before


def test_release_that_changes_an_answer_is_one_new_line(site: SimpleSite, tmp_path: Path) -> None:
    """A numpy of the week between is news to the cells that pick it."""
    publish(site)
    run_all(tmp_path)
    site.add("numpy", "1.27", uploaded="2026-01-12")
    for page in (tmp_path / "cache" / "uv").rglob("numpy.rkyv"):
        page.unlink()  # in real life the page is a week old by then

    run_all(tmp_path, today=TODAY + dt.timedelta(days=7))

    ledger = Ledger(tmp_path / "ledger")
    changed = {fact.cell.id for fact in ledger.facts() if fact.as_of == dt.date(2026, 1, 17)}
    assert changed == {
        f"verl1.0-{name}-python3.12-glibc2.35-today"
        for name in ("vllm1.0-extra", "vllm1.0-bare", "sglang1.0-bare")
    }


def test_errored_cell_is_asked_again(site: SimpleSite, tmp_path: Path) -> None:
    """A broken index leaves errored cells, which the next run repairs."""
    publish(site)
    site.fault = "down"
    run_all(tmp_path)
    site.fault = None

    assert run_all(tmp_path) == 10
    assert run_all(tmp_path) == 0


def test_index_without_dates_leaves_dated_cells_untested(site: SimpleSite, tmp_path: Path) -> None:
    """Where no upload day is known, release-day cells are not attempted, with the reason."""
    publish(site)
    undated = {
        name: tuple(dataclasses.replace(each, installable=None) for each in releases)
        for name, releases in RELEASES.items()
    }
    dated = [cell for cell in cells() if cell.when is When.RELEASE]
    with open_desk(tmp_path) as desk:
        steps = sweep(dated, dataclasses.replace(desk, releases=undated), workers=2)
        facts = [step.fact for step in steps]

    assert {fact.resolution for fact in facts} == {Resolution.NOT_ATTEMPTED}
    assert any("no upload dates" in fact.why[0] for fact in facts)
