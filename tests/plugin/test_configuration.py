"""``[tool.verlcompat]`` and the ini keys: what is understood, and how a mistake is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.plugin.conftest import Project

ROOM = "ERROR: pyproject.toml: tool.verlcompat: "


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[tool.verlcompat]\ngpu_wait = 3", "gpu_wait: unknown key; did you mean 'gpu_wait_s'?*"),
        ("[tool.verlcompat]\ngpu_wait_s = 'x'", "gpu_wait_s: found a string 'x'; write a whole*"),
        ("[tool.verlcompat]\nprobes = ['none.py']", "probes: there is no *none.py"),
        ("[[tool.verlcompat.skip]]\ntests = 'a'", "skip[[]0[]]: reason: missing; add it"),
        ("[tool.verlcompat.cells]\na = 1", "cells.a: found a number 1; write it in quotes"),
        ("[tool.verlcompat]\nagainst = ['vllm>=1']", "against: 'vllm>=1' names no releases*"),
    ],
)
def test_mistake_names_file_and_key(project: Project, text: str, said: str) -> None:
    """The run ends before anything is collected, and says which key and what to write."""
    project.pytester.makepyprojecttoml(text)
    project.pytester.path.joinpath("mine.py").write_text("import verl\n")

    result = project.run("--verlcompat")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    prefix = "ERROR: " if "names no" in said else ROOM
    result.stderr.fnmatch_lines([prefix + said])


def test_misspelt_ini_key_is_named_with_the_nearest(project: Project) -> None:
    """Keys of ours among pytest's own are checked too."""
    project.pytester.makepyprojecttoml("[tool.pytest.ini_options]\nverlcompat_strct = true")

    result = project.run("--verlcompat")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*verlcompat_strct: unknown key; did you mean 'verlcompat_stri*"])


def test_settings_are_read_only_for_those_who_ask(project: Project) -> None:
    """A mistake in our table does not stop a run that wants nothing of us."""
    project.pytester.makepyprojecttoml("[tool.verlcompat]\nnonsense = 1")
    project.pytester.makepyfile("def test_own(): pass")

    idle, asked = project.run(), project.run("--verlcompat")

    idle.assert_outcomes(passed=1)
    assert asked.ret == pytest.ExitCode.USAGE_ERROR


def test_probe_of_a_repository_runs_beside_ours(project: Project) -> None:
    """A script named by a key, a folder named by a hook and a package named by an entry point."""
    for folder, name in (("own", "mine"), ("hooked", "theirs"), ("site", "packaged")):
        place = project.site / "more" if folder == "site" else project.pytester.path / folder
        project.write_probe_to(place, name)
    (project.site / "more" / "__init__.py").touch()
    (project.site / "pytest_verlcompat-0.dist-info" / "entry_points.txt").write_text(
        "[pytest11]\nverlcompat = pytest_verlcompat.plugin\n[verlcompat.probes]\nmore = more\n"
    )
    project.pytester.makepyprojecttoml("[tool.verlcompat]\nprobes = ['own/mine.py']")
    project.append_conftest("def pytest_verlcompat_probes(): return ['hooked']")

    result = project.run("--verlcompat", "-v")

    result.assert_outcomes(passed=4)
    ran = [line.split()[0] for line in result.stdout.lines if line.startswith("verlcompat::")]
    assert ran == [f"verlcompat::{name}" for name in ("engine", "mine", "packaged", "theirs")]


def test_probe_of_a_taken_name_is_refused(project: Project) -> None:
    """Two scripts of one name are told by their places; neither wins silently."""
    project.write_probe_to(project.pytester.path / "own", "engine")
    project.pytester.makepyprojecttoml("[tool.verlcompat]\nprobes = ['own']")

    result = project.run("--verlcompat")

    result.stderr.fnmatch_lines(["ERROR: *own/engine.py: there is a probe of that name already*"])


def test_hook_takes_records_and_verdict(project: Project) -> None:
    """A repository does with the result what it likes, once a run, under xdist too."""
    project.append_conftest(
        "def pytest_verlcompat_record(record): print('RECORD', record.subject)\n"
        "def pytest_verlcompat_verdict(verdict, records):\n"
        "    print('VERDICT', verdict.kind.value, len(records))"
    )

    for way in ((), ("-n", "2")):
        result = project.run("--verlcompat", "-s", *way)

        said = [line for line in result.stdout.lines if "RECORD" in line or "VERDICT" in line]
        assert "RECORD engine" in said[0]
        assert said[1:] == ["VERDICT compatible 1"]


STRICT = """
import pytest
def test_undeclared(): pytest.skip("no reason of note")
@pytest.mark.skip(reason="declared by its reason")
def test_declared(): pass
@pytest.mark.xfail(reason="known")
def test_expected(): raise AssertionError
"""
DECLARED = """
[[tool.verlcompat.skip]]
tests = "test_*.py::*"
because = "declared*"
reason = "tried here"
"""


@pytest.mark.parametrize("way", [(), ("-n", "2")], ids=["alone", "workers"])
def test_undeclared_skip_is_a_failure_under_strict(project: Project, way: tuple[str, ...]) -> None:
    """Only what is declared may be skipped; an expected failure is no skip."""
    project.pytester.makepyprojecttoml(DECLARED)
    project.pytester.makepyfile(STRICT)

    result = project.run("--verlcompat-strict", *way)

    result.assert_outcomes(failed=1, skipped=1, xfailed=1)
    result.stdout.fnmatch_lines(
        ["Skipped, which is not declared: no reason of note", 'tests = "test_*::test_undeclared"']
    )


def test_module_that_skips_itself_is_seen_by_strict(project: Project) -> None:
    """A skip while collecting hides a whole file, so it must be declared too."""
    project.pytester.makepyprojecttoml("[tool.pytest.ini_options]\nverlcompat_strict = true")
    project.pytester.makepyfile("import pytest; pytest.skip('all', allow_module_level=True)")

    result = project.run()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["Skipped, which is not declared: all"])
