"""The commands discover, resolve and space, typed against a small index."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.cli import main
from pytest_verlcompat.resolve.ledger import Ledger
from pytest_verlcompat.wheels import transport as wheels_transport

if TYPE_CHECKING:
    from pathlib import Path

    from tests.resolve.simple_site import SimpleSite

PAIR = ("verl==1.0", "vllm==1.0")


@pytest.fixture
def checkout(tmp_path: Path, site: SimpleSite) -> Path:
    """Return a checkout whose axes are empty, and an index with a release of each project."""
    site.add(
        "verl",
        "1.0",
        requires=["transformers", "vllm<2; extra == 'vllm'"],
        extras=["vllm"],
        uploaded="2026-01-05",
    )
    site.add("vllm", "1.0", requires=["transformers"], uploaded="2026-01-01")
    site.add("sglang", "1.0", uploaded="2026-01-01")
    site.add("transformers", "4.57", uploaded="2025-12-01")
    axes = tmp_path / "root" / "matrix" / "axes"
    axes.mkdir(parents=True)
    for place, name in enumerate(("verl", "vllm", "sglang")):
        head = f'kind = "distribution"\ndistribution = "{name}"\nlabel = "{name}"\n'
        text = f'{head}place = {place}\nsource = "tests"\n\n[[values]]\nvalue = "1.0"\n'
        (axes / f"{name}.toml").write_text(text)
    pythons = '\n[[values]]\nvalue = "3.12"\n'
    (axes / "python.toml").write_text(
        f'kind = "python"\nlabel = "python"\nplace = 9\nsource = "tests"\n{pythons}'
    )
    return tmp_path / "root"


def test_resolve_prints_the_axes_and_ends_with_0(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A pair that fits shows what was picked."""
    status = main(["resolve", *PAIR])

    assert status == 0
    assert "transformers             4.57" in capsys.readouterr().out


def test_resolve_of_a_contradiction_ends_with_1(
    checkout: Path, site: SimpleSite, capsys: pytest.CaptureFixture[str]
) -> None:
    """No solution is the stack's fault and has its own status and reason."""
    site.add("vllm", "3.0", uploaded="2026-01-01")

    status = main(["resolve", "verl[vllm]==1.0", "vllm==3.0", "--json"])

    body = json.loads(capsys.readouterr().out)
    assert status == 1
    assert body["resolution"] == "unresolvable"
    assert body["between"] == ["verl", "vllm"]


def test_resolve_with_a_broken_index_ends_with_8(
    checkout: Path, site: SimpleSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure of the index is no verdict."""
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    site.fault = "down"

    assert main(["resolve", *PAIR]) == 8


def test_resolve_shows_a_trap_of_a_set_that_fits(
    checkout: Path, site: SimpleSite, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the resolver calls success and the code does not is on the answer."""
    site.add("pyarrow", "26.0", uploaded="2026-01-01")
    site.add("numpy", "1.26", uploaded="2024-01-01")

    status = main(["resolve", "pyarrow==26.0", "numpy==1.26", "--json"])

    traps = json.loads(capsys.readouterr().out)["traps"]
    assert status == 0
    assert [each["code"] for each in traps] == ["pyarrow-numpy"]
    assert traps[0]["weight"] == "broken"


@pytest.mark.parametrize(
    "words",
    [
        ["verl = 1"],
        ["verl @ file:///tmp/x"],
        [*PAIR, "--python", "2.7"],
        [*PAIR, "--glibc", "musl"],
        [*PAIR, "--as-of", "2999-01-01"],
    ],
)
def test_bad_words_are_a_usage_error(
    site: SimpleSite, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistake of the caller ends with 2 and asks nothing of the index."""
    assert main(["resolve", *words]) == 2
    assert capsys.readouterr().err.startswith("verlcompat: ")
    assert not site.requests


def test_day_in_another_form_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """A day is written one way."""
    with pytest.raises(SystemExit) as ended:
        main(["resolve", *PAIR, "--as-of", "June 15"])

    assert ended.value.code == 2
    assert "2026-06-15" in capsys.readouterr().err


def test_discovered_space_is_resolved_and_told(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From an index to axes to a ledger to tables, with three commands."""
    root = ["--root", str(checkout)]

    assert main(["discover", *root]) == 0
    space = ["space", *root, "--python", "3.12", "--as-of", "2026-02-01"]
    assert main(space) == 0
    assert main([*space, "--dry-run"]) == 0
    told = capsys.readouterr()
    names = ("cells", "declared", "traps", "rot")
    assert main([*space, *(word for name in names for word in ("--table", name))]) == 0

    facts = list(Ledger(checkout / "reports" / "evidence" / "space").facts())
    assert len(facts) == 6
    assert {fact.as_of for fact in facts} == {dt.date(2026, 1, 6), dt.date(2026, 2, 1)}
    assert "24 cells, 0 to do" in told.err
    assert "0 of 24 cells have no answer" in capsys.readouterr().out
    for name in names:
        assert (checkout / "reports" / "space" / f"{name}.md").read_text().startswith("# ")


def test_every_cell_is_accounted_for(checkout: Path) -> None:
    """A letter a cell: asked for in capitals, derived in small ones; and the counts add up."""
    root = ["--root", str(checkout)]
    main(["discover", *root])
    words = ["space", *root, "--python", "3.12", "--as-of", "2026-02-01", "--when", "today"]
    main(words)

    main([*words, "--table", "cells"])

    folder = checkout / "reports" / "space"
    lines = [json.loads(line) for line in (folder / "cells.jsonl").read_text().splitlines()]
    letters = {
        (each["engine"], each["form"], each["glibc"]): each["answers"]
        for each in lines
        if "answers" in each
    }
    assert letters["vllm", "extra", "2.35"] == "R"
    assert letters["vllm", "bare", "2.28"] == "r"
    assert letters["sglang", "extra", "2.31"] == "n"
    table = (folder / "cells.md").read_text()
    assert "| asked | resolved | 3 |" in table
    assert "| same wheels | resolved | 6 |" in table
    assert "| no extra | not attempted | 3 |" in table


def test_yank_is_told_and_asked_about(
    checkout: Path, site: SimpleSite, capsys: pytest.CaptureFixture[str]
) -> None:
    """The next run names the release that the index took back, and no run after it does."""
    site.add("transformers", "4.56", uploaded="2025-11-01")
    main(["discover", "--root", str(checkout)])
    words = ["space", "--root", str(checkout), "--python", "3.12", "--as-of", "2026-02-01"]
    main(words)
    site.pages["transformers"][0].yanked = True
    capsys.readouterr()

    assert main(words) == 0
    first = capsys.readouterr().err
    assert main(words) == 0

    assert "transformers 4.57 is yanked" in first
    assert "yanked" not in capsys.readouterr().err
    latest = Ledger(checkout / "reports" / "evidence" / "space").facts()
    assert {fact.axes["transformers"] for fact in latest if "transformers" in fact.axes} == {"4.56"}


def test_index_that_is_down_leaves_old_answers(
    checkout: Path,
    site: SimpleSite,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whether a pick was yanked cannot be told then; that is said, and nothing is lost."""
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    main(["discover", "--root", str(checkout)])
    words = ["space", "--root", str(checkout), "--python", "3.12", "--as-of", "2026-02-01"]
    main(words)
    ledger = checkout / "reports" / "evidence" / "space" / "1.0.jsonl"
    before = ledger.read_bytes()
    site.fault = "down"

    status = main(words)

    assert status == 0
    assert "cannot tell whether old answers still hold" in capsys.readouterr().err
    assert ledger.read_bytes() == before


def test_discover_check_reports_news_by_its_status(checkout: Path) -> None:
    """Under ``--check`` nothing is written, and news is status 1."""
    before = (checkout / "matrix" / "axes" / "verl.toml").read_bytes()

    assert main(["discover", "--root", str(checkout), "--check"]) == 1
    assert (checkout / "matrix" / "axes" / "verl.toml").read_bytes() == before


def test_day_that_is_not_over_cannot_count_as_today(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong clock or a day to come is said, not recorded."""
    assert main(["space", "--root", str(checkout), "--as-of", "2999-01-01"]) == 2
    assert "not over yet" in capsys.readouterr().err


def test_clock_that_is_wrong_is_noticed(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Records are kept by day, so a clock far from the index's stops the run before it asks."""
    page = wheels_transport.Transport.get

    def get(self: object, url: str, **words: object) -> wheels_transport.Answer:
        answer = page(self, url, **words)  # type: ignore[arg-type]
        return dataclasses.replace(answer, headers={"date": "Sat, 01 Jan 2000 00:00:00 GMT"})

    monkeypatch.setattr(wheels_transport.Transport, "get", get)

    assert main(["space", "--root", str(checkout), "--as-of", "2026-02-01"]) == 2
    assert "that of the index 2000-01-01" in capsys.readouterr().err


def test_release_of_a_later_day_is_not_attempted(checkout: Path) -> None:
    """A clock or a day before the newest release makes no answer about it."""
    root = ["--root", str(checkout)]
    main(["discover", *root])

    assert main(["space", *root, "--python", "3.12", "--as-of", "2026-01-02"]) == 0

    assert not list(Ledger(checkout / "reports" / "evidence" / "space").facts())


def test_space_with_a_broken_index_ends_with_1_and_goes_on(
    checkout: Path, site: SimpleSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Errored cells are recorded as such and asked again by the next run."""
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    words = ["space", "--root", str(checkout), "--engine", "vllm", "--python", "3.12"]
    words += ["--form", "bare", "--when", "today", "--as-of", "2026-02-01"]
    site.fault = "down"

    broken = main(words)
    site.fault = None

    assert broken == 1
    assert main(words) == 0
