"""What a plan does and leaves out follows from what is recorded, whatever its order."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_verlcompat.execute.plan import (
    Asked,
    Durations,
    Known,
    make_plan,
    order,
    within_budget,
)
from pytest_verlcompat.execute.protocol import Needs, Task
from pytest_verlcompat.model.outcome import Ending, Outcome, Rung
from pytest_verlcompat.probes.registry import Probe
from pytest_verlcompat.resolve.lock import Lock
from tests.tiny import MINOR, make_cell, make_evidence

if TYPE_CHECKING:
    from pytest_verlcompat.model.evidence import Evidence

_DIGESTS = {"resolve": None, "install": None, "engine": "aa", "kernel": "dd"}


def _probe(name: str, *, gpus: int = 0, sha256: str = "aa", timeout_s: float = 60.0) -> Probe:
    return Probe(
        name=name,
        title=name,
        rung=Rung.GPU if gpus else Rung.CPU,
        distributions=("alpha",),
        gpus=gpus,
        timeout_s=timeout_s,
        script=Path("engine.py"),
        sha256=sha256,
    )


def _asked(*records: Evidence, cell_id: str = "alpha1.0", again: bool = False) -> Asked:
    cell = make_cell(id=cell_id)
    lock = Lock(sha256="bb", resolver="uv", versions={"alpha": "1.0"}, path=Path("lock"))
    known = Known(cell=cell, lock_sha256="bb", digests=_DIGESTS)
    return Asked(
        cell=cell,
        lock=lock,
        probes=(_probe("engine"), _probe("kernel", gpus=1, sha256="dd", timeout_s=600.0)),
        checks=(),
        known=known.plus(*records),
        again=again,
    )


def _steps() -> list[Evidence]:
    return [
        make_evidence(subject="resolve", rung=Rung.RESOLVES, subject_sha256=None),
        make_evidence(subject="install", rung=Rung.INSTALLS, subject_sha256=None),
    ]


def test_untested_cell_is_a_part_without_gpu_and_one_with() -> None:
    """What takes no GPU comes first and brings the steps and checks."""
    plan = make_plan([_asked()], durations=Durations([]))

    assert [(each.id, each.needs.gpus, each.base) for each in plan.tasks] == [
        ("alpha1.0", 0, True),
        ("alpha1.0 on 1 GPU", 1, False),
    ]
    assert plan.tasks[1].gpu_s == 600.0


def test_what_counts_is_not_done_again_on_whatever_machine() -> None:
    """Evidence of another environment counts; of another lock or code it does not."""
    elsewhere = make_evidence(environment_id="another")
    plan = make_plan([_asked(*_steps(), elsewhere)], durations=Durations([]))
    stale = make_plan(
        [_asked(*_steps(), make_evidence(subject_sha256="old"))], durations=Durations([])
    )

    assert [each.needs.gpus for each in plan.tasks] == [1]
    assert [each.needs.gpus for each in stale.tasks] == [0, 1]
    assert stale.tasks[0].done == {"resolve", "install"}


@pytest.mark.parametrize(
    ("changes", "due"),
    [
        ({"outcome": Outcome.SKIPPED, "ending": Ending.NOT_STARTED}, True),
        ({"outcome": Outcome.SKIPPED, "ending": Ending.REPLIED}, False),
        ({"outcome": Outcome.ERRORED}, True),
        ({"outcome": Outcome.FAILED}, False),
    ],
)
def test_probe_that_was_never_started_is_due(changes: dict[str, object], *, due: bool) -> None:
    """Want of GPUs on one machine is no answer for another one."""
    record = make_evidence(subject="kernel", rung=Rung.GPU, subject_sha256="dd", **changes)

    plan = make_plan([_asked(*_steps(), make_evidence(), record)], durations=Durations([]))

    assert [each.needs.gpus for each in plan.tasks] == [1] * due


def test_refused_cell_takes_no_gpu() -> None:
    """A failure on a CPU spares the GPU; one on the GPU itself does not."""
    failed = make_evidence(outcome=Outcome.FAILED)
    mended = make_evidence(started_at="2026-01-03T00:00:00Z")

    plan = make_plan([_asked(*_steps(), failed)], durations=Durations([]))
    then = make_plan([_asked(*_steps(), failed, mended)], durations=Durations([]))

    assert plan.tasks == ()
    assert [each.id for each in plan.spared] == ["alpha1.0 on 1 GPU"]
    assert [each.id for each in then.tasks] == ["alpha1.0 on 1 GPU"]


def test_cell_without_a_solution_is_asked_about_alone() -> None:
    """Nothing above the resolution can be tried."""
    asked = _asked()
    lock = dataclasses.replace(asked.lock, versions={}, explanation="Because.")

    plan = make_plan([dataclasses.replace(asked, lock=lock)], durations=Durations([]))

    assert [(each.needs.gpus, each.probes) for each in plan.tasks] == [(0, ())]


def test_expected_duration_is_of_the_same_cell_then_of_others_then_the_deadline() -> None:
    """The median of what was measured; a skip measures nothing."""
    records = [
        make_evidence(duration_s=10.0),
        make_evidence(duration_s=30.0),
        make_evidence(duration_s=0.0, outcome=Outcome.SKIPPED),
        make_evidence(cell_id="other", duration_s=100.0),
    ]
    durations = Durations(records)

    assert durations.expected_s("alpha1.0", "engine", otherwise=9.0) == 20.0
    assert durations.expected_s("third", "engine", otherwise=9.0) == 30.0
    assert durations.expected_s("third", "unknown", otherwise=9.0) == 9.0


_TASKS = st.lists(
    st.builds(
        lambda name, gpus, fresh, expected_s: Task(
            id=name,
            cell=make_cell(id=name),
            probes=(),
            needs=Needs(python=MINOR, gpus=gpus),
            base=gpus == 0,
            fresh=fresh,
            expected_s=expected_s,
        ),
        st.text("abc", min_size=1, max_size=6),
        st.integers(0, 8),
        st.booleans(),
        st.floats(0, 1e5),
    ),
    unique_by=lambda task: task.id,
    max_size=30,
)


@given(_TASKS, st.randoms())
def test_order_is_total_and_cheap_first(tasks: list[Task], random: object) -> None:
    """Any shuffle gives the same order: GPUs, then freshness, then the longest."""
    shuffled = list(tasks)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    found = order(tasks)

    assert found == order(shuffled)
    assert sorted(map(id, found)) == sorted(map(id, tasks))
    keys = [(each.needs.gpus, each.fresh, -each.expected_s) for each in found]
    assert keys == sorted(keys)


@given(_TASKS, st.none() | st.floats(0, 1e4))
def test_budget_is_never_exceeded_and_what_is_left_out_does_not_fit(
    tasks: list[Task], gpu_minutes: float | None
) -> None:
    """Nothing is lost between the two lists; what needs no GPU is always affordable."""
    taken, left = within_budget(tasks, gpu_minutes=gpu_minutes)

    spent_s = sum(each.gpu_s for each in taken)
    assert {*map(id, taken), *map(id, left)} == {*map(id, tasks)}
    assert len(taken) + len(left) == len(tasks)
    assert all(each.gpu_s for each in left)
    if gpu_minutes is None:
        assert left == ()
    else:
        assert spent_s <= gpu_minutes * 60 * (1 + 1e-9)
        assert all(spent_s + each.gpu_s > gpu_minutes * 60 * (1 - 1e-9) for each in left)


_RECORDS = st.lists(
    st.builds(
        lambda subject, outcome, day: make_evidence(
            subject=subject,
            subject_sha256=_DIGESTS[subject],
            rung=Rung.GPU if subject == "kernel" else Rung.CPU,
            outcome=outcome,
            started_at=f"2026-01-{day:02d}T00:00:00Z",
        ),
        st.sampled_from(sorted(_DIGESTS)),
        st.sampled_from(list(Outcome)),
        st.integers(1, 28),
    ),
    max_size=12,
    unique_by=lambda record: (record.subject, record.started_at),
)


@given(_RECORDS, st.randoms(), st.booleans())
def test_plan_does_not_depend_on_the_order_of_records(
    records: list[Evidence],
    random: object,
    again: bool,  # noqa: FBT001 -- hypothesis passes it
) -> None:
    """And what is planned is what has no evidence, unless all is asked for again."""
    shuffled = list(records)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    plan = make_plan([_asked(*records, again=again)], durations=Durations(records))
    same = make_plan([_asked(*shuffled, again=again)], durations=Durations(shuffled))

    assert [each.id for each in plan.tasks] == [each.id for each in same.tasks]
    assert [each.done for each in plan.tasks] == [each.done for each in same.tasks]
    touched = {each.needs.gpus for each in (*plan.tasks, *plan.spared)}
    left = set(_DIGESTS) - plan.known["alpha1.0"].done
    assert (0 in touched) == (again or bool(left - {"kernel"}))
    assert (1 in touched) == (again or "kernel" in left)
