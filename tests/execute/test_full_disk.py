"""A disk that fills while a cell runs: nothing torn, said in words, and the next run goes on."""

from __future__ import annotations

import os
import resource
import subprocess

import pytest

from pytest_verlcompat.errors import EvidenceError
from pytest_verlcompat.resolve.lock import make_lock
from pytest_verlcompat.store.jsonl import append, load_cell_evidence
from tests.tiny import TinyWorkspace, make_evidence, python_path

_FILLED_BYTES = 2 << 20


def _run(checkout: TinyWorkspace, cell_id: str, *, most_bytes: int | None) -> tuple[int, str]:
    """Return status and output of a run whose files may have *most_bytes*."""

    def limit() -> None:
        if most_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))

    ended = subprocess.run(
        checkout.command("run", cell_id),
        env={**os.environ, "PYTHONPATH": python_path()},
        preexec_fn=limit,
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.returncode, ended.stdout + ended.stderr


@pytest.mark.slow
def test_full_disk_ends_the_cell_in_words_and_the_next_run_goes_on(
    tiny_workspace: TinyWorkspace,
) -> None:
    """The evidence file cannot take the second record whole, so it takes nothing of it."""
    tiny_workspace.write_probe("engine", "import alpha")
    cell_id = tiny_workspace.write_cell()
    make_lock(tiny_workspace.matrix().cells[cell_id], folder=tiny_workspace.workspace.locks)
    path = tiny_workspace.workspace.evidence / f"{cell_id}.jsonl"
    filler = make_evidence(cell_id=cell_id, facts={"padding": "x" * _FILLED_BYTES})
    append(filler, path=path)
    size = path.stat().st_size

    status, said = _run(tiny_workspace, cell_id, most_bytes=size + 1000)
    torn = load_cell_evidence(tiny_workspace.workspace.evidence, cell_id)
    again, said_again = _run(tiny_workspace, cell_id, most_bytes=None)

    assert status == EvidenceError.exit_status, said
    assert "the disk took only a part of a record" in said
    assert "Traceback" not in said
    assert torn.damaged == ()
    assert [each.subject for each in torn.records] == ["engine", "resolve"]
    assert again == 0, said_again
    records = load_cell_evidence(tiny_workspace.workspace.evidence, cell_id).records
    assert [each.subject for each in records[1:]] == ["resolve", "install", "engine"]
