"""Every kind of recipe reads as reviewed, parses where it will be read, and carries no code."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from packaging.requirements import Requirement

from pytest_verlcompat.errors import LockError, UsageError
from pytest_verlcompat.recipes.kinds import Kind, find_kinds, list_kinds, write_recipe
from pytest_verlcompat.recipes.settings import find_settings
from pytest_verlcompat.recipes.words import comment

if TYPE_CHECKING:
    from pytest_verlcompat.model.cell import Cell
    from pytest_verlcompat.resolve.lock import Lock
    from tests.conftest import CheckGolden

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

KINDS = {kind.name: kind for kind in list_kinds()}
OFFLINE = [kind for kind in KINDS.values() if not kind.asks_index]
HOSTILE = "x\n$(touch pwned) `touch pwned`; touch pwned '\"\\ \x1b[31m\u202e EOF LOCK"


def program(name: str) -> str:
    """Return the path of a linter of the test group."""
    found = shutil.which(name) or shutil.which(name, path=Path(sys.executable).parent)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def bodies(name: str, text: str) -> list[str]:
    """Return the shell scripts in a recipe."""
    if name == "skypilot":
        body = yaml.safe_load(text)
        return [body["setup"], body["run"]]
    if name == "kuberay":
        return [next(yaml.safe_load_all(text))["data"]["start.sh"]]
    return [text] if name in {"install", "env", "slurm"} else []


@pytest.mark.parametrize("kind", OFFLINE, ids=lambda kind: kind.name)
def test_recipe_reads_as_reviewed(
    kind: Kind, stack: tuple[Cell, Lock], check_golden: CheckGolden
) -> None:
    """What a person gets changes only with a reviewed file."""
    text = write_recipe(kind, *stack, notes=["verdict: compatible (up to cpu)"])

    check_golden(text, f"recipes/{kind.filename}")


@pytest.mark.parametrize("name", ["install", "env", "slurm", "skypilot", "kuberay"])
def test_generated_script_is_clean_for_shellcheck(
    name: str, stack: tuple[Cell, Lock], tmp_path: Path
) -> None:
    """No warning of any level, in whatever file the script is embedded."""
    shellcheck = program("shellcheck")
    for number, body in enumerate(bodies(name, write_recipe(KINDS[name], *stack))):
        script = tmp_path / f"{number}.sh"
        script.write_text(body, encoding="utf-8")

        ended = subprocess.run(
            [shellcheck, "--shell", "sh" if name == "env" else "bash", script],
            capture_output=True,
            text=True,
            check=False,
        )

        assert ended.returncode == 0, ended.stdout


def test_dockerfile_is_clean_for_hadolint(stack: tuple[Cell, Lock], tmp_path: Path) -> None:
    """No warning but those whose reason stands beside them."""
    hadolint = program("hadolint")
    path = tmp_path / "Dockerfile"
    path.write_text(write_recipe(KINDS["dockerfile"], *stack), encoding="utf-8")

    ended = subprocess.run([hadolint, path], capture_output=True, text=True, check=False)

    assert (ended.returncode, ended.stdout) == (0, "")


@pytest.mark.parametrize("kind", OFFLINE, ids=lambda kind: kind.name)
def test_words_of_a_hostile_cell_stay_words(
    kind: Kind, stack: tuple[Cell, Lock], tmp_path: Path
) -> None:
    """Whatever a record holds, no line of it is executed, nor ends a comment."""
    cell, lock = stack
    hostile = dataclasses.replace(cell, id=HOSTILE, title=HOSTILE, reason=HOSTILE)

    text = write_recipe(kind, hostile, lock, notes=[HOSTILE])

    assert "\x1b" not in text
    assert "\u202e" not in text
    for line in text.splitlines():
        assert "touch pwned" not in line or line.startswith(("#", 'name: "'))
    for number, body in enumerate(bodies(kind.name, text)):
        script = tmp_path / f"{number}.sh"
        script.write_text(body, encoding="utf-8")
        subprocess.run(["/bin/bash", "-n", script], check=True)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("torch==2.8.0; touch pwned --hash=sha256:" + "0" * 64, "line 1"),
        ("torch==$(touch pwned)", "line 1"),
        ("torch==2.8.0`id`", "not a PEP 440 version"),
        ("torch @ file:///tmp/torch.whl", "no exact pin"),
        ("-r other.txt", "no exact pin"),
        ("torch>=2.8", "no exact pin"),
        ("torch==2.8.0 --hash=md5:00", "no exact pin"),
        ("torch==2.8.0 ; sys_platform == 'win32'", "make the lock for one Python"),
        ("torch==2.8.0\nTorch==2.9.0", "pins torch twice"),
        ("# nothing", "holds no pins"),
    ],
)
def test_lock_with_something_else_than_pins_is_refused(
    line: str, said: str, stack: tuple[Cell, Lock]
) -> None:
    """A line that no installer of a lock would take never gets into a script."""
    cell, lock = stack
    lock.path.write_text(line + "\n", encoding="utf-8")

    with pytest.raises(LockError, match=said):
        write_recipe(KINDS["install"], cell, lock)


def test_unresolvable_cell_has_no_recipe(stack: tuple[Cell, Lock]) -> None:
    """It says why there is nothing to install, and where to look next."""
    cell, lock = stack

    with pytest.raises(LockError, match=r"numpy disagrees.*recommend"):
        write_recipe(
            KINDS["install"], cell, dataclasses.replace(lock, explanation="numpy disagrees.")
        )


@pytest.mark.parametrize("platform", ["x86_64-pc-windows-msvc", "aarch64-apple-darwin", "linux"])
def test_lock_for_another_platform_is_refused(platform: str, stack: tuple[Cell, Lock]) -> None:
    """A script that could not check its machine is not written."""
    cell, lock = stack

    with pytest.raises(LockError, match="manylinux"):
        write_recipe(KINDS["install"], dataclasses.replace(cell, platform=platform), lock)


def test_lock_without_engine_starts_nothing(stack: tuple[Cell, Lock]) -> None:
    """A job is written only where there is something to start."""
    cell, lock = stack
    lean = dataclasses.replace(lock, versions={"verl": "0.6.1"})

    with pytest.raises(LockError, match="no engine"):
        write_recipe(KINDS["slurm"], cell, lean)


def test_cuda_without_a_known_image_is_said(stack: tuple[Cell, Lock]) -> None:
    """No image is made up for a CUDA nobody has seen one of."""
    cell, lock = stack
    new = dataclasses.replace(lock, versions={"torch": "2.15.0"})

    with pytest.raises(LockError, match=r"CUDA 13\.2"):
        write_recipe(KINDS["dockerfile"], cell, new)


def test_unknown_kind_names_the_nearest() -> None:
    """A slip of the finger is answered with what was meant."""
    with pytest.raises(UsageError, match="nearest: dockerfile"):
        find_kinds(["docker"], kinds=KINDS.values())


def test_structured_recipes_hold_what_their_readers_look_for(stack: tuple[Cell, Lock]) -> None:
    """YAML and TOML parse, and the values are where conda, uv, SkyPilot and KubeRay read them."""
    texts = {kind.name: write_recipe(kind, *stack) for kind in OFFLINE}

    project = tomllib.loads(texts["pyproject"])
    conda = yaml.safe_load(texts["conda"])
    job = list(yaml.safe_load_all(texts["kuberay"]))[1]
    sky = yaml.safe_load(texts["skypilot"])

    assert project["tool"]["uv"]["conflicts"] == [[{"extra": "vllm"}, {"extra": "sglang"}]]
    assert project["tool"]["uv"]["override-dependencies"] == ["opencv-python-headless<4.10"]
    assert all(Requirement(each) for each in project["tool"]["uv"]["constraint-dependencies"])
    assert "torch==2.8.0 --hash=sha256:" in " ".join(conda["dependencies"][2]["pip"])
    assert job["spec"]["rayClusterSpec"]["rayVersion"] == "2.51.1"
    assert sky["resources"]["accelerators"] == {"L4": 1, "A100": 1, "H100": 1}


def test_settings_follow_the_release() -> None:
    """The switch is set where it decides, and unset where it means nothing."""
    old = {
        each.name: each.value
        for each in find_settings({"verl": "0.6.1", "vllm": "0.11.0"}, python="3.12")
    }
    new = {
        each.name: each.value
        for each in find_settings({"verl": "0.9.1", "vllm": "0.24.0"}, python="3.12")
    }

    assert old["VLLM_USE_V1"] == "1"
    assert new["VLLM_USE_V1"] is None
    assert "VLLM_RPC_TIMEOUT" in new
    assert "VLLM_RPC_TIMEOUT" not in old


@pytest.mark.parametrize(
    ("before", "after"),
    [("expandable_segments:True", ""), ("max_split_size_mb:256", "max_split_size_mb:256")],
)
def test_sourced_settings_take_away_only_what_is_harmful(
    before: str, after: str, stack: tuple[Cell, Lock], tmp_path: Path
) -> None:
    """Other allocator settings of the user stay."""
    script = tmp_path / "env.sh"
    script.write_text(write_recipe(KINDS["env"], *stack), encoding="utf-8")

    ended = subprocess.run(
        ["/bin/bash", "-euc", f'. {script}; echo "$VLLM_USE_V1 ${{PYTORCH_CUDA_ALLOC_CONF:-}}"'],
        env={"PYTORCH_CUDA_ALLOC_CONF": before, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert ended.stdout == f"1 {after}\n"


def test_comment_of_several_lines_stays_a_comment() -> None:
    """A line end in a sentence of a cell does not begin a line of its own."""
    assert comment("one\ntwo\r\nthree") == ["# one two three"]
