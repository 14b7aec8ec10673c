"""``verlcompat init``: what it writes, and that it is what the forges expect."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from pytest_verlcompat.cli import main
from pytest_verlcompat.cli.cmd_init import PLACES

if TYPE_CHECKING:
    from tests.conftest import CheckGolden

AGAINST = ("--against", "vllm==0.12.0,0.13.0", "--against", "vllm==0.12.0 transformers==5.0.0")


def write(folder: Path, kind: str, *words: str) -> str:
    """Return the file that the command writes into *folder*."""
    assert main(["init", kind, "--root", str(folder), *words]) == 0
    return (folder / PLACES[kind]).read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", PLACES)
def test_file_is_as_reviewed(tmp_path: Path, check_golden: CheckGolden, kind: str) -> None:
    """A change of a template is seen as a change of what people get."""
    check_golden(write(tmp_path, kind, *AGAINST), f"init_{kind}.txt")


def steps(workflow: Any) -> list[dict[str, Any]]:  # noqa: ANN401 -- YAML
    """Return the steps of all jobs."""
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_github_workflow_has_least_rights(tmp_path: Path) -> None:
    """Actions by commit, no rights but reading, no stored credentials, an end to every job."""
    workflow = yaml.safe_load(write(tmp_path, "github"))
    used = [step["uses"] for step in steps(workflow) if "uses" in step]

    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        assert job["permissions"] == {"contents": "read"}
        assert job["timeout-minutes"]
    assert used
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", each) for each in used)
    checkouts = [each for each in steps(workflow) if "checkout" in each.get("uses", "")]
    assert all(each["with"]["persist-credentials"] is False for each in checkouts)


def lint(*words: str) -> str:
    """Return what a linter of workflows, run without a network, complains of."""
    tool = shutil.which(words[0], path=str(Path(sys.executable).parent)) or shutil.which(words[0])
    if tool is None:
        pytest.skip(f"{words[0]} is not installed")
    ended = subprocess.run([tool, *words[1:]], capture_output=True, text=True, check=False)
    return "" if ended.returncode == 0 else ended.stdout + ended.stderr


@pytest.mark.parametrize("words", [(), ("--gpu-label", "h100"), AGAINST])
def test_auditor_of_workflows_finds_nothing(tmp_path: Path, words: tuple[str, ...]) -> None:
    """Not even in its pedantic mood: injections, rights, credentials, names by tag."""
    write(tmp_path, "github", *words)

    assert (
        lint("zizmor", "--offline", "--pedantic", "--quiet", str(tmp_path / PLACES["github"])) == ""
    )


@pytest.mark.parametrize("kind", ["github", "gitlab"])
def test_forge_takes_the_file_by_its_schema(tmp_path: Path, kind: str) -> None:
    """No key is misspelt or misplaced, as the published schema of each forge has them."""
    write(tmp_path, kind, *AGAINST)
    schema = {"github": "vendor.github-workflows", "gitlab": "vendor.gitlab-ci"}[kind]
    words = ["check-jsonschema", "--builtin-schema", schema]
    if kind == "gitlab":
        words += ["--data-transform", "gitlab-ci"]

    assert lint(*words, str(tmp_path / PLACES[kind])) == ""


def test_own_runner_runs_no_code_of_strangers(tmp_path: Path) -> None:
    """The job with a GPU wants a label, and a branch of the repository itself."""
    job = yaml.safe_load(write(tmp_path, "github", "--gpu-label", "h100"))["jobs"]["gpu"]

    assert job["runs-on"] == ["self-hosted", "h100"]
    assert "head.repo.full_name == github.repository" in job["if"]
    assert "labels.*.name, 'h100'" in job["if"]


def test_names_may_be_tags_with_a_word_about_it(tmp_path: Path) -> None:
    """Who wants releases gets them, and reads beside each that it may change."""
    text = write(tmp_path, "github", "--tags")

    uses = [line for line in text.splitlines() if "uses:" in line]
    assert uses
    assert all(re.search(r"@v[\d.]+  # may change$", line) for line in uses)


@pytest.mark.parametrize("kind", ["github", "gitlab"])
def test_command_reaches_the_shell_as_meant(tmp_path: Path, kind: str) -> None:
    """Quotes of releases and of the install command survive YAML."""
    install = "pip install -e . 'pytest-verlcompat[cli]' # note: \"stack\""
    body = yaml.safe_load(write(tmp_path, kind, "--install", install, *AGAINST))
    if kind == "github":
        commands = [step["run"] for step in body["jobs"]["cpu"]["steps"] if "run" in step]
    else:
        commands = [body[".verlcompat"]["before_script"][-1], *body[".verlcompat"]["script"]]

    assert commands[0] == install
    assert shlex.split(commands[1])[-2:] == [
        "--verlcompat-against=vllm==0.12.0,0.13.0",
        "--verlcompat-against=vllm==0.12.0 transformers==5.0.0",
    ]


def test_nox_session_is_python(tmp_path: Path) -> None:
    """The file compiles and passes each word by itself."""
    text = write(tmp_path, "nox", *AGAINST)

    compile(text, "noxfile.py", "exec")
    assert '"--verlcompat-against=vllm==0.12.0 transformers==5.0.0"' in text


def test_image_by_digest_has_no_warning(tmp_path: Path) -> None:
    """The comment about a tag stands only where there is one."""
    image = f"python@sha256:{'0' * 64}"

    assert "may change" in write(tmp_path, "gitlab")
    assert "may change" not in write(tmp_path, "gitlab", "--force", "--image", image)


def test_nothing_is_overwritten_unasked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A second time it says so and leaves the file alone."""
    path = tmp_path / PLACES["tox"]
    write(tmp_path, "tox")
    path.write_text("mine")

    assert main(["init", "tox", "--root", str(tmp_path)]) == 2
    assert path.read_text() == "mine"
    assert "--force" in capsys.readouterr().err


@pytest.mark.parametrize("label", ["", "a b", "x'y", "a]: b"])
def test_word_that_would_break_the_file_is_refused(tmp_path: Path, label: str) -> None:
    """Labels and branches are words."""
    assert main(["init", "github", "--root", str(tmp_path), "--gpu-label", label]) == 2
    assert not (tmp_path / ".github").exists()
