"""The ledger: facts survive a round trip, a crash and a merge."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.errors import EvidenceError
from pytest_verlcompat.resolve.ledger import (
    Fact,
    Ledger,
    Run,
    merge_ledgers,
    parse_fact,
    render_fact,
)
from pytest_verlcompat.resolve.question import Resolution
from pytest_verlcompat.resolve.space import Form, SpaceCell, When

if TYPE_CHECKING:
    from pathlib import Path

DAY = dt.date(2026, 1, 2)


def make_fact(release: str = "0.11.0", *, as_of: dt.date = DAY, digest: str = "ab" * 8) -> Fact:
    """Return a resolved fact about verl 0.6.1 with that vLLM."""
    cell = SpaceCell(
        verl="0.6.1",
        engine="vllm",
        release=release,
        form=Form.EXTRA,
        python="3.12",
        glibc="2.35",
        when=When.TODAY,
    )
    return Fact(
        cell=cell,
        as_of=as_of,
        resolution=Resolution.RESOLVED,
        resolver="uv 0.13.8",
        set_digest=digest,
        count=200,
        axes={"torch": "2.8.0", "verl": "0.6.1", "vllm": release},
        sdists=("pylatexenc==2.10",),
        floor="2.28",
        read="0011aabb",
    )


def test_fact_survives_its_line() -> None:
    """A line read back is the fact that was written."""
    fact = make_fact()

    assert parse_fact(render_fact(fact), where="here") == fact


def test_line_holds_neither_host_nor_duration() -> None:
    """Two machines that find the same write the same bytes."""
    line = render_fact(make_fact())

    assert "duration" not in line
    assert "/" not in line


def test_unknown_keys_are_ignored_and_newer_schemas_are_not() -> None:
    """A reader skips what it does not know, but refuses another meaning."""
    line = render_fact(make_fact())

    assert parse_fact(line.replace("{", '{"more":1,', 1), where="here") == make_fact()
    with pytest.raises(EvidenceError, match="newer"):
        parse_fact(line.replace('"schema":1', '"schema":9'), where="here")


def test_line_cut_by_a_crash_stays_alone(tmp_path: Path) -> None:
    """After a torn line the next one is whole, and both neighbours are read."""
    ledger = Ledger(tmp_path)
    ledger.append(make_fact("0.10.0"))
    path = tmp_path / "0.6.1.jsonl"
    path.write_bytes(path.read_bytes() + b'{"schema":1,"verl":"0.6')

    Ledger(tmp_path).append(make_fact("0.11.0"))

    assert [fact.cell.release for fact in Ledger(tmp_path).facts()] == ["0.10.0", "0.11.0"]


def test_latest_fact_is_the_one_of_the_latest_day(tmp_path: Path) -> None:
    """A cell of today has a history; its last line is what holds."""
    ledger = Ledger(tmp_path)
    later = make_fact(as_of=DAY + dt.timedelta(days=7), digest="cd" * 8)
    ledger.append(later)
    ledger.append(make_fact())

    assert Ledger(tmp_path).latest(later.cell) == later
    assert Ledger(tmp_path).at(later.cell, DAY) == make_fact()


def test_merge_is_a_union(tmp_path: Path) -> None:
    """Two machines' ledgers become one; merging again changes nothing."""
    for name, releases in (("a", ["0.10.0", "0.11.0"]), ("b", ["0.11.0", "0.12.0"])):
        for release in releases:
            Ledger(tmp_path / name).append(make_fact(release))

    added = merge_ledgers([tmp_path / "b"], tmp_path / "a")

    assert added == 1
    assert len(list(Ledger(tmp_path / "a").facts())) == 3
    assert merge_ledgers([tmp_path / "b"], tmp_path / "a") == 0


def test_run_is_remembered(tmp_path: Path) -> None:
    """A completed run is known to the next process."""
    run = Run(as_of=DAY, selection="ab", cells=3, resolver="uv 0.13.8")
    ledger = Ledger(tmp_path)
    ledger.append_run(run)
    ledger.append_run(run)

    assert Ledger(tmp_path).has_run(run)
    assert len((tmp_path / "runs.jsonl").read_text().splitlines()) == 1


def test_strange_line_names_its_place(tmp_path: Path) -> None:
    """A record of something else is an error with file and line."""
    (tmp_path / "0.6.1.jsonl").write_text('{"something":"else"}\n')

    with pytest.raises(EvidenceError, match=r"0\.6\.1\.jsonl:1"):
        Ledger(tmp_path)
