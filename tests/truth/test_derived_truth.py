"""Answers that were derived against answers of the resolver: a sample of every rule.

Takes some minutes; which cells are sampled follows from their ids, so that it can be repeated.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.matrix.load import load_axis
from pytest_verlcompat.resolve.derive import read_answers
from pytest_verlcompat.resolve.ledger import Ledger
from pytest_verlcompat.resolve.open import open_resolver
from pytest_verlcompat.resolve.question import Resolution
from pytest_verlcompat.resolve.space import Selection, find_cells, releases_of
from tests.figures import write_figures

if TYPE_CHECKING:
    from pytest_verlcompat.resolve.ledger import Fact
    from pytest_verlcompat.resolve.question import Answer

pytestmark = [pytest.mark.truth, pytest.mark.network, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
PER_RULE = {"same wheels": 220}
OTHERS = 20
"""Cells of each other rule; those are proofs, not expectations."""


def sample(facts: list[Fact]) -> list[Fact]:
    """Return the derived facts with the lowest digests of their ids, rule by rule."""
    by_rule: dict[str, list[Fact]] = {}
    for fact in facts:
        if fact.derived and fact.resolution is not Resolution.NOT_ATTEMPTED:
            by_rule.setdefault(str(fact.derived), []).append(fact)
    found = []
    for rule, listed in sorted(by_rule.items()):
        ordered = sorted(listed, key=lambda each: hashlib.sha256(each.cell.id.encode()).digest())
        found += ordered[: PER_RULE.get(rule, OTHERS)]
    return found


def test_derived_answers_are_what_the_resolver_says() -> None:
    """Resolution and, where one is claimed, the whole set are equal in every sampled cell."""
    axes = ROOT / "matrix" / "axes"
    releases = {
        name: releases_of(load_axis(axes / f"{name}.toml")) for name in ("verl", "vllm", "sglang")
    }
    ledger = Ledger(ROOT / "reports" / "evidence" / "space")
    today = max(fact.as_of for fact in ledger.facts() if fact.as_of)
    with open_resolver() as (resolver, _shelf):
        answers = read_answers(ledger, releases, today=today, resolver=resolver.settings.version)
        known = map(answers.find, find_cells(releases, Selection()))
        rows = [
            compare(fact, resolver.ask(fact.cell.question(fact.as_of)))
            for fact in sample([each for each in known if each])
            if fact.as_of
        ]

    write(rows)
    assert len(rows) >= 200
    assert [row["what"] for row in rows if not row["equal"]] == []


def compare(fact: Fact, real: Answer) -> dict[str, object]:
    """Return one row: what was derived, and what the resolver says."""
    resolution, digest = real.resolution, real.set_digest
    return {
        "what": fact.cell.id,
        "rule": fact.derived,
        "derived": fact.resolution.value,
        "resolver": resolution.value,
        "equal": fact.resolution is resolution and fact.set_digest == digest,
    }


def write(rows: list[dict[str, object]]) -> None:
    """Write the counts per rule, and the rows that differ."""
    rules = sorted({str(row["rule"]) for row in rows})
    equal = sum(bool(row["equal"]) for row in rows)
    figures: dict[str, object] = {"compared": len(rows), "equal": equal}
    for rule in rules:
        listed = [row for row in rows if row["rule"] == rule]
        figures[rule] = f"{sum(bool(row['equal']) for row in listed)} of {len(listed)} equal"
    write_figures(
        "space_derived",
        title="Derived answers of the space against the resolver",
        command="nox -s truth -- tests/truth/test_derived_truth.py",
        figures=figures,
        rows=[row for row in rows if not row["equal"]],
    )
