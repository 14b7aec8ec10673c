"""Ctrl-C in any stage, and two runs at once: the next run goes on, and nothing is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.resolve.lock import make_lock
from pytest_verlcompat.store.jsonl import load_cell_evidence
from tests.tiny import TinyWorkspace, python_path, shadow_uv

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_STATUS_OF_INTERRUPT = 130


def _start(
    checkout: TinyWorkspace, cell_id: str, environ: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        checkout.command("run", cell_id),
        env={**os.environ, "PYTHONPATH": python_path(), **(environ or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    out, errors = process.communicate(timeout=60)
    return process.returncode, out + errors


def _wait_for(path: Path) -> None:
    until = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < until, f"{path.name} never came"
        time.sleep(0.02)


def _subjects(checkout: TinyWorkspace, cell_id: str) -> list[str]:
    loaded = load_cell_evidence(checkout.workspace.evidence, cell_id)
    assert loaded.damaged == ()
    return [record.subject for record in loaded.records]


def _lock(checkout: TinyWorkspace, cell_id: str) -> None:
    make_lock(checkout.matrix().cells[cell_id], folder=checkout.workspace.locks)


def _stall(tmp_path: Path, word: str) -> dict[str, str]:
    """Return an environment in which ``uv … <word> …`` leaves a mark and then hangs."""
    mark = tmp_path / "reached"
    script = (
        f'for word in "$@"; do [ "$word" = {word} ] && touch "{mark}" && exec sleep 600; done\n'
        'exec REAL_UV "$@"'
    )
    return shadow_uv(tmp_path / "shadow", script)


@pytest.mark.parametrize("word", ["venv", "install", "check"])
def test_interrupted_build_is_built_anew(
    tiny_workspace: TinyWorkspace, tmp_path: Path, word: str
) -> None:
    """An environment that was being built is never taken for one that is ready."""
    tiny_workspace.write_probe("engine", "import alpha, beta")
    cell_id = tiny_workspace.write_cell()
    _lock(tiny_workspace, cell_id)
    first = _start(tiny_workspace, cell_id, _stall(tmp_path, word))
    _wait_for(tmp_path / "reached")

    first.send_signal(signal.SIGINT)
    status, said = _finish(first)
    again, _ = _finish(_start(tiny_workspace, cell_id))

    assert status == _STATUS_OF_INTERRUPT
    assert "interrupted; what was recorded stays, run again to go on" in said
    assert "Traceback" not in said
    assert again == 0
    assert _subjects(tiny_workspace, cell_id) == ["resolve", "install", "engine"]


def test_interrupted_probe_runs_again_and_the_others_do_not(
    tiny_workspace: TinyWorkspace, tmp_path: Path
) -> None:
    """What was recorded before the interrupt is current; what was cut short has no record."""
    mark = tmp_path / "reached"
    tiny_workspace.write_probe("a_quick")
    slow = f"import os, time\nif not os.path.exists({str(mark)!r}):\n    open({str(mark)!r}, 'w')\n"
    tiny_workspace.write_probe("b_slow", slow + "    time.sleep(600)\nreturn {}", TIMEOUT_S=900.0)
    cell_id = tiny_workspace.write_cell()
    _lock(tiny_workspace, cell_id)
    first = _start(tiny_workspace, cell_id)
    _wait_for(mark)

    first.send_signal(signal.SIGINT)
    status, _ = _finish(first)
    before = _subjects(tiny_workspace, cell_id)
    again, said = _finish(_start(tiny_workspace, cell_id))

    assert status == _STATUS_OF_INTERRUPT
    assert before == ["resolve", "install", "a_quick"]
    assert again == 0
    assert _subjects(tiny_workspace, cell_id) == [*before, "b_slow"]
    assert "1 executed, 3 current" in said


def test_interrupted_resolution_leaves_the_lock_as_it_was(
    tiny_workspace: TinyWorkspace, tmp_path: Path
) -> None:
    """Asking again why there is no solution may be cut short too."""
    tiny_workspace.write_probe("engine")
    cell_id = tiny_workspace.write_cell({"beta": "2.0"}, expected="unresolvable")
    _lock(tiny_workspace, cell_id)
    path = tiny_workspace.workspace.locks / cell_id / "unresolvable.txt"
    before = path.read_bytes()
    first = _start(tiny_workspace, cell_id, _stall(tmp_path, "compile"))
    _wait_for(tmp_path / "reached")

    first.send_signal(signal.SIGINT)
    status, _ = _finish(first)
    again, _ = _finish(_start(tiny_workspace, cell_id))

    assert status == _STATUS_OF_INTERRUPT
    assert again == 0
    assert path.read_bytes() == before
    assert _subjects(tiny_workspace, cell_id) == ["resolve"]


def test_two_runs_at_once_share_the_work(tiny_workspace: TinyWorkspace) -> None:
    """The second waits and finds everything current; no record is torn or made twice."""
    tiny_workspace.write_probe("engine", "import time; time.sleep(0.5)")
    cell_id = tiny_workspace.write_cell()
    _lock(tiny_workspace, cell_id)

    both = [_start(tiny_workspace, cell_id) for _ in range(2)]
    (one, said_one), (two, said_two) = map(_finish, both)

    assert (one, two) == (0, 0)
    assert sorted(_subjects(tiny_workspace, cell_id)) == ["engine", "install", "resolve"]
    said = said_one + said_two
    assert "3 executed, 0 current" in said
    assert "0 executed, 3 current" in said
    assert "waiting for another run that holds it" in said
