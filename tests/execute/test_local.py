"""A cell is carried through on this machine: once, resumably, and never wrongly reddened."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.errors import InterpreterMissingError, LockError
from pytest_verlcompat.execute.local import LocalExecutor, Ran
from pytest_verlcompat.model.outcome import Outcome, Rung
from pytest_verlcompat.model.verdict import VerdictKind, judge
from pytest_verlcompat.probes.registry import list_probes
from pytest_verlcompat.report.assemble import choose
from pytest_verlcompat.resolve.lock import make_lock
from pytest_verlcompat.store.jsonl import load_cell_evidence
from tests.tiny import MACHINE, NO_SUCH_MINOR, TinyIndex, TinyWorkspace

if TYPE_CHECKING:
    from pytest_verlcompat.model.evidence import Evidence


class Run:
    """One tiny checkout, to be run as often as a test likes."""

    def __init__(self, checkout: TinyWorkspace, cell_id: str) -> None:
        self.checkout = checkout
        self.cell_id = cell_id
        self.said: list[str] = []

    def lock(self) -> None:
        """Resolve the cell."""
        workspace = self.checkout.workspace
        make_lock(self.checkout.matrix().cells[self.cell_id], folder=workspace.locks)

    def __call__(self, *, again: bool = False) -> Ran:
        """Carry the cell through with the probes as they are now."""
        executor = LocalExecutor(
            workspace=self.checkout.workspace,
            machine=MACHINE,
            say=lambda cell_id, text: self.said.append(f"{cell_id}: {text}"),
        )
        cell = self.checkout.matrix().cells[self.cell_id]
        return executor.run_cell(cell, probes=list_probes(self.checkout.scripts), again=again)

    @property
    def records(self) -> tuple[Evidence, ...]:
        """All that was recorded."""
        loaded = load_cell_evidence(self.checkout.workspace.evidence, self.cell_id)
        assert loaded.damaged == ()
        return loaded.records

    @property
    def subjects(self) -> list[str]:
        """What was recorded, by name, in order."""
        return [record.subject for record in self.records]

    @property
    def verdict(self) -> VerdictKind:
        """The verdict on the newest records."""
        chosen, _ = choose(self.records)
        return judge(chosen.values()).kind


@pytest.fixture
def run(tiny_workspace: TinyWorkspace) -> Run:
    """Return a locked cell of ``alpha`` with two probes that pass."""
    tiny_workspace.write_probe("engine", "import alpha; return {'version': alpha.__version__}")
    tiny_workspace.write_probe("trainer", "import beta; return {}", DISTRIBUTIONS=("beta",))
    tiny_workspace.write_probe("other", "raise SystemExit", DISTRIBUTIONS=("gamma",))
    made = Run(tiny_workspace, tiny_workspace.write_cell())
    made.lock()
    return made


def test_cell_climbs_its_rungs_and_each_is_recorded(run: Run) -> None:
    """Resolution, installation and each probe that applies give one record, in order."""
    ran = run()

    assert ran.error is None
    assert (ran.executed, ran.current) == (4, 0)
    assert run.subjects == ["resolve", "install", "engine", "trainer"]
    assert {record.outcome for record in run.records} == {Outcome.PASSED}
    assert run.verdict is VerdictKind.COMPATIBLE
    assert run.records[2].facts == {"version": "1.0"}
    assert len({record.lock_sha256 for record in run.records}) == 1
    assert len({record.environment_id for record in run.records[1:]}) == 1
    assert run.records[1].facts == {"distributions": 2, "pip_check": "clean"}


def test_progress_says_what_is_being_done(run: Run) -> None:
    """A reader sees what is built, which probe runs, and how it ended."""
    run()

    assert all(line.startswith(f"{run.cell_id}: ") for line in run.said)
    said = "\n".join(run.said)
    assert "building 2 distributions" in said
    assert "probe 1/2 engine" in said
    assert "trainer passed in " in said


def test_environment_is_removed_when_nobody_keeps_it(run: Run) -> None:
    """A survey of many stacks leaves evidence behind, and no environment."""
    executor = LocalExecutor(
        workspace=run.checkout.workspace, machine=MACHINE, say=lambda *_: None, discard=True
    )

    ran = executor.run_cell(
        run.checkout.matrix().cells[run.cell_id], probes=list_probes(run.checkout.scripts)
    )

    assert ran.executed == 4
    assert not [each for each in run.checkout.workspace.environments.iterdir() if each.is_dir()]
    assert run.verdict is VerdictKind.COMPATIBLE


def test_second_run_executes_nothing(run: Run) -> None:
    """Current evidence is not gathered again, and the file does not grow."""
    first = run()
    before = run.records

    second = run()

    assert (second.executed, second.current) == (0, first.executed)
    assert run.records == before


def test_again_runs_everything_again(run: Run) -> None:
    """Whoever asks for it gets new evidence in the same environment."""
    run()

    again = run(again=True)

    assert again.executed == 3
    assert run.subjects[4:] == ["resolve", "engine", "trainer"]


def test_changed_probe_runs_again_alone(run: Run) -> None:
    """Evidence of other code is stale; that of other probes is not."""
    run()
    run.checkout.write_probe("engine", "return {'edited': True}")

    ran = run()

    assert (ran.executed, ran.current) == (1, 3)
    assert run.records[-1].subject == "engine"
    assert run.records[-1].facts == {"edited": True}


def test_changed_lock_runs_everything_again(run: Run, tiny_index: TinyIndex) -> None:
    """Evidence of another lock says nothing about this one."""
    run()
    tiny_index.add("beta", "1.1")
    run.lock()

    ran = run()

    assert ran.executed == 4
    assert run.records[-1].lock_sha256 != run.records[0].lock_sha256


def test_environment_that_was_lost_is_built_and_probed_again(run: Run) -> None:
    """Evidence belongs to one very environment; another build is tried anew."""
    run()
    for marker in run.checkout.workspace.environments.glob("*/verlcompat.json"):
        marker.unlink()

    ran = run()

    assert (ran.executed, ran.current) == (3, 1)
    assert run.subjects[4:] == ["install", "engine", "trainer"]


def test_failing_probe_is_recorded_and_the_others_still_run(run: Run) -> None:
    """One failure does not hide what the other probes would say."""
    run.checkout.write_probe("engine", "raise ImportError('no name x')")

    ran = run()

    assert ran.error is None
    assert ran.executed == 4
    assert run.verdict is VerdictKind.INCOMPATIBLE
    assert str(run.records[2].cause) == "ImportError: no name x"
    assert any("engine failed in" in line and "no name x" in line for line in run.said)


def test_lack_of_the_host_does_not_redden(run: Run) -> None:
    """What could not be tried here leaves the verdict to the rest."""
    run.checkout.write_probe("engine", "return {'lacks': ['a GPU']}")

    run()

    assert run.verdict is VerdictKind.COMPATIBLE
    assert any("engine skipped in" in line and "(lacks a GPU)" in line for line in run.said)


def test_missing_python_is_errored_and_never_incompatible(tiny_workspace: TinyWorkspace) -> None:
    """A machine without the Python says nothing about the stack, and how to get it."""
    tiny_workspace.write_probe("engine")
    run = Run(tiny_workspace, tiny_workspace.write_cell(python=NO_SUCH_MINOR))
    home = Run(tiny_workspace, tiny_workspace.write_cell())
    home.lock()
    cell = tiny_workspace.matrix().cells[run.cell_id]
    text = (tiny_workspace.workspace.locks / home.cell_id / "requirements.txt").read_text()
    inputs = tiny_workspace.matrix().cells[home.cell_id].inputs_sha256
    tiny_workspace.write(
        f"matrix/locks/{run.cell_id}/requirements.txt", text.replace(inputs, cell.inputs_sha256)
    )

    ran = run()

    assert isinstance(ran.error, InterpreterMissingError)
    assert f"uv python install {NO_SUCH_MINOR}" in str(ran.error)
    assert run.records[-1].outcome is Outcome.ERRORED
    assert run.records[-1].rung is Rung.INSTALLS
    assert run.verdict is VerdictKind.UNTESTED
    assert not ran.conclusive


def test_errored_step_is_always_tried_again(run: Run, tiny_index: TinyIndex) -> None:
    """What broke in our harness or on the machine is not evidence that would be current."""
    wheel = tiny_index.folder / "beta-1.0-py3-none-any.whl"
    aside = wheel.rename(wheel.with_suffix(".aside"))
    broken = run()
    aside.rename(wheel)

    mended = run()

    assert broken.error is not None
    assert mended.error is None
    assert run.subjects == ["resolve", "install", "install", "engine", "trainer"]
    assert run.verdict is VerdictKind.COMPATIBLE


def test_missing_lock_is_an_error_with_the_command(run: Run) -> None:
    """A cell without a lock is neither resolved on the fly nor recorded."""
    for path in run.checkout.workspace.locks.rglob("*.txt"):
        path.unlink()

    ran = run()

    assert isinstance(ran.error, LockError)
    assert f"missing; run: verlcompat lock {run.cell_id}" in str(ran.error)
    assert run.records == ()


@pytest.fixture
def conflict(tiny_workspace: TinyWorkspace) -> Run:
    """Return a locked cell that has no solution."""
    tiny_workspace.write_probe("engine")
    made = Run(
        tiny_workspace,
        tiny_workspace.write_cell({"beta": "2.0"}, expected="unresolvable", failing=["resolve"]),
    )
    made.lock()
    return made


def test_conflict_is_recorded_with_the_resolvers_words(conflict: Run) -> None:
    """The cause of a cell without a solution is the resolver's own explanation."""
    ran = conflict()

    (record,) = conflict.records
    assert ran.error is None
    assert ran.conclusive
    assert conflict.verdict is VerdictKind.UNRESOLVABLE
    assert record.cause is not None
    assert record.cause.kind == "no solution"
    assert record.cause.first_line.startswith("Because all versions of alpha depend on beta<2")
    assert "unsatisfiable" in str(record.cause.detail)
    assert conflict().executed == 0


def test_conflict_that_is_gone_asks_for_a_new_lock(conflict: Run, tiny_index: TinyIndex) -> None:
    """An explanation that no longer holds is not published."""
    tiny_index.add("alpha", "1.0", requires=["beta"])

    ran = conflict()

    assert isinstance(ran.error, LockError)
    assert f"it resolves now; run: verlcompat lock {conflict.cell_id}" in str(ran.error)
    assert conflict.records[-1].outcome is Outcome.ERRORED
    assert conflict.verdict is VerdictKind.UNTESTED


def test_pins_the_lock_does_not_hold_fail_the_resolution(run: Run) -> None:
    """A lock that was edited by hand to other versions does not pass for the cell's."""
    path = run.checkout.workspace.locks / run.cell_id / "requirements.txt"
    path.write_text(path.read_text().replace("alpha==1.0 -", "alpha==1.1 -"))

    run()

    assert run.subjects == ["resolve"]
    assert str(run.records[0].cause) == "unmet pins: alpha==1.0"


def test_cell_without_an_applicable_probe_is_not_conclusive(run: Run) -> None:
    """That a set installs is not yet a sign that it works."""
    for name in ("engine", "trainer"):
        (run.checkout.scripts / f"{name}.py").unlink()

    ran = run()

    assert ran.executed == 2
    assert not ran.conclusive
    assert run.verdict is VerdictKind.UNTESTED


def test_evidence_holds_no_place_of_this_machine(run: Run) -> None:
    """What is committed says nothing about who ran it where."""
    run.checkout.write_probe("engine", "raise ValueError(__file__)")

    run()

    path = run.checkout.workspace.evidence / f"{run.cell_id}.jsonl"
    assert str(run.checkout.root.parent) not in path.read_text()


def test_records_of_one_run_are_distinct(run: Run) -> None:
    """No record repeats another, so merging two files loses none."""
    run()

    assert len({dataclasses.astuple(record)[:3] for record in run.records}) == 4
