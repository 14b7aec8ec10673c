"""``pytest --verlcompat``: probes as ordinary items, under every way pytest is run."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.model.outcome import Outcome
from pytest_verlcompat.store.jsonl import load

if TYPE_CHECKING:
    from tests.plugin.conftest import Project

WAYS = [
    (),
    ("-n", "2", "-W", "error", "--strict-markers"),
    ("-p", "no:xdist"),
    ("-W", "error", "--strict-markers", "--strict-config"),
    ("-p", "no:cacheprovider", "-s", "-x"),
    ("-p", "no:terminal"),
]


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
def test_probes_run_in_every_way_pytest_is_run(project: Project, way: tuple[str, ...]) -> None:
    """Each probe is run once, its evidence written once, whatever else is asked of pytest."""
    project.write_probe("trainer")
    project.pytester.makepyfile("def test_own(): pass")

    result = project.run("--verlcompat", "--verlcompat-evidence", "e.jsonl", *way)

    assert result.ret == 0
    loaded = load([project.pytester.path / "e.jsonl"])
    assert sorted(record.subject for record in loaded.records) == ["engine", "trainer"]
    assert (project.pytester.path / "e.jsonl").read_text().count("\n") == 2
    if "no:terminal" not in way:
        result.assert_outcomes(passed=3)
        result.stdout.fnmatch_lines(["*= verlcompat =*", "verdict: compatible"])
        assert result.stdout.str().count("verdict: ") == 1


def test_idle_plugin_imports_no_other_room(project: Project) -> None:
    """Every pytest user pays for the plugin, so an idle one loads its hooks and nothing else."""
    project.pytester.makeconftest("")
    project.pytester.makepyfile(
        """
        import sys
        def test_own():
            ours = {name for name in sys.modules if name.startswith("pytest_verlcompat")}
            idle = {"pytest_verlcompat", "pytest_verlcompat.plugin"}
            idle |= {f"pytest_verlcompat.plugin.{name}" for name in ("fixtures", "hookspecs")}
            assert ours == idle
        """
    )

    result = project.run("-p", "no:xdist")

    result.assert_outcomes(passed=1)
    assert "verdict" not in result.stdout.str()


def test_outcomes_are_pytests_own(project: Project) -> None:
    """A failure fails, a lack of the host skips, and the exit status is pytest's."""
    project.write_probe("broken", "import json\njson.loads('{')")
    project.write_probe("gpu", "return {'lacks': ['a GPU']}", RUNG="gpu")

    result = project.run("--verlcompat", "-rs")

    result.assert_outcomes(passed=1, failed=1, skipped=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "*broken does what it should: failed (replied)*",
            "*json.loads('{')*",
            "E   JSONDecodeError: Expecting property name*",
            "E   at *json/decoder.py:*",
            "log: *.log",
            "verdict: incompatible",
            "rungs passed: none; failed: cpu; untested: resolves, *",
            "*gpu, train",
            "broken failed: JSONDecodeError: Expecting property name*",
            "gpu skipped: host lacks a GPU",
            "SKIPPED * host lacks a GPU",
        ]
    )
    failures, _, _ = result.stdout.str().partition("= verlcompat =")
    assert "items.py" not in failures
    assert "ProbeFailed" not in failures


@pytest.mark.parametrize("way", [(), ("-n", "2")], ids=["alone", "workers"])
def test_known_failure_is_explained_under_its_traceback(
    project: Project, way: tuple[str, ...]
) -> None:
    """Id, cause and the first remedy that fits follow the traceback and stand in the summary."""
    project.install("peft", "0.17.1")
    project.install("transformers", "5.4.0")
    message = "cannot import name 'HybridCache' from 'transformers'"
    project.write_probe("broken", f"raise ImportError({message!r})")

    result = project.run("--verlcompat", *way)

    result.stdout.fnmatch_lines(
        [
            "E   ImportError: cannot import name 'HybridCache'*",
            "log: *.log",
            "known as VC076  peft up to 0.17 imports HybridCache*",
            "What to do:",
            "    pip install 'peft>=0.18.0'",
            "    cost: upgrade of peft",
            "*= verlcompat =*",
            "broken failed: ImportError: cannot import name 'HybridCache'*",
            "    known as VC076 *",
        ]
    )


@pytest.mark.parametrize("way", [(), ("-n", "2")], ids=["alone", "workers"])
def test_short_summary_under_ci_is_the_cause_in_one_line(
    project: Project, monkeypatch: pytest.MonkeyPatch, way: tuple[str, ...]
) -> None:
    """Where pytest does not shorten messages it repeats the cause, not the whole explanation."""
    monkeypatch.setenv("CI", "true")
    project.write_probe("broken", "raise ImportError('first line\\nsecond line')")

    result = project.run("--verlcompat", *way, "--junit-xml", "junit.xml")

    summary = result.stdout.str().partition("short test summary info")[2]
    (line,) = [each for each in summary.splitlines() if each.startswith("FAILED")]
    assert line.endswith("broken - ImportError: first line")
    assert "log: " not in summary
    assert '<failure message="ImportError: first line">' in Path("junit.xml").read_text()


@pytest.mark.parametrize("way", [(), ("-n", "2")], ids=["alone", "workers"])
def test_log_that_a_failure_names_exists(project: Project, way: tuple[str, ...]) -> None:
    """The path in the failure can be opened after the run, under xdist too."""
    project.write_probe("broken", "print('the reason'); import os; os._exit(3)")

    result = project.run("--verlcompat", *way)

    (named,) = set(re.findall(r"^log: (.*)$", result.stdout.str(), re.MULTILINE))
    assert (project.pytester.path / named).read_text() == "the reason\n"


@pytest.mark.parametrize("way", [(), ("-n", "2")], ids=["alone", "workers"])
def test_crash_and_hang_are_failures_of_one_item(project: Project, way: tuple[str, ...]) -> None:
    """Neither takes pytest or a worker down; the other items are run."""
    project.write_probe("crash", "import os; os.abort()")
    project.write_probe("hang", "import time; time.sleep(600)", TIMEOUT_S=2.0)

    result = project.run("--verlcompat", "--verlcompat-evidence", "e.jsonl", *way)

    result.assert_outcomes(passed=1, failed=2)
    records = {each.subject: each for each in load([project.pytester.path / "e.jsonl"]).records}
    assert records["crash"].signal == "SIGABRT"
    assert records["hang"].ending.value == "timed out"


def test_collect_only_lists_probes_and_runs_none(project: Project) -> None:
    """Listing costs nothing and judges nothing."""
    project.write_probe("trainer", "raise SystemExit")

    result = project.run("--verlcompat", "--collect-only", "-q")

    assert result.ret == 0
    result.stdout.fnmatch_lines(["verlcompat::engine", "verlcompat::trainer"])
    assert "verdict" not in result.stdout.str()


def test_items_can_be_selected_as_others(project: Project) -> None:
    """``-k`` and ``-m`` work on probes as on tests."""
    project.write_probe("trainer", "raise SystemExit")
    project.pytester.makepyfile("def test_own(): pass")

    result = project.run("--verlcompat", "-k", "engine", "-m", "verlcompat")

    result.assert_outcomes(passed=1, deselected=2)


def test_named_probe_runs_alone(project: Project) -> None:
    """``--verlcompat-probe`` may be repeated; the rest is not collected."""
    project.write_probe("trainer")
    project.write_probe("other")

    result = project.run(
        "--verlcompat", "--verlcompat-probe", "trainer", "--verlcompat-probe", "other"
    )

    result.assert_outcomes(passed=2)


def test_unknown_probe_is_a_usage_error_with_the_nearest(project: Project) -> None:
    """A typo ends the run before anything is collected, and says what there is."""
    result = project.run("--verlcompat", "--verlcompat-probe", "enigne")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: no probe 'enigne'; nearest: engine; there are engine"])


def test_named_probe_whose_stack_is_missing_says_what_is_not_installed(project: Project) -> None:
    """A probe asked for by name is not silently left out."""
    project.write_probe("trainer", DISTRIBUTIONS=("alpha", "alhpa-x", "verl-zzz"))

    result = project.run("--verlcompat", "--verlcompat-probe", "trainer", "-rs")

    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED * not installed: alhpa-x, verl-zzz*"])


def test_no_stack_installed_is_a_usage_error(project: Project) -> None:
    """Where there is nothing to judge, the run says so and what to do."""
    project.write_probe("engine", DISTRIBUTIONS=("gamma",))

    result = project.run("--verlcompat")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *has none of verl, vllm,*--verlcompat-python"])


@pytest.mark.parametrize("path", ["/no/such/python", "."])
def test_interpreter_that_is_none_is_a_usage_error(project: Project, path: str) -> None:
    """A wrong path is said at once."""
    result = project.run("--verlcompat", "--verlcompat-python", path)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "ERROR: " in result.stderr.str()
    assert "Traceback" not in result.stderr.str()


def test_other_interpreter_is_judged(project: Project) -> None:
    """``--verlcompat-python`` judges what that interpreter would import."""
    other = project.pytester.path / "python"
    other.symlink_to(sys.executable)

    result = project.run("--verlcompat", "--verlcompat-python", str(other))

    result.assert_outcomes(passed=1)


def test_broken_test_module_does_not_stop_the_probes(project: Project) -> None:
    """A broken stack breaks the imports of tests too; the probes run and say why."""
    project.pytester.makepyfile(test_theirs="import no_such_module", test_fine="def test(): pass")

    result = project.run("--verlcompat")

    result.assert_outcomes(passed=2, errors=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["verdict: compatible"])


def test_repository_without_tests_still_runs_the_probes(project: Project) -> None:
    """Nothing collected but probes is not "no tests collected"."""
    result = project.run("--verlcompat")

    assert result.ret == 0
    result.assert_outcomes(passed=1)


def test_secret_of_the_caller_is_neither_shown_nor_written(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Terminal, evidence and logs are as redacted as those of a cell."""
    monkeypatch.setenv("HF_TOKEN", "canary-token-1")
    project.write_probe("broken", "raise ValueError('got canary-' + 'token-1')")

    result = project.run("--verlcompat", "--verlcompat-evidence", "e.jsonl")

    logs = [path.read_text() for path in project.pytester.path.rglob("*.log")]
    assert logs
    assert "canary-token-1" not in result.stdout.str() + "".join(logs)
    assert "canary-token-1" not in (project.pytester.path / "e.jsonl").read_text()


def test_evidence_is_of_an_installed_environment(project: Project) -> None:
    """A record made here names no cell, and the digest of what is installed."""
    project.run("--verlcompat", "--verlcompat-evidence", "sub/e.jsonl")

    (record,) = load([project.pytester.path / "sub" / "e.jsonl"]).records
    assert record.cell_id is None
    assert record.environment_id is None
    assert record.outcome is Outcome.PASSED
    assert record.facts == {"version": "1.0"}
    assert record.lock_sha256


def test_junit_report_can_be_written(project: Project) -> None:
    """Other reporters find in our items what they expect of any item."""
    project.write_probe("broken", "raise ValueError('no')")

    result = project.run("--verlcompat", "--junitxml=j.xml", "--durations=0", "-v")

    result.assert_outcomes(passed=1, failed=1)
    assert 'name="broken"' in (project.pytester.path / "j.xml").read_text()


def test_rerun_of_failures_finds_the_probe(project: Project) -> None:
    """``--last-failed`` runs the probe that failed and no other."""
    project.write_probe("broken", "raise ValueError('no')")
    project.run("--verlcompat")

    project.run("--verlcompat", "--last-failed").assert_outcomes(failed=1)


def test_section_fits_80_columns(project: Project) -> None:
    """Long causes are folded, and no control character of a stack reaches the terminal."""
    project.write_probe("broken", "raise ValueError('x' * 300 + chr(27) + '[2J ' + 'word ' * 90)")

    result = project.run("--verlcompat", "--tb=no")

    text = result.stdout.str()
    section = text[text.index("= verlcompat =") :].splitlines()[1:]
    for line in section[: next(i for i, line in enumerate(section) if line.startswith("="))]:
        assert line.startswith("    log ") or len(line) <= 80
        assert line.isprintable()


def test_static_checks_run_beside_pytest_and_packaging_alone(project: Project) -> None:
    """What the command needs is not beside a stack, and what reads it does without."""
    for name in ("pypi_simple", "requests", "elftools", "itanium_demangler", "jinja2", "yaml"):
        (project.site / f"{name}.py").write_text(
            f'raise ModuleNotFoundError("No module named {name!r}", name={name!r})\n'
        )
    for name, version in (("verl", "0.6.1"), ("vllm", "0.11.0")):
        (project.site / f"{name}-{version}.dist-info").mkdir()
        (project.site / name).mkdir()
        (project.site / name / "__init__.py").write_text("")
    own = project.pytester.mkpydir("mine")
    (own / "engine.py").write_text("from vllm import missing\n")
    (project.pytester.path / "train.sh").write_text("python -m verl.trainer.main_ppo a.b=1\n")

    result = project.run("--verlcompat", "-rs")

    text = result.stdout.str()
    assert "Traceback" not in text
    assert "mine/engine.py:1: ImportError: cannot import name 'missing' from 'vllm'" in text
    assert "own_launch_scripts: skipped\n    pytest-verlcompat[cli] in the environment" in text
    # The stack is on PYTHONPATH alone, which the check of the whole environment does not read.
    assert "import_surface errored: UsageError: verl is not installed" in text
