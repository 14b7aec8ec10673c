"""The workflows are thin: pinned actions, few rights, and sessions that run here as well."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from pytest_verlcompat.cli.cmd_init import ACTIONS
from tests.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
_COMMAND = re.compile(
    r"uvx --from 'nox\[uv\]' nox -s (?P<session>[a-z]+)( -- \S+)?|\.ci/(run|propose)( .*)?"
)


def _load(path: Path) -> dict[Any, Any]:
    body: dict[Any, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return body


def _steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in _load(path)["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_by_commit_and_say_their_release(path: Path) -> None:
    """Forty hex digits and the release; those that ``init`` writes too are the same."""
    text = path.read_text(encoding="utf-8")

    used = re.findall(r"uses: (\S+)@(\S+)  # (v\d+\.\d+\.\d+)$", text, re.MULTILINE)

    assert len(used) == text.count("uses: ")
    for name, commit, release in used:
        assert re.fullmatch(r"[0-9a-f]{40}", commit)
        assert ACTIONS.get(name, (release, commit)) == (release, commit)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflow_has_no_right_that_no_job_asks_for(path: Path) -> None:
    """Nothing by default; who may write runs no code of others and keeps no credentials."""
    body = _load(path)

    assert body["permissions"] == {}
    for job in body["jobs"].values():
        assert job["permissions"]
        assert job["timeout-minutes"] <= 360
        runs = " ".join(step.get("run", "") for step in job["steps"])
        if job["permissions"].get("contents") == "write":
            assert "nox" not in runs
    for step in _steps(path):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_step_calls_one_session_or_script(path: Path) -> None:
    """What a step does, ``nox -s`` does here; nothing of an event is put into a shell."""
    text = (ROOT / "noxfile.py").read_text(encoding="utf-8")
    sessions = set(re.findall(r"^def (\w+)\(session", text, re.MULTILINE))

    for step in _steps(path):
        command = step.get("run")
        if command is None:
            continue
        match = _COMMAND.fullmatch(command)
        assert match, command
        assert "${{" not in command
        assert match["session"] is None or match["session"] in sessions


def test_own_runner_takes_no_pull_request() -> None:
    """Code of strangers never comes to a machine of ours."""
    for path in WORKFLOWS:
        body = _load(path)
        triggers = body[True]  # YAML 1.1 reads `on` as a truth value
        if any("self-hosted" in str(job["runs-on"]) for job in body["jobs"].values()):
            assert "pull_request" not in triggers
            assert "pull_request_target" not in triggers
    assert not any("pull_request_target" in path.read_text() for path in WORKFLOWS)


@pytest.fixture
def proposal(tmp_path: Path) -> Path:
    """Return a repository with the script that opens pull requests and an empty proposal."""
    for name in (".ci", "matrix", "reports", ".github", "proposal"):
        (tmp_path / name).mkdir()
    shutil.copy(ROOT / ".ci" / "propose", tmp_path / ".ci")
    (tmp_path / ".gitignore").write_text("/proposal/\n")
    (tmp_path / "matrix" / "a.toml").write_text("a = 1\n")
    _git(tmp_path, "init", "-q", "-b", "main")
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "-q", "-m", "first")
    return tmp_path


def _git(root: Path, *words: str) -> str:
    names = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    ended = subprocess.run(
        [str(shutil.which("git")), *names, *words],
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    )
    return ended.stdout


def _propose(root: Path) -> subprocess.CompletedProcess[str]:
    (root / "proposal" / "changes.patch").write_text(_git(root, "diff", "--binary", "HEAD"))
    _git(root, "reset", "-q", "--hard")
    return subprocess.run(
        [root / ".ci" / "propose", "weekly", "News"],
        env={**os.environ, "DRY_RUN": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_proposal_takes_data_and_leaves_the_rest(proposal: Path) -> None:
    """Of a patch only matrix/ and reports/ arrive; a workflow that came along does not."""
    (proposal / "matrix" / "a.toml").write_text("a = 2\n")
    (proposal / "reports" / "deep").mkdir()
    (proposal / "reports" / "deep" / "new.md").write_text("new\n")
    (proposal / ".github" / "evil.yml").write_text("on: push\n")
    (proposal / ".ci" / "propose").write_text("#!/bin/sh\ntouch /tmp/evil\n")
    _git(proposal, "add", "--intent-to-add", ".")

    ended = _propose(proposal)

    assert ended.returncode == 0, ended.stderr
    changed = _git(proposal, "show", "--name-only", "--format=%s").split()
    assert changed == ["News", "matrix/a.toml", "reports/deep/new.md"]
    assert _git(proposal, "branch", "--show-current").startswith("proposal/weekly-")


def test_proposal_without_change_is_none(proposal: Path) -> None:
    """A week without news opens nothing."""
    ended = _propose(proposal)

    assert (ended.returncode, ended.stdout) == (0, "nothing changed\n")
    assert _git(proposal, "branch", "--show-current") == "main\n"
