"""``verlcompat repair`` mends a broken environment, or leaves it exactly as it was."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.advise.inventory import read_inventory
from pytest_verlcompat.advise.repair import old_place, put_into_place
from pytest_verlcompat.advise.repair_copy import copy_environment, exchange, point_scripts
from pytest_verlcompat.advise.repair_patient import is_marked_managed, refuse_if_owned, survey
from pytest_verlcompat.environments.installed import installed_versions
from pytest_verlcompat.errors import UsageError
from pytest_verlcompat.resolve.uv import call_uv, find_uv
from tests.resolve.simple_site import SimpleSite, serve, use_alone
from tests.tiny import MINOR, TinyWorkspace, write_wheel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NEEDS_OLD = """
    from importlib.metadata import version
    if version("transformers").startswith("5"):
        raise ImportError("cannot import name 'AutoModelForVision2Seq'")
    return {}
"""
NEEDS_NEW = """
    from importlib.metadata import version
    if version("transformers").startswith("4"):
        raise ImportError("no such model")
    return {}
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleSite]:
    """Yield an index of tiny verl and transformers that is all there is."""
    with serve(tmp_path / "files") as found:
        use_alone(found, monkeypatch, scratch=tmp_path)
        found.add("verl", "0.6.1", requires=["transformers", "extra"])
        for version in ("4.57.1", "5.1.0"):
            found.add("transformers", version)
        found.add("extra", "1.0")
        yield found


@pytest.fixture
def workspace(tmp_path: Path, site: SimpleSite) -> TinyWorkspace:
    """Return a checkout with one probe."""
    found = TinyWorkspace(root=tmp_path / "checkout")
    found.declare_axes()
    found.write_probe("imports", NEEDS_OLD, DISTRIBUTIONS=("verl",))
    return found


@pytest.fixture
def broken(workspace: TinyWorkspace, tmp_path: Path) -> Path:
    """Return an environment in which verl 0.6.1 stands beside transformers 5."""
    prefix = tmp_path / "env"
    call_uv(["venv", "--python", sys.executable, str(prefix)], timeout_s=60)
    install(prefix, "verl==0.6.1", "transformers==5.1.0")
    return prefix


def install(prefix: Path, *words: str) -> None:
    """Install *words* into the environment *prefix*."""
    python = str(prefix / "bin" / "python")
    ended = call_uv(["pip", "install", "--python", python, *words], timeout_s=60)
    assert ended.exit_status == 0, ended.messages


def versions(prefix: Path) -> dict[str, str]:
    """Return what is installed in *prefix*."""
    return installed_versions([prefix / f"lib/python{MINOR}/site-packages"])


def tree(prefix: Path) -> dict[str, tuple[int, bytes]]:
    """Return inode and content of every file of *prefix*."""
    return {
        str(path.relative_to(prefix)): (path.lstat().st_ino, path.read_bytes())
        for path in sorted(prefix.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def repair(workspace: TinyWorkspace, prefix: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Return how ``verlcompat repair`` ended for that environment."""
    python = str(prefix / "bin" / "python")
    return subprocess.run(
        workspace.command("repair", "--python", python, *words),
        capture_output=True,
        text=True,
        check=False,
    )


def test_plan_is_shown_and_nothing_changes(workspace: TinyWorkspace, broken: Path) -> None:
    """The exact command and what it moves; not a byte of the environment is touched."""
    before = tree(broken)

    ended = repair(workspace, broken)

    assert ended.returncode == 1
    assert "VC069" in ended.stdout
    assert f"$ uv pip install --python {broken}/bin/python 'transformers<5' verl==0.6.1" in (
        ended.stdout
    )
    assert "transformers 5.1.0 -> 4.57.1" in ended.stdout
    assert tree(broken) == before


def test_applied_repair_is_green_and_keeps_what_was(workspace: TinyWorkspace, broken: Path) -> None:
    """The environment is in its old place, repaired; the old one lies beside it."""
    before = versions(broken)

    ended = repair(workspace, broken, "--apply")

    old = broken.with_name("env.before-repair")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "imports                       failed     passed" in ended.stdout
    assert versions(broken) == {**before, "transformers": "4.57.1"}
    assert versions(old) == before
    shared = broken / f"lib/python{MINOR}/site-packages/extra/__init__.py"
    assert shared.stat().st_ino == (old / shared.relative_to(broken)).stat().st_ino
    ran = subprocess.run(
        [broken / "bin" / "python", "-c", "import sys, transformers; print(sys.prefix)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.strip() == str(broken)
    assert sorted(path.name for path in broken.parent.glob("env*")) == ["env", "env.before-repair"]


def test_repair_that_breaks_something_else_is_rolled_back(
    workspace: TinyWorkspace, broken: Path
) -> None:
    """Never worse: what passed before has to pass afterwards, or nothing happened."""
    workspace.write_probe("models", NEEDS_NEW, DISTRIBUTIONS=("verl",))
    before = tree(broken)

    ended = repair(workspace, broken, "--apply")

    assert ended.returncode == 1
    assert "rolled back" in ended.stdout
    assert "models would be broken, which was in order" in ended.stdout
    assert tree(broken) == before
    assert [path.name for path in broken.parent.glob("env*")] == ["env"]


def test_repair_that_was_interrupted_leaves_the_original(
    workspace: TinyWorkspace, broken: Path
) -> None:
    """Whenever it is stopped, the environment is whole and as it was."""
    workspace.write_probe(
        "slow", "import time\ntime.sleep(60 if '.repair-' in __import__('sys').prefix else 0)",
        DISTRIBUTIONS=("verl",), TIMEOUT_S=90.0,
    )  # fmt: skip
    before = tree(broken)
    command = workspace.command("repair", "--python", str(broken / "bin/python"), "--apply")

    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        until = time.monotonic() + 90
        while time.monotonic() < until and not list(broken.parent.glob("env.repair-*/bin/python")):
            time.sleep(0.1)
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)

    assert process.returncode == 130
    assert tree(broken) == before
    assert [path.name for path in broken.parent.glob("env*")] == ["env"]


def test_copy_stays_where_it_was_asked_for(
    workspace: TinyWorkspace, broken: Path, tmp_path: Path
) -> None:
    """With --into the original is not touched, and the copy stands on its own."""
    before = tree(broken)
    target = tmp_path / "repaired"

    ended = repair(workspace, broken, "--apply", "--into", str(target))

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert tree(broken) == before
    assert versions(target)["transformers"] == "4.57.1"
    assert str(broken) not in (target / "bin" / "activate").read_text("utf-8").replace(
        str(target), ""
    )


def test_editable_install_is_kept_and_said(
    workspace: TinyWorkspace, site: SimpleSite, broken: Path, tmp_path: Path
) -> None:
    """What somebody works on is never replaced by a release; its requirements still count."""
    project = tmp_path / "work"
    (project / "verl").mkdir(parents=True)
    (project / "verl" / "__init__.py").touch()
    site = broken / f"lib/python{MINOR}/site-packages"
    home = next(site.glob("verl-*.dist-info"))
    (home / "direct_url.json").write_text(
        f'{{"url": "file://{project}", "dir_info": {{"editable": true}}}}', "utf-8"
    )
    (site / "_verl.pth").write_text(f"{project}\n", "utf-8")
    marker = (home / "direct_url.json").stat().st_ino

    ended = repair(workspace, broken, "--apply")

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "kept as it is: verl 0.6.1 (editable)" in ended.stdout
    assert "verl==0.6.1" not in ended.stdout
    kept = next((broken / f"lib/python{MINOR}/site-packages").glob("verl-*.dist-info"))
    assert (kept / "direct_url.json").stat().st_ino == marker


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (lambda prefix: (prefix / "conda-meta").mkdir(), "conda manages this environment"),
        (lambda prefix: (prefix / "pyvenv.cfg").unlink(), "is no virtual environment"),
    ],
)
def test_environment_of_another_owner_is_not_changed(
    prepare: object, said: str, workspace: TinyWorkspace, broken: Path
) -> None:
    """The plan is there to be typed; nothing is done behind the owner's back."""
    assert callable(prepare)
    prepare(broken)
    before = tree(broken)

    shown = repair(workspace, broken)
    ended = repair(workspace, broken, "--apply")

    assert "managed by" in shown.stdout
    assert ended.returncode == 2
    assert said in ended.stderr
    assert tree(broken) == before


def test_managed_python_is_told_from_one_that_is_not(broken: Path) -> None:
    """PEP 668 is named where the Python says it."""
    inventory = read_inventory(broken / "bin" / "python", environ={})

    before = is_marked_managed(inventory)
    (broken / f"lib/python{MINOR}/EXTERNALLY-MANAGED").touch()

    assert not before
    assert is_marked_managed(inventory)
    ground = dataclasses.replace(survey(inventory), owner="the system")
    with pytest.raises(UsageError, match="PEP 668"):
        refuse_if_owned(ground, into=None, marked=True)


def test_environment_that_cannot_be_written_wants_another_place(
    broken: Path, tmp_path: Path
) -> None:
    """Reading it is enough for a copy elsewhere."""
    found = survey(read_inventory(broken / "bin" / "python", environ={}))
    ground = dataclasses.replace(found, writable=False)

    refuse_if_owned(ground, into=tmp_path / "elsewhere", marked=False)
    with pytest.raises(UsageError, match="--into PATH"):
        refuse_if_owned(ground, into=None, marked=False)


@pytest.mark.skipif(os.geteuid() == 0, reason="lacks a user who may not write everywhere")
def test_folder_that_cannot_be_written_wants_another_place(
    workspace: TinyWorkspace, broken: Path
) -> None:
    """A copy can be had all the same."""
    broken.parent.chmod(0o555)
    try:
        ended = repair(workspace, broken, "--apply")
    finally:
        broken.parent.chmod(0o755)

    assert ended.returncode == 2
    assert "--into PATH" in ended.stderr


def test_remedy_that_the_index_lacks_is_left_out(
    workspace: TinyWorkspace, site: SimpleSite, broken: Path
) -> None:
    """Uv's reason is quoted, and nothing changes."""
    site.pages["transformers"].pop(0)
    before = tree(broken)

    ended = repair(workspace, broken, "--apply")

    assert ended.returncode == 1
    assert "left out: remedies of VC069: uv says no" in ended.stdout
    assert tree(broken) == before


def test_sound_environment_is_left_alone(workspace: TinyWorkspace, broken: Path) -> None:
    """Nothing is repaired that is not broken."""
    install(broken, "transformers==4.57.1")
    before = tree(broken)

    ended = repair(workspace, broken, "--apply")

    assert ended.returncode == 0
    assert "Nothing is known to be wrong" in ended.stdout
    assert tree(broken) == before


def test_python_that_does_not_exist_is_named(workspace: TinyWorkspace, tmp_path: Path) -> None:
    """The status is that of a missing Python."""
    assert repair(workspace, tmp_path / "nowhere").returncode == 6


def test_existing_folder_is_not_overwritten(
    workspace: TinyWorkspace, broken: Path, tmp_path: Path
) -> None:
    """--into makes a folder; it never takes one."""
    (tmp_path / "mine").mkdir()

    ended = repair(workspace, broken, "--apply", "--into", str(tmp_path / "mine"))

    assert ended.returncode == 2
    assert "exists" in ended.stderr


def test_two_folders_change_places_at_once(tmp_path: Path) -> None:
    """Both are there all the time, under each other's name afterwards."""
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
        (folder / "name").write_text(folder.name)

    exchange(one, other)

    assert ((one / "name").read_text(), (other / "name").read_text()) == ("other", "one")


def test_scripts_follow_the_folder_and_nothing_else(tmp_path: Path) -> None:
    """Only the very folder is replaced, not one whose name begins alike."""
    prefix, copy = tmp_path / "env", tmp_path / "copy"
    subprocess.run([find_uv(), "venv", "-q", "--python", sys.executable, prefix], check=True)
    (prefix / "bin" / "tool").write_text(f"#!{prefix}/bin/python\nx = '{prefix}2/y'\n")

    copy_environment(prefix, copy)
    point_scripts(copy, old=prefix, new=copy)

    assert (copy / "bin" / "tool").read_text() == f"#!{copy}/bin/python\nx = '{prefix}2/y'\n"
    assert (prefix / "bin" / "tool").read_text().startswith(f"#!{prefix}/bin/python")


def test_second_step_keeps_the_original_and_not_what_was_between(
    broken: Path, tmp_path: Path
) -> None:
    """What lies beside the environment is how it was before anything was done."""
    ground = survey(read_inventory(broken / "bin" / "python", environ={}))
    for number, step in enumerate(("first", "second")):
        copy = tmp_path / f"copy-{step}"
        copy_environment(broken, copy)
        (copy / "state").write_text(step)

        put_into_place(ground, copy, keep=number == 0)

        assert (broken / "state").read_text() == step
        assert not copy.exists()
    assert not (old_place(ground) / "state").exists()


def test_remedies_that_exclude_each_other_are_left_out_one_by_one(
    workspace: TinyWorkspace, site: SimpleSite, broken: Path
) -> None:
    """What mends one fault may be needless once another one is mended."""
    site.add("huggingface_hub", "0.36.0")
    site.add("huggingface_hub", "1.5.0")
    site.pages["transformers"].clear()
    site.add("transformers", "4.57.2", requires=["huggingface-hub<1.0"])
    install(broken, "huggingface-hub==0.36.0")

    ended = repair(workspace, broken, "--apply")

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "left out: remedies of VC069, VC080: uv says no" in ended.stdout
    assert ended.stdout.count("Plan:") == 1
    assert versions(broken)["transformers"] == "4.57.2"
    assert versions(broken)["huggingface-hub"] == "0.36.0"


def test_distribution_that_was_written_over_is_installed_anew(
    workspace: TinyWorkspace, site: SimpleSite, broken: Path
) -> None:
    """Two OpenCV write one folder: one goes, the other one's files are put back."""
    install(broken, "transformers==4.57.1")
    for name, version in (("opencv_python", "4.12.0"), ("opencv_python_headless", "4.11.0")):
        files = {"cv2/__init__.py": f"NAME = '{name}'"}
        site.publish(write_wheel(site.folder, name, version, files=files))
    install(broken, "opencv-python-headless", "opencv-python")

    ended = repair(workspace, broken, "--apply", "--no-probes")

    cv2 = broken / f"lib/python{MINOR}/site-packages/cv2/__init__.py"
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "opencv-python 4.12.0 -> none" in ended.stdout
    assert cv2.read_text("utf-8") == "NAME = 'opencv_python_headless'"


def test_requirement_that_is_gone_is_brought_back(workspace: TinyWorkspace, broken: Path) -> None:
    """Nothing known has to be wrong with it; the metadata says what is missing."""
    install(broken, "transformers==4.57.1")
    call_uv(["pip", "uninstall", "--python", str(broken / "bin/python"), "extra"], timeout_s=60)

    ended = repair(workspace, broken, "--apply", "--no-probes")

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "Plan: what the metadata asks for" in ended.stdout
    assert "extra none -> 1.0" in ended.stdout
    assert versions(broken)["extra"] == "1.0"
