"""The executors that need no cluster, and the controller of them all."""

from __future__ import annotations

import dataclasses
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pytest_verlcompat.errors import DiskSpaceError, ExecutorError, ToolMissingError, UsageError
from pytest_verlcompat.execute.controller import Controller
from pytest_verlcompat.execute.local import LocalExecutor
from pytest_verlcompat.execute.plan import Known, Plan
from pytest_verlcompat.execute.protocol import (
    Event,
    Finished,
    Lost,
    Needs,
    Recorded,
    Refused,
    Started,
    Task,
)
from pytest_verlcompat.execute.ray_cluster import RayExecutor, ahead, on_our_clock
from pytest_verlcompat.execute.spec import parse_error, parse_spec, render_error, render_spec
from pytest_verlcompat.model.outcome import Outcome, Rung
from pytest_verlcompat.resolve.lock import load_lock
from tests.execute.contract import check_contract, make_tasks
from tests.tiny import MACHINE, MINOR, TinyWorkspace, make_cell, make_evidence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def test_local_executor_meets_the_contract(tiny_workspace: TinyWorkspace) -> None:
    """It is an executor like any other."""
    executor = LocalExecutor(
        workspace=tiny_workspace.workspace, machine=MACHINE, say=lambda *_: None
    )

    check_contract(executor, make_tasks(tiny_workspace))


def test_ray_is_not_imported_until_it_is_asked_for() -> None:
    """Neither the plugin nor the command pays for it, or needs it."""
    code = (
        "import sys, pytest_verlcompat.plugin, pytest_verlcompat.cli.cmd_run\n"
        "sys.exit('ray' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_ray_client_is_refused_with_what_to_do() -> None:
    """A client cannot stream, so records would come late or not at all."""
    with pytest.raises(UsageError, match="on a node of the cluster"):
        RayExecutor(address="ray://host:10001", find_lock=load_lock, code=b"", folder="x")  # type: ignore[arg-type]


def test_missing_ray_is_said_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is optional, and has to be of the version of the cluster."""
    monkeypatch.setitem(sys.modules, "ray", None)

    with pytest.raises(ToolMissingError, match=r"pytest-verlcompat\[ray\].* version"):
        RayExecutor(address="auto", find_lock=load_lock, code=b"", folder="x")  # type: ignore[arg-type]


def test_address_where_nobody_listens_is_said_at_once() -> None:
    """Ray itself would try for minutes."""
    pytest.importorskip("ray")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening
        port = taken.getsockname()[1]

        with pytest.raises(ExecutorError, match="nobody answers there"):
            RayExecutor(address=f"127.0.0.1:{port}", find_lock=load_lock, code=b"", folder="x")  # type: ignore[arg-type]


class Scripted:
    """An executor that does with each attempt at a task what a test says."""

    def __init__(self, *scripts: Callable[[Task], Iterable[Event]]) -> None:
        self.scripts = list(scripts)
        self.submitted: list[Task] = []
        self.cancelled = False

    def submit(self, task: Task) -> None:
        """Take the task."""
        self.submitted.append(task)

    def wait(self, tell: Callable[[Event], None], *, timeout_s: float) -> None:  # noqa: ARG002 -- of the contract
        """Tell what the next script says of the newest task."""
        for event in self.scripts.pop(0)(self.submitted[-1]):
            tell(event)

    def cancel(self) -> None:
        """Note it."""
        self.cancelled = True


def _task(**changes: Any) -> Task:  # noqa: ANN401 -- fields of Task
    cell = make_cell()
    task = Task(id=cell.id, cell=cell, probes=(), needs=Needs(python=MINOR))
    return dataclasses.replace(task, **changes)


def _plan(*tasks: Task) -> Plan:
    digests = {"resolve": None, "install": None, "engine": "aa"}
    known = Known(cell=make_cell(), lock_sha256="bb", digests=digests)
    return Plan(tasks=tasks, known={"alpha1.0": known})


def test_lost_task_is_sent_again_with_what_it_recorded() -> None:
    """The record is kept once; the second attempt is told that it need not make it."""
    kept: list[str] = []
    executor = Scripted(
        lambda task: [
            Started(task=task, where="one"),
            Recorded(task=task, record=make_evidence(subject="engine")),
            Lost(task=task, why="the node died"),
        ],
        lambda task: [Finished(task=task, conclusive=True)],
    )
    controller = Controller(
        _plan(_task()), executor, keep=lambda record: kept.append(record.subject)
    )

    controller.run()

    assert kept == ["engine"]
    assert [each.done for each in executor.submitted] == [frozenset(), frozenset({"engine"})]
    assert controller.results()["alpha1.0"].executed == 1
    assert controller.results()["alpha1.0"].error is None
    assert executor.cancelled


def test_task_that_kills_every_place_is_given_up() -> None:
    """After four losses the run goes on without it and says why."""
    executor = Scripted(*[lambda task: [Lost(task=task, why="the node died")]] * 4)
    controller = Controller(_plan(_task()), executor, keep=lambda _: None)

    controller.run()

    error = controller.results()["alpha1.0"].error
    assert isinstance(error, ExecutorError)
    assert "lost 4 times, at last because the node died" in str(error)


def test_refused_task_goes_elsewhere_until_every_place_refused() -> None:
    """A place that lacks something is not asked again."""
    executor = Scripted(
        lambda task: [Refused(task=task, where="one", lacks=("glibc 2.35",))],
        lambda task: [Refused(task=task, where="two", lacks=("glibc 2.35",))],
        lambda task: [Refused(task=task, where="two", lacks=("glibc 2.35",))],
    )
    controller = Controller(_plan(_task()), executor, keep=lambda _: None)

    controller.run()

    assert [sorted(each.avoid) for each in executor.submitted] == [[], ["one"], ["one", "two"]]
    assert "no place has glibc 2.35" in str(controller.results()["alpha1.0"].error)


def test_failure_without_gpu_spares_the_gpu_of_the_same_run() -> None:
    """The part with GPUs waits for the one without, and is not sent when that refuses."""
    base, above = _task(), _task(id="alpha1.0 on 1 GPU", base=False)
    above = dataclasses.replace(above, needs=Needs(python=MINOR, gpus=1))
    failed = make_evidence(outcome=Outcome.FAILED, rung=Rung.CPU)
    executor = Scripted(lambda task: [Recorded(task=task, record=failed), Finished(task=task)])
    controller = Controller(_plan(base, above), executor, keep=lambda _: None)

    controller.run()

    assert [each.id for each in executor.submitted] == ["alpha1.0"]
    assert [each.id for each in controller.spared] == ["alpha1.0 on 1 GPU"]


@pytest.mark.parametrize(
    ("took_s", "minutes", "sent", "left"),
    [(30.0, 1.0, 1, 2), (20.0, 1.5, 2, 1), (90.0, 1.6, 1, 2), (0.0, 0.5, 0, 3)],
)
def test_what_was_spent_counts_and_not_what_was_expected(
    took_s: float, minutes: float, sent: int, left: int
) -> None:
    """Each of three is expected to take a minute of one GPU; they run one after the other."""
    tasks = [
        _task(
            id=f"on {number}",
            cell=make_cell(id=f"cell{number}"),
            needs=Needs(python=MINOR, gpus=1),
            expected_s=60.0,
        )
        for number in range(3)
    ]
    executor = OneByOne(took_s)
    controller = Controller(
        Plan(tasks=tuple(tasks), known={}),
        executor,
        keep=lambda _: None,
        gpu_minutes=minutes,
    )

    controller.run()

    assert executor.started == [f"on {number}" for number in range(sent)]
    assert [each.id for each in controller.unaffordable] == [
        f"on {3 - n}" for n in range(left, 0, -1)
    ]


def test_gpu_time_of_a_lost_attempt_is_spent() -> None:
    """A node that dies takes what it used with it."""
    needs = Needs(python=MINOR, gpus=2)
    first = _task(id="first", cell=make_cell(id="first"), needs=needs, expected_s=60.0)
    second = _task(id="second", cell=make_cell(id="second"), needs=needs, expected_s=30.0)
    executor = Scripted(
        lambda task: [Lost(task=task, why="the node died", duration_s=45.0)],
        lambda task: [Finished(task=task, duration_s=60.0)],
    )
    controller = Controller(
        Plan(tasks=(first, second), known={}), executor, keep=lambda _: None, gpu_minutes=2.9
    )

    controller.run()

    assert [each.id for each in executor.submitted] == ["first", "first"]
    assert [each.id for each in controller.unaffordable] == ["second"]


class OneByOne:
    """An executor for which every task takes the same time."""

    def __init__(self, took_s: float) -> None:
        self.took_s = took_s
        self.queue: list[Task] = []
        self.started: list[str] = []

    def submit(self, task: Task) -> None:
        """Take the task."""
        self.queue.append(task)
        self.started.append(task.id)

    def wait(self, tell: Callable[[Event], None], *, timeout_s: float) -> None:  # noqa: ARG002 -- of the contract
        """Finish the oldest."""
        tell(Finished(task=self.queue.pop(0), duration_s=self.took_s))

    def cancel(self) -> None:
        """Forget what waits."""
        self.queue.clear()


def test_interrupt_cancels_what_runs() -> None:
    """Whatever ends the run early, the executor is told."""
    executor = Scripted(lambda _: (_ for _ in ()).throw(KeyboardInterrupt))

    with pytest.raises(KeyboardInterrupt):
        Controller(_plan(_task()), executor, keep=lambda _: None).run()

    assert executor.cancelled


@pytest.mark.parametrize("ahead_s", [3600.0, -86400.0])
def test_record_of_a_clock_that_is_wrong_gets_the_time_of_ours(ahead_s: float) -> None:
    """The newest record counts, so a node from the future must not win for ever."""
    record = make_evidence(started_at="2026-01-02T03:04:05.000000Z")

    ours = on_our_clock(record, ahead_s=ahead_s)

    assert (ours.started_at < record.started_at) == (ahead_s > 0)
    assert ours.facts["clock"] == {"said": record.started_at, "ahead_s": ahead_s}
    assert on_our_clock(record, ahead_s=0.3) is record


@pytest.mark.parametrize(
    ("said", "seconds"),
    [(100.0, 0.0), (130.0, 0.0), (160.0, 0.0), (170.0, 10.0), (40.0, -60.0)],
)
def test_late_message_is_no_wrong_clock(said: float, seconds: float) -> None:
    """What was said between sending the task and hearing of it is no disagreement."""
    assert ahead(said, after=100.0, before=160.0) == seconds


def test_task_survives_the_way_to_a_node(tiny_workspace: TinyWorkspace) -> None:
    """Cell, needs and lock arrive as they were; another text is refused."""
    task = make_tasks(tiny_workspace)[0]
    lock = load_lock(task.cell, folder=tiny_workspace.workspace.locks)

    spec = parse_spec(render_spec(task, lock))

    assert (spec.cell, spec.needs, spec.done) == (task.cell, task.needs, task.done)
    assert spec.lock_text == lock.path.read_text()
    with pytest.raises(ExecutorError, match="no task of this version"):
        parse_spec("{}")


def test_error_survives_the_way_back() -> None:
    """Its exit status is that of the kind; a kind nobody knows is an executor's."""
    body = render_error(DiskSpaceError("full", where="cell"))

    assert isinstance(parse_error(body), DiskSpaceError)
    assert str(parse_error(body)) == "cell: full"
    assert isinstance(parse_error({"kind": "system", "message": "x"}), ExecutorError)
    assert isinstance(parse_error({"kind": "annotations", "message": "x"}), ExecutorError)
