"""Other people's records: sign, verify, accept, merge, and what the report says."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.checks.installed import list_checks
from pytest_verlcompat.cli import main
from pytest_verlcompat.model.outcome import Ending, Outcome
from pytest_verlcompat.probes.registry import list_probes
from pytest_verlcompat.resolve.lock import load_lock
from pytest_verlcompat.store.jsonl import append
from tests.tiny import make_evidence

if TYPE_CHECKING:
    from pathlib import Path

    from tests.tiny import TinyWorkspace


@pytest.fixture
def offered(tiny_workspace: TinyWorkspace, tmp_path: Path, tiny_index: object) -> Path:
    """Return a file of two records that this checkout would have made."""
    cell = tiny_workspace.write_cell()
    assert main(["lock", cell, "--root", str(tiny_workspace.root)]) == 0
    lock = load_lock(tiny_workspace.matrix().cells[cell], folder=tiny_workspace.workspace.locks)
    path = tmp_path / "offered.jsonl"
    probe, check = list_probes()[0], list_checks()[0]
    for each in (probe, check):
        record = make_evidence(
            cell_id=cell,
            subject=each.name,
            rung=each.rung,
            subject_sha256=each.sha256,
            lock_sha256=lock.sha256,
            ending=Ending.NOT_STARTED,
        )
        append(record, path=path)
    return path


def _key(folder: Path, name: str) -> Path:
    key = folder / name
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)]
    subprocess.run(words, check=True)
    return key


def test_signed_records_are_accepted_merged_and_shown(
    offered: Path,
    tiny_workspace: TinyWorkspace,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The whole way of a contribution; its signer is named in the report, others are unsigned."""
    root = ["--root", str(tiny_workspace.root)]
    key = _key(tmp_path, "key")
    tiny_workspace.write("matrix/allowed-signers", f"alice {key.with_suffix('.pub').read_text()}")

    assert main(["accept", "--require-signature", str(offered), *root]) == 1
    assert main(["sign", "--key", str(key), str(offered)]) == 0
    assert main(["verify", str(offered), *root]) == 0
    assert main(["accept", "--require-signature", str(offered), *root]) == 0
    assert main(["merge", str(offered), *root]) == 0
    (merged,) = tiny_workspace.workspace.evidence.glob("*.jsonl")
    append(make_evidence(cell_id=merged.stem, outcome=Outcome.FAILED), path=merged)
    assert main(["report", *root]) == 0

    said = capsys.readouterr().out
    assert "offered.jsonl: unsigned" in said
    assert "offered.jsonl: signed by alice" in said
    assert "2 new, 0 known, 0 refused, 0 contradictory" in said
    (cell,) = json.loads((tiny_workspace.workspace.reports / "matrix.json").read_text())["cells"]
    assert (cell["signed_by"], cell["unsigned"]) == ({"alice": 2}, 1)
    shown = (tiny_workspace.workspace.reports / "matrix.md").read_text()
    assert "Records: 2 signed by alice, 1 unsigned." in shown


def test_signer_who_is_not_allowed_stops_everything(
    offered: Path,
    tiny_workspace: TinyWorkspace,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A stranger's signature is status 19 for every verb, and nothing is merged."""
    root = ["--root", str(tiny_workspace.root)]
    allowed = tmp_path / "allowed"
    allowed.write_text(f"alice {_key(tmp_path, 'alice').with_suffix('.pub').read_text()}")
    assert main(["sign", "--key", str(_key(tmp_path, "mallory")), str(offered)]) == 0

    named = ["--allowed-signers", str(allowed)]
    ended = [main([verb, str(offered), *named, *root]) for verb in ("verify", "accept", "merge")]

    assert ended == [19, 19, 19]
    assert "a key that may not sign" in capsys.readouterr().err
    assert not list(tiny_workspace.workspace.evidence.glob("*.jsonl"))


def test_link_is_not_taken_for_records(
    offered: Path, tiny_workspace: TinyWorkspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A submission that points elsewhere is status 11 and its target is not read."""
    link = tmp_path / "link.jsonl"
    link.symlink_to(offered)

    ended = [
        main([verb, str(link), "--root", str(tiny_workspace.root)]) for verb in ("accept", "merge")
    ]

    assert ended == [11, 11]
    assert "is no file" in capsys.readouterr().err


def test_verify_without_signature_or_list_says_which(
    offered: Path, tiny_workspace: TinyWorkspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No list is a mistake of the caller, status 2; no signature is status 19."""
    root = ["--root", str(tiny_workspace.root)]

    without_list = main(["verify", str(offered), *root])
    (tmp_path / "allowed").write_text("")
    without = main(["verify", str(offered), "--allowed-signers", str(tmp_path / "allowed"), *root])

    assert (without_list, without) == (2, 19)
    assert "has no signature beside it" in capsys.readouterr().err
