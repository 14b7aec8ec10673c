"""Rows of declared against true, from axes and facts made here."""

from __future__ import annotations

import datetime as dt

from pytest_verlcompat.advise.declared import (
    Row,
    load_statements,
    make_rows,
    render_markdown,
    spans,
)
from pytest_verlcompat.model.axis import Axis, AxisKind, AxisValue
from pytest_verlcompat.model.outcome import Rung
from pytest_verlcompat.resolve.ledger import Fact
from pytest_verlcompat.resolve.question import Resolution
from pytest_verlcompat.resolve.space import Form, When
from pytest_verlcompat.store.space_rungs import RungFact, SpaceRungs
from tests.resolve.test_space import make_cell

VLLM = ("0.9.2", "0.17.0", "0.18.0", "0.20.2", "0.24.0")


def make_axis(name: str, values: dict[str, list[str]]) -> Axis:
    """Return an axis whose values have these pins."""
    return Axis(
        name=name,
        kind=AxisKind.DISTRIBUTION,
        place=1,
        label=name,
        source="tests",
        distribution=name,
        values=tuple(AxisValue(text=text, facts={"pins": pins}) for text, pins in values.items()),
    )


def make_row(verl: str, pin: str, resolving: set[str], *, rungs: SpaceRungs | None = None) -> Row:
    """Return the vLLM row of *verl*, which declares *pin*, when these releases resolve."""
    axes = {
        "verl": make_axis("verl", {verl: [f'vllm{pin}; extra == "vllm"']}),
        "vllm": make_axis("vllm", {version: [] for version in VLLM}),
        "sglang": make_axis("sglang", {}),
    }
    facts = [
        Fact(
            cell=make_cell(verl=verl, release=version, form=form, when=When.TODAY),
            as_of=dt.date(2026, 11, 19),
            resolution=Resolution.RESOLVED if version in resolving else Resolution.UNRESOLVABLE,
            resolver="uv 0.13.8",
            axes={"verl": verl, "vllm": version, "torch": "2.8.0"},
        )
        for version in VLLM
        for form in Form
    ]
    return next(row for row in make_rows(axes, facts, rungs=rungs) if row.engine == "vllm")


def test_image_that_metadata_excludes_and_nothing_resolves_is_marked() -> None:
    """Verl 0.8.0's image holds a vLLM its own metadata excludes."""
    row = make_row("0.8.0", ">=0.8.5,<=0.12.0", {"0.9.2"})

    assert "image names 0.20.2, which the metadata excludes" in row.disagreements
    assert "image names 0.20.2, which does not resolve" in row.disagreements


def test_declared_release_that_does_not_resolve_is_marked() -> None:
    """Verl 0.9.0 declares 0.18.0, gates at it, and cannot have it."""
    row = make_row("0.9.0", ">=0.18.0", {"0.20.2", "0.24.0"})

    assert str(row.gated) == ">=0.18.0"
    assert "declared but unresolvable: 0.18.0" in row.disagreements


def test_gate_above_the_declared_range_is_marked() -> None:
    """A declared release that the code refuses is a contradiction of its own."""
    row = make_row("0.9.1", ">=0.17.0", set(VLLM))

    assert "declared but refused by the code: 0.17.0" in row.disagreements


def test_extra_nobody_can_install_is_marked() -> None:
    """When no declared release resolves, the extra is dead."""
    row = make_row("0.9.1", "==0.24.0", set())

    assert "nobody can install verl[vllm]: no declared release resolves" in row.disagreements


def test_release_without_facts_is_untested() -> None:
    """No evidence is no verdict, in words."""
    axes = {
        "verl": make_axis("verl", {"0.6.1": []}),
        "vllm": make_axis("vllm", {"0.9.2": []}),
        "sglang": make_axis("sglang", {}),
    }

    text = render_markdown(make_rows(axes, []), day="2026-11-19", python="3.12", glibc="2.35")

    assert text.count("untested") >= 3


def test_spans_join_neighbours_only() -> None:
    """Ranges run over the known releases."""
    assert spans(["0.9.2", "0.17.0", "0.20.2"], known=VLLM) == "0.9.2-0.17.0, 0.20.2"
    assert spans([], known=VLLM) == "none"


def test_every_statement_has_a_source_and_says_something() -> None:
    """The data file is complete."""
    for statement in load_statements():
        assert statement.source.startswith(f"v{statement.verl}:")
        assert statement.versions or statement.specifier


def test_rungs_stand_beside_what_resolves() -> None:
    """Names verl misses in an engine, and what today's set comes to, are told apart."""
    row = make_row("0.8.0", ">=0.8.5,<=0.18.0", {"0.9.2", "0.17.0"}, rungs=make_rungs())

    assert row.imports == {"0.9.2": "passed", "0.17.0": "partly", "0.18.0": "failed"}
    assert row.imports_today == {"0.9.2": "failed", "0.17.0": "unknown"}
    assert row.loads_today == {"0.9.2": "passed"}
    assert "declared but names are missing: 0.18.0" in row.disagreements
    assert "resolves today but does not import: 0.9.2" in row.disagreements
    text = render_markdown([row], day="2026-11-19", python="3.12", glibc="2.35")
    assert "| 0.9.2; some roles 0.17.0 | undecided 0.17.0 | 0.9.2 |" in text


def test_what_nobody_read_is_untested() -> None:
    """Without static rungs the columns say so, and nothing disagrees for that."""
    row = make_row("0.8.0", ">=0.8.5,<=0.12.0", {"0.9.2"})

    text = render_markdown([row], day="2026-11-19", python="3.12", glibc="2.35")
    assert "| untested | untested | untested |" in text


def make_rungs() -> SpaceRungs:
    """Return what was read about three pairs and two sets of verl 0.8.0."""
    some = {"vllm-async": "failed", "vllm-spmd": "passed"}
    pairs = {"0.9.2": ("passed", {}), "0.17.0": ("failed", some), "0.18.0": ("failed", {})}
    facts = [
        make_rung(Rung.IMPORTS, outcome, {"verl": "0.8.0", "vllm": version}, roles)
        for version, (outcome, roles) in pairs.items()
    ]
    whole = {"verl": "0.8.0", "torch": "2.8.0"}
    facts += [
        make_rung(Rung.IMPORTS, "failed", {**whole, "vllm": "0.9.2"}, {}),
        make_rung(Rung.IMPORTS, "unknown", {**whole, "vllm": "0.17.0"}, {}),
        make_rung(Rung.LOADS, "passed", {"vllm": "0.9.2", "torch": "2.8.0"}, {}),
    ]
    return SpaceRungs(facts)


def make_rung(
    rung: Rung, outcome: str, versions: dict[str, str], roles: dict[str, str]
) -> RungFact:
    """Return one line of what was read."""
    return RungFact(rung=rung, versions=versions, outcome=outcome, rules="0011aabb", roles=roles)
