"""``verlcompat recipe`` writes what was asked for, and says what the evidence says."""

from __future__ import annotations

import dataclasses
import shlex
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.cli import build_parser, main
from pytest_verlcompat.errors import LockError, UsageError
from pytest_verlcompat.model.outcome import Outcome, Rung
from pytest_verlcompat.resolve.lock import make_lock
from pytest_verlcompat.store.jsonl import append
from tests.conftest import ROOT, CheckGolden
from tests.tiny import TinyWorkspace, make_evidence

if TYPE_CHECKING:
    from pathlib import Path

WAY_OUT = ("bisect", "recipe", "recommend", "repair")
GOLDEN_CELL = "verl0.6.1-vllm0.11.0-numpy1.26.4-opencv4.9.0.80-uvloop0.21.0-python3.11-2025-11-20"


@pytest.mark.parametrize("verb", WAY_OUT)
def test_help_of_the_way_out_is_as_reviewed(
    verb: str, check_golden: CheckGolden, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What ``--help`` says, as far as it does not depend on the release of argparse."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    parser = build_parser(only=verb)
    (each,) = parser._subparsers._group_actions[0].choices.values()  # type: ignore[union-attr]  # noqa: SLF001 -- argparse names no other way

    check_golden(" ".join(each.format_help().split()) + "\n", f"cli/{verb}.txt")


def locked_cell(workspace: TinyWorkspace) -> str:
    """Return the id of a cell with a lock."""
    cell_id = workspace.write_cell()
    make_lock(workspace.matrix().cells[cell_id], folder=workspace.workspace.locks)
    return cell_id


def test_single_kind_goes_to_the_terminal(
    tiny_workspace: TinyWorkspace, capsys: pytest.CaptureFixture[str]
) -> None:
    """So that it can be piped into a file or a shell."""
    cell_id = locked_cell(tiny_workspace)

    status = main(["recipe", cell_id, "--kind", "constraints", "--root", str(tiny_workspace.root)])

    said = capsys.readouterr().out
    assert status == 0
    assert "alpha==1.0\nbeta==1.0\n" in said
    assert "rungs gpu and train are untested" in said


def test_gpu_evidence_is_named_by_its_digest(
    tiny_workspace: TinyWorkspace, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who doubts a recipe can look the record up."""
    cell_id = locked_cell(tiny_workspace)
    lock = make_lock(tiny_workspace.matrix().cells[cell_id], folder=tiny_workspace.workspace.locks)
    record = make_evidence(
        cell_id=cell_id, rung=Rung.GPU, subject_sha256=None, lock_sha256=lock.sha256
    )
    path = tiny_workspace.workspace.evidence / f"{cell_id}.jsonl"
    append(record, path=path)
    append(dataclasses.replace(record, subject="other", outcome=Outcome.SKIPPED), path=path)

    main(["recipe", cell_id, "--kind", "env", "--root", str(tiny_workspace.root)])

    said = " ".join(capsys.readouterr().out.replace("\n# ", " ").split())
    assert "engine passed, record sha256 " in said
    assert "other" not in said


def test_every_kind_is_written_that_the_lock_allows(
    tiny_workspace: TinyWorkspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A lock without an engine has no job; that is said, and the rest is written."""
    cell_id = locked_cell(tiny_workspace)
    out = tmp_path / "out"

    status = main(["recipe", cell_id, "--output", str(out), "--root", str(tiny_workspace.root)])

    names = {path.name for path in out.iterdir()}
    assert status == 0
    assert {"install.sh", "constraints.txt", "env.sh", "environment.yml"} <= names
    assert "pylock.toml" not in names
    assert (out / "install.sh").stat().st_mode & 0o111
    assert "slurm: left out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("recipe", UsageError),
        ("recipe CELL", UsageError),
        ("recipe CELL --kind instal", UsageError),
        ("recipe CELL --lock x.txt", UsageError),
        ("recipe no-such-cell --kind env", UsageError),
        ("recipe --lock no-such-file.txt --python 3.12 --kind env", LockError),
        ("recipe --publish --kind pylock", UsageError),
        ("recipe CELL --kind env --check", UsageError),
        ("recipe CELL --kind slurm", LockError),
    ],
)
def test_wrong_question_ends_with_its_status(
    words: str, kind: type[UsageError | LockError], tiny_workspace: TinyWorkspace
) -> None:
    """The status tells a wrong word from a lock that cannot be used."""
    cell_id = locked_cell(tiny_workspace)
    argv = shlex.split(words.replace("CELL", cell_id))

    status = main([*argv, "--root", str(tiny_workspace.root)])

    assert status == kind.exit_status


def test_golden_recipe_comes_out_corrected(capsys: pytest.CaptureFixture[str]) -> None:
    """What users pass around is there, with the cell that needs none of its pins."""
    main(["recipe", GOLDEN_CELL, "--kind", "env", "--root", str(ROOT)])
    settings = capsys.readouterr().out
    main(["recipe", GOLDEN_CELL, "--kind", "constraints", "--root", str(ROOT)])
    pins = capsys.readouterr().out

    assert "export VLLM_USE_V1=1" in settings
    assert "*expandable_segments:True*) unset PYTORCH_CUDA_ALLOC_CONF" in settings
    assert {"numpy==1.26.4", "opencv-python-headless==4.9.0.80", "uvloop==0.21.0"} <= set(
        pins.split()
    )
    assert "take that one: verlcompat recipe verl0.6.1-vllm0.11.0-python3.11-2025-11-20" in (
        " ".join(pins.replace("\n# ", " ").split())
    )


def test_published_recipes_name_no_place_on_the_net() -> None:
    """Whoever uses them keeps an index of their own."""
    files = [path for path in (ROOT / "reports" / "recipes").rglob("*") if path.is_file()]

    assert files
    assert not [path for path in files if "://" in path.read_text("utf-8")]


def test_published_recipes_are_compared_with_what_the_evidence_gives(
    tiny_workspace: TinyWorkspace,
) -> None:
    """A recipe that somebody edited is no recipe of ours any more."""
    cell_id = locked_cell(tiny_workspace)
    words = ["recipe", "--publish", "--root", str(tiny_workspace.root)]
    main(words)

    same = main([*words, "--check"])
    path = tiny_workspace.workspace.reports / "recipes" / cell_id / "install.sh"
    path.write_text(path.read_text("utf-8") + "rm -rf /\n", "utf-8")
    edited = main([*words, "--check"])

    assert (same, edited) == (0, 4)
