"""Answers that follow from others, each rule compared with what the resolver really says."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.resolve.derive import (
    FEWER_DAYS,
    FEWER_WHEELS,
    NO_EXTRA,
    NO_WHEEL,
    PINS,
    SAME_WHEELS,
    Answers,
    complete,
)
from pytest_verlcompat.resolve.ledger import Fact, Ledger, fact_of
from pytest_verlcompat.resolve.question import Answer, Resolution
from pytest_verlcompat.resolve.space import Form, Release, SpaceCell, When

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_verlcompat.resolve.resolver import Resolver
    from tests.resolve.simple_site import SimpleSite

TODAY = dt.date(2026, 1, 10)
OUT = dt.date(2025, 1, 10)
CELL = SpaceCell(
    verl="1.0",
    engine="vllm",
    release="1.0",
    form=Form.BARE,
    python="3.12",
    glibc="2.35",
    when=When.TODAY,
)
VERL = Release(version="1.0", installable=OUT, extras=("vllm",), pins=("vllm<2; extra == 'vllm'",))
RELEASES = {
    "verl": (VERL,),
    "vllm": (
        Release(version="1.0", installable=OUT),
        Release(version="2.0", installable=OUT, glibc="2.31"),
    ),
    "sglang": (Release(version="1.0", installable=OUT),),
}


def make_fact(cell: SpaceCell, resolution: Resolution, **values: object) -> Fact:
    """Return what was answered about *cell*."""
    answer = Answer(resolution=resolution, picks={"vllm": cell.release}, why=("so it is",))
    fact = fact_of(cell, TODAY, answer, resolver="uv 1.0")
    return dataclasses.replace(fact, **values)  # type: ignore[arg-type]


def answers_of(*facts: Fact, releases: dict[str, tuple[Release, ...]] | None = None) -> Answers:
    """Return what follows from *facts*."""
    known = {fact.cell: fact for fact in facts}
    return Answers(releases or RELEASES, asked=known.get, today=TODAY, resolver="uv 1.0")


def change(cell: SpaceCell, **values: object) -> SpaceCell:
    """Return *cell* with other values."""
    return dataclasses.replace(cell, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "rule", "resolution"),
    [
        ({"form": Form.EXTRA, "release": "2.0"}, PINS, Resolution.UNRESOLVABLE),
        ({"form": Form.EXTRA, "engine": "sglang"}, NO_EXTRA, Resolution.NOT_ATTEMPTED),
        ({"glibc": "2.28", "release": "2.0"}, NO_WHEEL, Resolution.UNRESOLVABLE),
    ],
)
def test_axes_alone_decide(values: dict[str, object], rule: str, resolution: Resolution) -> None:
    """What the metadata of the two releases settles needs no resolver."""
    fact = answers_of().find(change(CELL, **values))

    assert fact is not None
    assert (fact.derived, fact.resolution, fact.source) == (rule, resolution, None)
    assert fact.why


@pytest.mark.parametrize(
    "values",
    [{"form": Form.EXTRA}, {"release": "2.0"}, {"glibc": "2.31", "release": "2.0"}, {}],
)
def test_what_the_axes_leave_open_is_asked(values: dict[str, object]) -> None:
    """A pin that fits and a wheel that fits decide nothing."""
    assert answers_of().find(change(CELL, **values)) is None


def test_unresolvable_today_is_unresolvable_on_every_earlier_day_and_lower_glibc() -> None:
    """Fewer files satisfy no more requirements; the record says from which cell that follows."""
    answers = answers_of(make_fact(CELL, Resolution.UNRESOLVABLE))

    earlier = answers.find(change(CELL, when=When.RELEASE))
    lower = answers.find(change(CELL, glibc="2.28"))
    both = answers.find(change(CELL, when=When.RELEASE, glibc="2.28"))

    rules = (FEWER_DAYS, FEWER_WHEELS, f"{FEWER_DAYS}, {FEWER_WHEELS}")
    for fact, rule in zip((earlier, lower, both), rules, strict=True):
        assert fact is not None
        assert fact.resolution is Resolution.UNRESOLVABLE
        assert (fact.derived, fact.source, fact.why) == (rule, CELL.id, ("so it is",))
    assert earlier is not None
    assert earlier.as_of == OUT + dt.timedelta(days=1)


def test_answer_older_than_the_release_says_nothing_about_it() -> None:
    """An answer of a day on which the engine was not out does not count for its release day."""
    old = make_fact(CELL, Resolution.UNRESOLVABLE, as_of=OUT)

    assert answers_of(old).find(change(CELL, when=When.RELEASE)) is None


@pytest.mark.parametrize("resolution", [Resolution.RESOLVED, Resolution.ERRORED])
def test_other_answers_of_today_say_nothing_about_earlier_days(resolution: Resolution) -> None:
    """What resolves today may not have, and a failure of the index is no answer."""
    assert answers_of(make_fact(CELL, resolution)).find(change(CELL, when=When.RELEASE)) is None


@pytest.mark.parametrize(
    ("floor", "glibc", "follows"),
    [
        ("2.28", "2.28", True),
        ("2.31", "2.28", False),
        ("2.31", "2.31", True),
        (None, "2.31", False),
    ],
)
def test_set_with_wheels_for_a_lower_glibc_is_its_answer(
    floor: str | None, glibc: str, *, follows: bool
) -> None:
    """A resolved set is taken over as far down as every pick has a wheel, and no further."""
    fact = make_fact(CELL, Resolution.RESOLVED, floor=floor)

    found = answers_of(fact).find(change(CELL, glibc=glibc))

    assert (found is not None) is follows
    if found is not None:
        assert (found.derived, found.set_digest) == (SAME_WHEELS, fact.set_digest)


def test_failure_of_the_index_gives_way_to_what_follows() -> None:
    """An errored answer says nothing, so a derived one is better; alone it is shown."""
    low = change(CELL, glibc="2.28")
    broken = make_fact(low, Resolution.ERRORED)
    sound = make_fact(CELL, Resolution.RESOLVED, floor="2.17")

    with_source = answers_of(broken, sound).find(low)

    assert with_source is not None
    assert with_source.derived == SAME_WHEELS
    assert answers_of(broken).find(low) == broken


def test_readers_get_a_fact_for_every_cell_that_has_one() -> None:
    """From one asked fact follow others; what is neither asked nor derived is left out."""
    facts = {
        fact.cell: fact
        for fact in complete([make_fact(CELL, Resolution.UNRESOLVABLE)], RELEASES, today=TODAY)
    }

    assert facts[CELL].derived is None
    assert facts[change(CELL, glibc="2.28", when=When.RELEASE)].derived
    assert facts[change(CELL, engine="sglang", form=Form.EXTRA)].derived == NO_EXTRA
    assert change(CELL, python="3.11") not in facts


def test_derived_fact_is_never_written(tmp_path: Path) -> None:
    """The ledger holds what was asked, so that a rule that proves wrong leaves nothing behind."""
    fact = answers_of(make_fact(CELL, Resolution.UNRESOLVABLE)).find(change(CELL, glibc="2.28"))

    assert fact is not None
    with pytest.raises(ValueError, match="was not asked for"):
        Ledger(tmp_path).append(fact)


def test_rules_agree_with_the_resolver(site: SimpleSite, resolver: Resolver) -> None:
    """Each rule says what uv says: about pins, days, and wheels for another glibc."""
    site.add("verl", "1.0", requires=["numpy<2", "vllm<2; extra == 'vllm'"], extras=["vllm"])
    site.add("vllm", "1.0", requires=["numpy"])
    site.add("vllm", "2.0", requires=["idna>3"], tags="cp38-abi3-manylinux_2_31_x86_64")
    site.add("idna", "3.0")
    site.add("numpy", "1.26", tags="cp312-cp312-manylinux_2_28_x86_64")
    engine = change(CELL, release="2.0")
    sound = resolver.ask(CELL.question(TODAY))
    broken = resolver.ask(engine.question(TODAY))
    answers = answers_of(
        dataclasses.replace(
            fact_of(CELL, TODAY, sound, resolver="uv 1.0", floor="2.28"), resolver="uv 1.0"
        ),
        fact_of(engine, TODAY, broken, resolver="uv 1.0"),
    )
    derived = [
        change(CELL, glibc="2.28"),
        change(engine, form=Form.EXTRA),
        change(engine, glibc="2.28"),
        change(engine, glibc="2.31"),
        change(engine, when=When.RELEASE),
    ]

    for cell in derived:
        fact, day = answers.find(cell), answers.day(cell)
        assert fact is not None
        assert day is not None
        real = resolver.ask(cell.question(day))
        assert (real.resolution, real.set_digest) == (fact.resolution, fact.set_digest)
    assert sound.resolution is Resolution.RESOLVED
    assert broken.resolution is Resolution.UNRESOLVABLE
