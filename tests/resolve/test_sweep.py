"""The whole space over a small index: once, stopped, again, on another day."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import itertools
from typing import TYPE_CHECKING

from pytest_verlcompat.resolve.keep import Keep
from pytest_verlcompat.resolve.ledger import Ledger, merge_ledgers
from pytest_verlcompat.resolve.open import open_resolver
from pytest_verlcompat.resolve.question import Resolution
from pytest_verlcompat.resolve.seen import Seen
from pytest_verlcompat.resolve.space import Form, Release, Selection, When, find_cells
from pytest_verlcompat.resolve.sweep import Desk, find_stages, find_todo, run_of, sweep

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_verlcompat.resolve.ledger import Fact
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
    return tuple(find_cells(RELEASES, Selection(pythons=["3.12"], glibcs=["2.35"])))


@contextlib.contextmanager
def open_desk(folder: Path, *, today: dt.date = TODAY) -> Iterator[Desk]:
    """Yield what a sweep works with; ledger and keep are read from disk anew."""
    keep = Keep(folder / "keep.sqlite")
    with open_resolver(sleep=lambda _seconds: None) as (resolver, shelf):
        ledger = folder / "ledger"
        yield Desk(
            releases=RELEASES,
            today=today,
            ledger=Ledger(ledger),
            keep=keep,
            resolver=resolver,
            seen=Seen(ledger, pages=shelf, marks=keep, until=today),
        )
    keep.close()


def run_all(folder: Path, *, today: dt.date = TODAY) -> int:
    """Do what is to do and return how many cells that were."""
    words = []
    with open_desk(folder, today=today) as desk:
        desk.seen.refresh()
        desk.resolver.forget({name for name, _version in desk.seen.restated})
        for stage in find_stages(cells()) if find_todo(cells(), desk) else ():
            todo = find_todo(stage, desk)
            words += [step.fact.resolution for step in sweep(todo, desk, workers=2)]
        if Resolution.ERRORED not in words:
            desk.ledger.append_run(run_of(cells(), desk))
    return len(words)


def told(folder: Path) -> dict[tuple[str, str, Form], Fact | None]:
    """Return what is known about the cells of today."""
    with open_desk(folder) as desk:
        answers = desk.answers
        return {
            (cell.engine, cell.release, cell.form): answers.find(cell)
            for cell in cells()
            if cell.when is When.TODAY
        }


def test_every_cell_gets_its_word(site: SimpleSite, tmp_path: Path) -> None:
    """Resolved, unresolvable and not attempted are told apart."""
    publish(site)

    assert run_all(tmp_path) == 8  # the others follow: no extra, or no solution even today

    words = {key: fact.resolution for key, fact in told(tmp_path).items() if fact}
    assert words == {
        ("vllm", "1.0", Form.EXTRA): Resolution.RESOLVED,
        ("vllm", "1.0", Form.BARE): Resolution.RESOLVED,
        ("vllm", "2.0", Form.EXTRA): Resolution.UNRESOLVABLE,
        ("vllm", "2.0", Form.BARE): Resolution.UNRESOLVABLE,
        ("sglang", "1.0", Form.EXTRA): Resolution.NOT_ATTEMPTED,
        ("sglang", "1.0", Form.BARE): Resolution.RESOLVED,
    }


def test_second_run_asks_nothing(site: SimpleSite, tmp_path: Path) -> None:
    """With everything known, the pages that answers rest on are looked at, and no more."""
    publish(site)
    run_all(tmp_path)
    site.requests.clear()

    assert run_all(tmp_path) == 0
    pages = ["numpy", "sglang", "verl", "vllm"]
    assert sorted(site.requests) == [f"/simple/{name}/" for name in pages]


def test_stopped_run_goes_on(site: SimpleSite, tmp_path: Path) -> None:
    """What was yielded is on disk; the next run does the rest only."""
    publish(site)
    with open_desk(tmp_path) as desk:
        steps = sweep(find_todo(cells(), desk), desk, workers=1)
        first = list(itertools.islice(steps, 5))
        steps.close()  # type: ignore[attr-defined]

    assert len(first) == 5
    assert run_all(tmp_path) <= 8 - 3  # two of the five would have followed from others


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

    assert run_all(tmp_path) == 8
    assert run_all(tmp_path) == 0


def test_index_without_dates_leaves_dated_cells_untested(site: SimpleSite, tmp_path: Path) -> None:
    """Without upload days, cells of today are asked; those of a release day are not, and why."""
    site.dated = False
    publish(site)
    undated = {
        name: tuple(dataclasses.replace(each, installable=None) for each in releases)
        for name, releases in RELEASES.items()
    }
    with open_desk(tmp_path) as desk:
        blind = dataclasses.replace(desk, releases=undated)
        today = [step.fact for step in sweep(find_todo(cells(), blind), blind, workers=1)]
        dated = [blind.answers.find(cell) for cell in cells() if cell.when is When.RELEASE]

    assert {(fact.cell.release, fact.resolution) for fact in today} == {
        ("1.0", Resolution.RESOLVED),
        ("2.0", Resolution.UNRESOLVABLE),
    }
    assert {fact.resolution for fact in dated if fact} == {Resolution.NOT_ATTEMPTED}
    assert any("no upload dates" in fact.why[0] for fact in dated if fact)


def test_yanked_pick_is_noticed_by_the_next_run(site: SimpleSite, tmp_path: Path) -> None:
    """Cells that picked it are asked again and take another release; the others are left."""
    publish(site)
    site.add("numpy", "1.25")
    run_all(tmp_path)
    next(entry for entry in site.pages["numpy"] if "1.26" in entry.filename).yanked = True

    asked = run_all(tmp_path)

    facts = {key: fact for key, fact in told(tmp_path).items() if fact}
    picked = {key[:2]: fact.axes["numpy"] for key, fact in facts.items() if "numpy" in fact.axes}
    assert picked == {("vllm", "1.0"): "1.25", ("sglang", "1.0"): "1.25"}
    assert asked == 6 + 1  # and the contradiction in which numpy is named
    assert run_all(tmp_path) == 0


def test_deleted_engine_is_noticed_by_the_next_run(site: SimpleSite, tmp_path: Path) -> None:
    """A release that vanished from the index does not resolve any more, and it is said why."""
    publish(site)
    run_all(tmp_path)
    site.pages["vllm"] = [entry for entry in site.pages["vllm"] if "2.0" in entry.filename]

    run_all(tmp_path)

    fact = told(tmp_path)["vllm", "1.0", Form.BARE]
    assert fact is not None
    assert fact.resolution is Resolution.UNRESOLVABLE
    assert "vllm==1.0" in " ".join(fact.why)


def test_stopped_run_after_a_yank_does_the_rest_only(site: SimpleSite, tmp_path: Path) -> None:
    """What was asked again before the stop is not asked a third time."""
    publish(site)
    site.add("numpy", "1.25")
    run_all(tmp_path)
    next(entry for entry in site.pages["numpy"] if "1.26" in entry.filename).yanked = True
    with open_desk(tmp_path) as desk:
        desk.seen.refresh()
        desk.resolver.forget(["numpy"])
        steps = sweep(find_todo(cells(), desk), desk, workers=1)
        first = list(itertools.islice(steps, 3))
        steps.close()  # type: ignore[attr-defined]

    assert len(first) == 3
    assert run_all(tmp_path) <= 8 - 3


def test_file_that_came_later_is_no_change(site: SimpleSite, tmp_path: Path) -> None:
    """A question of a day does not see what was uploaded after it."""
    publish(site)
    run_all(tmp_path)
    site.add("numpy", "1.26", tags="cp314-cp314-manylinux_2_28_x86_64", uploaded="2026-01-12")

    assert run_all(tmp_path) == 0


def test_machine_without_the_sets_asks_again_after_a_yank(site: SimpleSite, tmp_path: Path) -> None:
    """Where it is not known which cells picked a yanked release, all that may have are asked."""
    publish(site)
    site.add("vllm", "1.0", requires=["numpy", "idna"])
    site.pages["vllm"].pop(0)
    site.add("idna", "3.0")
    site.add("idna", "2.0")
    run_all(tmp_path)
    (tmp_path / "keep.sqlite").unlink()
    next(entry for entry in site.pages["idna"] if "3.0" in entry.filename).yanked = True

    asked = run_all(tmp_path)

    assert asked == 5  # SGLang's set of the release day is the one that was just found sound
    assert run_all(tmp_path) == 0


def test_machines_agree_after_one_of_them_noticed_a_yank(site: SimpleSite, tmp_path: Path) -> None:
    """Merged, the other one takes over the newer answers and asks nothing about them."""
    publish(site)
    site.add("numpy", "1.25")
    one, two = tmp_path / "one", tmp_path / "two"
    run_all(one)
    run_all(two)
    next(entry for entry in site.pages["numpy"] if "1.26" in entry.filename).yanked = True
    run_all(one)

    merge_ledgers([one / "ledger"], two / "ledger")

    assert run_all(two) == 0
    facts = [fact for fact in told(two).values() if fact]
    assert {fact.axes["numpy"] for fact in facts if "numpy" in fact.axes} == {"1.25"}
    assert merge_ledgers([two / "ledger"], one / "ledger") <= 1  # but the line of the run
