"""A verdict follows from outcomes by one table, and names the rungs it stands on."""

from __future__ import annotations

import itertools

import pytest

from pytest_verlcompat.model.outcome import Outcome, Rung
from pytest_verlcompat.model.verdict import VerdictKind, judge
from tests.tiny import make_cell, make_evidence

P, F, S, E = Outcome.PASSED, Outcome.FAILED, Outcome.SKIPPED, Outcome.ERRORED


def _judge(*pairs: tuple[Rung, Outcome]) -> object:
    return judge(
        make_evidence(subject=f"s{number}", rung=rung, outcome=outcome)
        for number, (rung, outcome) in enumerate(pairs)
    )


@pytest.mark.parametrize(
    ("pairs", "kind"),
    [
        ([], "untested"),
        ([(Rung.RESOLVES, P)], "untested"),
        ([(Rung.RESOLVES, P), (Rung.INSTALLS, P)], "untested"),
        ([(Rung.RESOLVES, P), (Rung.INSTALLS, E)], "untested"),
        ([(Rung.CPU, S)], "untested"),
        ([(Rung.CPU, E)], "untested"),
        ([(Rung.RESOLVES, P), (Rung.INSTALLS, P), (Rung.CPU, S)], "untested"),
        ([(Rung.CPU, P)], "compatible"),
        ([(Rung.IMPORTS, P)], "compatible"),
        ([(Rung.CPU, P), (Rung.CPU, S), (Rung.GPU, E)], "compatible"),
        ([(Rung.CPU, P), (Rung.CPU, F)], "incompatible"),
        ([(Rung.IMPORTS, F)], "incompatible"),
        ([(Rung.RESOLVES, P), (Rung.INSTALLS, F)], "incompatible"),
        ([(Rung.RESOLVES, F)], "unresolvable"),
        ([(Rung.RESOLVES, F), (Rung.IMPORTS, F)], "unresolvable"),
        ([(Rung.RESOLVES, F), (Rung.IMPORTS, P)], "unresolvable"),
    ],
)
def test_verdict_follows_the_table(pairs: list[tuple[Rung, Outcome]], kind: str) -> None:
    """Only what passed or failed above the preparation decides."""
    assert _judge(*pairs).kind.value == kind  # type: ignore[attr-defined]


@pytest.mark.parametrize("silent", [S, E])
def test_silent_outcome_never_changes_the_verdict(silent: Outcome) -> None:
    """A lack of the host or a mistake of ours neither reddens nor greens a cell."""
    for spoken in ([], [(Rung.CPU, P)], [(Rung.CPU, F)], [(Rung.RESOLVES, F)]):
        before = judge(make_evidence(rung=rung, outcome=out) for rung, out in spoken)
        for rung in Rung:
            after = _judge(*spoken, (rung, silent))

            assert after.kind is before.kind  # type: ignore[attr-defined]


def test_order_of_records_does_not_matter() -> None:
    """The same evidence gives the same verdict, however it was gathered."""
    pairs = [(Rung.CPU, P), (Rung.GPU, F), (Rung.IMPORTS, S), (Rung.RESOLVES, P)]
    verdicts = {
        (
            verdict.kind,
            verdict.passed,
            verdict.failed,
            tuple((each.rung, each.outcome) for each in verdict.culprits),
        )
        for verdict in map(
            judge,
            (
                [make_evidence(rung=rung, outcome=outcome) for rung, outcome in order]
                for order in itertools.permutations(pairs)
            ),
        )
    }

    assert len(verdicts) == 1


def test_rungs_are_told_apart() -> None:
    """Every rung is passed, failed or untested; partial marks the passed ones with a gap."""
    verdict = judge(
        [
            make_evidence(subject="a", rung=Rung.RESOLVES),
            make_evidence(subject="b", rung=Rung.CPU),
            make_evidence(subject="c", rung=Rung.CPU, outcome=S),
            make_evidence(subject="d", rung=Rung.GPU, outcome=S),
            make_evidence(subject="e", rung=Rung.TRAIN, outcome=F),
        ]
    )

    assert verdict.passed == (Rung.RESOLVES, Rung.CPU)
    assert verdict.partial == (Rung.CPU,)
    assert verdict.failed == (Rung.TRAIN,)
    assert verdict.untested == (Rung.IMPORTS, Rung.LOADS, Rung.INSTALLS, Rung.GPU)
    assert verdict.highest is Rung.CPU
    assert str(verdict) == "incompatible (up to cpu)"


def test_culprits_stand_lowest_rung_first() -> None:
    """The first cause a reader sees is the one the others may follow from."""
    verdict = judge(
        [
            make_evidence(subject="z", rung=Rung.CPU, outcome=F),
            make_evidence(subject="b", rung=Rung.IMPORTS, outcome=F),
            make_evidence(subject="a", rung=Rung.CPU, outcome=F),
        ]
    )

    assert [each.subject for each in verdict.culprits] == ["b", "a", "z"]


def test_condition_makes_a_pass_conditional_and_is_said_once() -> None:
    """What works only under a condition says so; two probes with one condition say it once."""
    records = [
        make_evidence(subject="a", condition="set X=1"),
        make_evidence(subject="b", condition="set X=1"),
    ]

    verdict = judge(records)

    assert verdict.kind is VerdictKind.CONDITIONAL
    assert verdict.conditions == ("set X=1",)


def test_nothing_known_has_no_highest_rung() -> None:
    """Without evidence there is no rung to name."""
    verdict = judge([])

    assert verdict.highest is None
    assert str(verdict) == "untested"
    assert verdict.untested == tuple(Rung)


@pytest.mark.parametrize(
    ("failing", "outcome", "expected"),
    [
        (None, True, True),
        (("a",), True, True),
        (("a", "b"), True, False),
        ((), True, False),
        (("a",), False, False),
    ],
)
def test_cell_expects_its_verdict_down_to_the_subjects(
    failing: tuple[str, ...] | None, *, outcome: bool, expected: bool
) -> None:
    """A cell that fails for another reason than declared is not as expected."""
    cell = make_cell(expected=VerdictKind.INCOMPATIBLE, failing=failing)
    records = [make_evidence(subject="a", outcome=F if outcome else P)]

    assert cell.expects(judge(records)) is expected
