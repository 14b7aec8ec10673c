"""The agent of a node: what it refuses, what it ends with, and how nodes share their disk."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_verlcompat.execute.room import building_slot, find_room, using
from pytest_verlcompat.execute.spec import render_spec
from pytest_verlcompat.probes.registry import list_probes
from pytest_verlcompat.process.environ import tool_environ
from pytest_verlcompat.resolve.lock import load_lock
from tests.execute.contract import make_tasks
from tests.tiny import NO_SUCH_MINOR, TinyWorkspace

if TYPE_CHECKING:
    from pytest_verlcompat.execute.protocol import (
        Task,
    )


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
