"""The executors that need no cluster: the local one and its controller, and the agent of a node."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
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
from pytest_verlcompat.execute.room import building_slot, find_room, using
from pytest_verlcompat.execute.spec import parse_error, parse_spec, render_error, render_spec
from pytest_verlcompat.model.outcome import Outcome, Rung
from pytest_verlcompat.probes.registry import list_probes
from pytest_verlcompat.process.environ import tool_environ
from pytest_verlcompat.resolve.lock import load_lock
from tests.execute.contract import check_contract, make_tasks
from tests.tiny import MACHINE, MINOR, NO_SUCH_MINOR, TinyWorkspace, make_cell, make_evidence

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


class Agent:
    """The agent as a process, with its answers."""

    def __init__(self, spec: str, folder: Path, scripts: Path, *words: str) -> None:
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "pytest_verlcompat.execute.agent", "--lifeline"),
                *("--folder", str(folder), "--scripts", str(scripts), "--keep-free-gib", "0"),
                *words,
            ],
            env={**tool_environ(os.environ), "PYTHONPATH": str(Path(__file__).parents[2])},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdin is not None
        self.process.stdin.write(spec + "\n")
        self.process.stdin.flush()

    def answers(self) -> list[dict[str, Any]]:
        """Return all it says, when it has said all."""
        assert self.process.stdout is not None
        found = [json.loads(line) for line in self.process.stdout]
        self.process.wait(timeout=60)
        self.close()
        return found

    def close(self) -> None:
        """Cut its lifeline."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(timeout=60)
        self.process.stdout.close()


def _spec(checkout: TinyWorkspace, task: Task | None = None, **changes: object) -> dict[str, Any]:
    task = task or make_tasks(checkout)[0]
    body = json.loads(render_spec(task, load_lock(task.cell, folder=checkout.workspace.locks)))
    body["cell"].update(changes)
    return dict(body)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "lack"),
    [
        ({"platform": "x86_64-manylinux_2_99"}, "glibc 2.99; it has "),
        ({"platform": "s390x-manylinux_2_17"}, "s390x; it is "),
        ({"python": NO_SUCH_MINOR}, f"CPython {NO_SUCH_MINOR}; "),
    ],
)
def test_machine_that_lacks_something_refuses_and_says_exactly_what(
    tiny_workspace: TinyWorkspace, tmp_path: Path, changes: dict[str, str], lack: str
) -> None:
    """Nothing is tried there and nothing recorded."""
    spec = json.dumps(_spec(tiny_workspace, **changes))

    (answer,) = Agent(spec, tmp_path / "node", tiny_workspace.scripts).answers()

    assert len(answer["lacks"]) == 1
    assert answer["lacks"][0].startswith(lack)


@pytest.mark.slow
def test_disk_without_room_refuses(tiny_workspace: TinyWorkspace, tmp_path: Path) -> None:
    """It says what is wanted, what is left to others and what is free."""
    spec = _spec(tiny_workspace)
    spec["needs"]["disk_mib"] = 1 << 40

    (answer,) = Agent(json.dumps(spec), tmp_path / "node", tiny_workspace.scripts).answers()

    assert answer["lacks"][0].startswith(f"{1 << 40} MiB of disk and 0 to spare; ")


def test_probe_of_other_code_is_not_run(tiny_workspace: TinyWorkspace, tmp_path: Path) -> None:
    """Its evidence would not count, so another version on the node is an error."""
    spec = _spec(tiny_workspace)
    spec["probes"] = {"engine": "other"}

    (answer,) = Agent(json.dumps(spec), tmp_path / "node", tiny_workspace.scripts).answers()

    assert answer["finished"]["error"]["kind"] == "ExecutorError"
    assert "same version of pytest-verlcompat on both sides" in str(answer)


@pytest.mark.slow
def test_cut_lifeline_ends_the_agent_and_what_it_runs(
    tiny_workspace: TinyWorkspace, tmp_path: Path
) -> None:
    """A node does not go on for a controller that is gone; what was said before is said."""
    task = make_tasks(tiny_workspace)[0]
    mark = tmp_path / "reached"
    tiny_workspace.write_probe(
        "engine",
        f"import os, time\nopen({str(mark)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)",
        TIMEOUT_S=900.0,
    )
    task = dataclasses.replace(task, probes=list_probes(tiny_workspace.scripts))
    agent = Agent(
        json.dumps(_spec(tiny_workspace, task)), tmp_path / "node", tiny_workspace.scripts
    )
    until = time.monotonic() + 60
    while not (mark.exists() and mark.read_text()):
        assert time.monotonic() < until
        time.sleep(0.05)

    agent.close()

    assert not Path("/proc", mark.read_text()).exists()
    assert agent.process.returncode == 128 + signal.SIGINT
    assert not list((tmp_path / "node").glob("task-*"))


def test_environment_in_use_is_not_removed_to_make_room(tmp_path: Path) -> None:
    """The longest unused goes first, one that is used stays, and the lack is said."""
    folder = tmp_path / "environments"
    for age, name in enumerate(("oldest", "used", "newest")):
        (folder / name).mkdir(parents=True)
        mark = folder / f"{name}.used"
        mark.touch()
        os.utime(mark, (age, age))

    with using(folder / "used"):
        lacks = find_room(folder / "wanted", wanted_mib=1 << 40, spare_mib=0)

    assert len(lacks) == 1
    assert sorted(each.name for each in folder.iterdir() if each.is_dir()) == ["used"]
    assert find_room(folder / "used", wanted_mib=1 << 40, spare_mib=0) == ()
    assert find_room(folder / "wanted", wanted_mib=1, spare_mib=0) == ()


@pytest.mark.slow
def test_no_more_builds_at_once_than_allowed(tmp_path: Path) -> None:
    """The third waits until one of two slots is free."""
    order: list[str] = []
    code = (
        "import sys, time\nfrom pathlib import Path\n"
        "from pytest_verlcompat.execute.room import building_slot\n"
        "with building_slot(Path(sys.argv[1]), count=2):\n    print('in', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with building_slot(tmp_path, count=2):
        second = _python(code, tmp_path)
        assert second.stdout is not None
        order.append(second.stdout.readline().strip())
        third = _python(code, tmp_path)
        time.sleep(0.5)
        waiting = third.poll() is None
        second.communicate(timeout=30)
        assert third.stdout is not None
        order.append(third.stdout.readline().strip())
        third.communicate(timeout=30)

    assert waiting
    assert order == ["in", "in"]


def _python(code: str, *words: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, words)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
