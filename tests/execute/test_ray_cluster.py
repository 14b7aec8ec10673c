"""A Ray cluster of several nodes on this machine carries cells out for the command."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.errors import ExecutorError
from pytest_verlcompat.execute.ray_cluster import RayExecutor
from pytest_verlcompat.execute.runner import pack_agent
from pytest_verlcompat.model.outcome import Outcome
from pytest_verlcompat.resolve.lock import load_lock, make_lock
from pytest_verlcompat.store.jsonl import load_cell_evidence
from tests.conftest import use_environ
from tests.execute.contract import check_contract, make_tasks
from tests.execute.ray_nodes import Nodes
from tests.processes import is_gone
from tests.tiny import NO_SUCH_MINOR, TinyIndex, TinyWorkspace, python_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_verlcompat.model.evidence import Evidence

pytest.importorskip("ray")
pytestmark = [
    pytest.mark.slow,
    # Several releases of Ray leave log files of the nodes they start open.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """Return a cluster whose nodes have an index of the wheels that a tiny workspace locks."""
    index = TinyIndex(folder=tmp_path_factory.mktemp("index"))
    index.add("alpha", "1.0", requires=["beta<2"])
    index.add("beta", "1.0")
    with pytest.MonkeyPatch.context() as patch:
        use_environ(patch, index.environ(cache=tmp_path_factory.mktemp("uv-cache")))
        with Nodes.started(count=2) as cluster:
            yield cluster


def _start(
    checkout: TinyWorkspace, nodes: Nodes, tmp_path: Path, *words: str
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        checkout.command(
            "run",
            *("--executor", "ray", "--address", nodes.address),
            *("--node-folder", str(tmp_path / "node"), "--keep-free", "0"),
            *words,
        ),
        env={**os.environ, "PYTHONPATH": python_path()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    out, errors = process.communicate(timeout=180)
    return process.returncode, " ".join((out + errors).split())


def _records(checkout: TinyWorkspace, cell_id: str) -> tuple[Evidence, ...]:
    loaded = load_cell_evidence(checkout.workspace.evidence, cell_id)
    assert loaded.damaged == ()
    return loaded.records


def _lock(checkout: TinyWorkspace, *cell_ids: str) -> None:
    for cell_id in cell_ids:
        make_lock(checkout.matrix().cells[cell_id], folder=checkout.workspace.locks)


def copy_lock(checkout: TinyWorkspace, source: str, target: str) -> None:
    """Give the cell *target* the lock of *source*, as if it had been made for it."""
    cells = checkout.matrix().cells
    text = (checkout.workspace.locks / source / "requirements.txt").read_text()
    checkout.write(
        f"matrix/locks/{target}/requirements.txt",
        text.replace(cells[source].inputs_sha256, cells[target].inputs_sha256),
    )


def _wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 120
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until, f"{path.name} never came"
        time.sleep(0.05)


def _wait_for_record(
    checkout: TinyWorkspace, cell_id: str, subject: str, process: subprocess.Popen[str]
) -> None:
    """Wait until the controller has kept it: what a node said may be on its way a while."""
    until = time.monotonic() + 120
    while subject not in {each.subject for each in _records(checkout, cell_id)}:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until, f"the record of {subject} never came"
        time.sleep(0.05)


def _stalling_cell(checkout: TinyWorkspace, mark: Path) -> str:
    """Return a cell of a quick probe, and of one that hangs where it runs for the first time."""
    stall = f"import os, time\nif not os.path.exists({str(mark)!r}):\n"
    stall += f"    open({str(mark)!r} + '~', 'w').write(str(os.getpid()))\n"
    stall += f"    os.rename({str(mark)!r} + '~', {str(mark)!r})\n    time.sleep(600)\n"
    checkout.write_probe("a_quick")
    checkout.write_probe("b_slow", stall + "return {}", TIMEOUT_S=900.0)
    cell_id = checkout.write_cell()
    _lock(checkout, cell_id)
    return cell_id


def test_cells_run_on_nodes_and_the_second_run_has_nothing_to_do(
    tiny_workspace: TinyWorkspace, nodes: Nodes, tmp_path: Path
) -> None:
    """Records come to the controller, with the rungs and verdicts of a local run."""
    tiny_workspace.write_probe("engine", "import alpha; return {'version': alpha.__version__}")
    tiny_workspace.write_probe("trainer", "import beta; return {}", DISTRIBUTIONS=("beta",))
    good = tiny_workspace.write_cell()
    bad = tiny_workspace.write_cell({"beta": "2.0"}, expected="unresolvable")
    _lock(tiny_workspace, good, bad)

    status, said = _finish(_start(tiny_workspace, nodes, tmp_path))
    again, said_again = _finish(_start(tiny_workspace, nodes, tmp_path))

    assert status == 0, said
    records = _records(tiny_workspace, good)
    assert [each.subject for each in records] == ["resolve", "install", "engine", "trainer"]
    assert {each.outcome for each in records} == {Outcome.PASSED}
    assert records[2].facts == {"version": "1.0"}
    assert [each.outcome for each in _records(tiny_workspace, bad)] == [Outcome.FAILED]
    assert "5 executed, 0 current" in said
    assert "2 done, 0 running, 0 left" in said
    assert again == 0, said_again
    assert "0 executed, 5 current" in said_again


def test_ray_executor_meets_the_contract(
    tiny_workspace: TinyWorkspace, nodes: Nodes, tmp_path: Path
) -> None:
    """It is an executor like any other."""
    tasks = make_tasks(tiny_workspace)
    executor = RayExecutor(
        address=nodes.address,
        find_lock=lambda task: load_lock(task.cell, folder=tiny_workspace.workspace.locks),
        code=pack_agent(tiny_workspace.scripts),
        folder=str(tmp_path / "node"),
        words=("--keep-free-gib", "0"),
    )

    check_contract(executor, tasks)


_MEET = """
import os, sys
sys.path.append({site!r})
os.environ["PYTHONPATH"] = {site!r}
import ray
ray.init(num_cpus=1, include_dashboard=False, object_store_memory=80 << 20, log_to_driver=False)
nodes = ray.nodes()
answer = ray.get(ray.remote(lambda: 42).remote())
return {{"nodes": len(nodes), "answer": answer, "address": ray.get_runtime_context().gcs_address}}
"""


def test_ray_in_a_cell_and_ray_of_the_runner_never_meet(
    tiny_workspace: TinyWorkspace, nodes: Nodes, tmp_path: Path
) -> None:
    """A cell that starts Ray in the plainest way gets one of its own, and it works."""
    (site,) = {str(Path(each).parent) for each in importlib.import_module("ray").__path__}
    tiny_workspace.write_probe("meet", _MEET.format(site=site), TIMEOUT_S=120.0)
    cell_id = tiny_workspace.write_cell()
    _lock(tiny_workspace, cell_id)

    status, said = _finish(_start(tiny_workspace, nodes, tmp_path))

    assert status == 0, said
    record = _records(tiny_workspace, cell_id)[-1]
    assert (record.facts["nodes"], record.facts["answer"]) == (1, 42)
    assert record.facts["address"] != nodes.address
    assert len(nodes.alive()) == 3


def test_what_a_lost_node_took_runs_again_and_nothing_twice(
    tiny_workspace: TinyWorkspace, nodes: Nodes, tmp_path: Path
) -> None:
    """The node dies within a probe; its records before that stay, the rest is done elsewhere."""
    mark = tmp_path / "reached"
    cell_id = _stalling_cell(tiny_workspace, mark)
    process = _start(tiny_workspace, nodes, tmp_path)
    _wait_for(mark, process)
    pid = int(mark.read_text())

    nodes.kill_the_one_of(pid)
    status, said = _finish(process)
    nodes.add()

    assert status == 0, said
    subjects = [each.subject for each in _records(tiny_workspace, cell_id)]
    assert subjects == ["resolve", "install", "a_quick", "b_slow"]
    assert "lost: " in said
    assert is_gone(pid, leave_s=90.0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_controller_that_ends_leaves_nothing_running_and_the_next_goes_on(
    tiny_workspace: TinyWorkspace, nodes: Nodes, tmp_path: Path, number: int
) -> None:
    """Ctrl-C and kill -9: the nodes end what ran, and the next run does what is left."""
    mark = tmp_path / "reached"
    cell_id = _stalling_cell(tiny_workspace, mark)
    process = _start(tiny_workspace, nodes, tmp_path)
    _wait_for(mark, process)
    _wait_for_record(tiny_workspace, cell_id, "a_quick", process)

    process.send_signal(number)
    status, said = _finish(process)
    pid = int(mark.read_text())
    gone = is_gone(pid, leave_s=90.0)
    before = [each.subject for each in _records(tiny_workspace, cell_id)]
    again, said_again = _finish(_start(tiny_workspace, nodes, tmp_path))

    assert status == (130 if number == signal.SIGINT else -signal.SIGKILL), said
    assert gone
    assert before == ["resolve", "install", "a_quick"]
    assert again == 0, said_again
    assert "1 executed, 3 current" in said_again


def test_gpu_is_spared_where_the_rungs_below_refuse(
    tiny_workspace: TinyWorkspace, nodes: Nodes, tmp_path: Path
) -> None:
    """Where a node lacks what Ray promised of it, the lack is said; and no GPU for what fails."""
    tiny_workspace.write_probe("engine", "import alpha, beta; assert beta.__version__ == '1.0'")
    tiny_workspace.write_probe("wants_one", GPUS=1, RUNG="gpu")
    cell_id = tiny_workspace.write_cell()
    _lock(tiny_workspace, cell_id)

    lacking, said = _finish(_start(tiny_workspace, nodes, tmp_path))
    tiny_workspace.write_probe("engine", "raise ImportError('no name x')")
    refusing, said_then = _finish(_start(tiny_workspace, nodes, tmp_path))

    assert lacking == ExecutorError.exit_status
    assert "no place has 1 CPU, 1 GPU and 1024 MiB of memory, as Ray counts" in said
    assert refusing == 1
    assert "the rungs below refuse them: " + cell_id in said_then


def test_node_without_the_python_refuses_and_says_so(
    tiny_workspace: TinyWorkspace, nodes: Nodes, tmp_path: Path
) -> None:
    """Each node is asked once; nothing is recorded, and the lack has the command that mends it."""
    tiny_workspace.write_probe("engine")
    home = tiny_workspace.write_cell()
    cell_id = tiny_workspace.write_cell(python=NO_SUCH_MINOR)
    _lock(tiny_workspace, home)
    copy_lock(tiny_workspace, home, cell_id)

    status, said = _finish(_start(tiny_workspace, nodes, tmp_path, cell_id))

    assert status == ExecutorError.exit_status
    assert said.count("refused for want of CPython 3.99") >= 2
    assert f"uv python install {NO_SUCH_MINOR}" in said
    assert _records(tiny_workspace, cell_id) == ()
