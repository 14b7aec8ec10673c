"""The command finds its verbs, says what is wrong, and ends with a status that tells what."""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import subprocess
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

import pytest_verlcompat
from pytest_verlcompat import errors
from pytest_verlcompat.cli import build_parser, load_verb, main, verbs
from pytest_verlcompat.probes import registry
from tests.tiny import MINOR, NO_SUCH_MINOR, TinyWorkspace, python_path

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import CheckGolden

CORE = ("ci_matrix", "init", "list", "lock", "report", "run")


def test_verbs_are_the_modules_of_the_folder() -> None:
    """A new file is a new verb; each says what it does in its first line."""
    found = verbs()

    assert set(CORE) <= set(found)
    assert list(found) == sorted(found)
    for verb in found:
        module = load_verb(verb)
        assert (module.__doc__ or "").strip()
        assert callable(module.configure)
        assert callable(module.execute)


@pytest.mark.parametrize("verb", CORE)
def test_help_is_as_reviewed(
    verb: str, check_golden: CheckGolden, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What ``--help`` says, as far as it does not depend on the release of argparse."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    parser = build_parser(only=verb)
    (each,) = parser._subparsers._group_actions[0].choices.values()  # type: ignore[union-attr]  # noqa: SLF001 -- argparse names no other way

    check_golden(" ".join(each.format_help().split()) + "\n", f"cli/{verb}.txt")


def test_help_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    """One look shows what there is."""
    with pytest.raises(SystemExit) as ended:
        main(["--help"])

    said = capsys.readouterr().out
    assert ended.value.code == 0
    assert all(verb.replace("_", "-") in said for verb in verbs())


@pytest.mark.parametrize("words", [[], ["rnu"], ["--no-such-option"], ["run", "--no-such-option"]])
def test_wrong_command_line_ends_with_2(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A verb or option that does not exist is said with what there is."""
    with pytest.raises(SystemExit) as ended:
        main(words)

    assert ended.value.code == 2
    assert "usage: verlcompat" in capsys.readouterr().err


def _subclasses(kind: type[errors.VerlcompatError]) -> list[type[errors.VerlcompatError]]:
    return [kind, *(each for child in kind.__subclasses__() for each in _subclasses(child))]


def test_exit_statuses_are_distinct_and_free() -> None:
    """Every error has a status of its own, and none that means something else already."""
    for module in pkgutil.walk_packages(pytest_verlcompat.__path__, "pytest_verlcompat."):
        if ".scripts" not in module.name and "__main__" not in module.name:
            importlib.import_module(module.name)
    kinds = _subclasses(errors.VerlcompatError)

    statuses = [each.exit_status for each in kinds]

    assert len(set(statuses)) == len(statuses)
    assert set(statuses).isdisjoint({0, 1, 126, 127, *range(128, 256)})
    assert all(each.__module__ == "pytest_verlcompat.errors" for each in kinds)


@pytest.fixture
def checkout(tiny_workspace: TinyWorkspace, monkeypatch: pytest.MonkeyPatch) -> TinyWorkspace:
    """Return a checkout with one locked cell and one probe that passes."""
    tiny_workspace.write_probe("engine", "import alpha")
    tiny_workspace.write_cell()
    monkeypatch.setattr(registry, "SCRIPTS", tiny_workspace.scripts)
    assert main(["lock", "--root", str(tiny_workspace.root)]) == 0
    return tiny_workspace


def _main(checkout: TinyWorkspace, *words: str) -> int:
    return main([*words, "--root", str(checkout.root)])


CELL = f"alpha1.0-python{MINOR}-2026-01-01"


def test_run_judges_and_publishes(
    checkout: TinyWorkspace, capsys: pytest.CaptureFixture[str]
) -> None:
    """One command: progress while it works, a summary of 80 columns, a table, status 0."""
    assert _main(checkout, "run", CELL) == 0

    said = capsys.readouterr()
    assert "compatible, as expected" in said.out
    assert "1 cells, all as expected; 3 executed, 0 current" in said.out
    assert "probe 1/1 engine" in said.err
    assert max(map(len, said.out.splitlines())) <= 80
    assert "compatible" in (checkout.workspace.reports / "matrix.md").read_text()
    assert _main(checkout, "run", "--where", "alpha=1.0") == 0
    assert "0 executed, 3 current" in capsys.readouterr().out
    assert _main(checkout, "report", "--check") == 0


def test_unexpected_verdict_ends_with_1_and_says_where_to_look(
    checkout: TinyWorkspace, capsys: pytest.CaptureFixture[str]
) -> None:
    """The cell, the rung, the probe, the first line of the cause, and the log to open."""
    checkout.write_probe("engine", "raise ImportError('no name x')")

    assert _main(checkout, "run", CELL) == 1

    said = capsys.readouterr().out
    assert CELL in said
    assert "incompatible, NOT as expected (compatible)" in said
    assert "cpu engine: ImportError: no name x" in said
    (log,) = [line.split("log ")[1] for line in said.splitlines() if line.startswith("      log ")]
    assert len(list(checkout.root.glob(log))) == 1


def test_run_in_which_no_probe_applies_is_never_a_success(
    checkout: TinyWorkspace, capsys: pytest.CaptureFixture[str]
) -> None:
    """That something was installed is not a verdict."""
    checkout.write_probe("engine", DISTRIBUTIONS=("gamma",))

    assert _main(checkout, "run", CELL) == errors.NothingRanError.exit_status

    assert "no probe applies to what was asked for" in capsys.readouterr().err


def test_missing_python_ends_with_its_own_status(
    checkout: TinyWorkspace, capsys: pytest.CaptureFixture[str]
) -> None:
    """The machine's lack is told from the stack's, with the way to get what is missing."""
    other = checkout.write_cell(python=NO_SUCH_MINOR)
    cells = checkout.matrix().cells
    text = (checkout.workspace.locks / CELL / "requirements.txt").read_text()
    text = text.replace(cells[CELL].inputs_sha256, cells[other].inputs_sha256)
    checkout.write(f"matrix/locks/{other}/requirements.txt", text)

    assert _main(checkout, "run", other) == errors.InterpreterMissingError.exit_status

    said = capsys.readouterr().out
    assert f"errored: this machine has no CPython {NO_SUCH_MINOR}; get it with:" in said
    assert "incompatible" not in said
    assert "| incompatible |" not in (checkout.workspace.reports / "matrix.md").read_text()


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        (
            ("run", "alhpa1.0"),
            errors.UsageError,
            f"no cell 'alhpa1.0' is declared; nearest: {CELL}",
        ),
        (("run", "--where", "alpha=9"), errors.UsageError, "alpha has no value '9'; nearest: 1."),
        (("run", "--where", "alfa=1.0"), errors.UsageError, "no axis 'alfa'; nearest: alpha"),
        (("run", "--probe", "enigne"), errors.UsageError, "no probe 'enigne'; nearest: engine"),
        (("lock", "alhpa1.0"), errors.UsageError, "no cell 'alhpa1.0' is declared; nearest"),
    ],
)
def test_unknown_name_says_the_nearest(
    checkout: TinyWorkspace,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    error: type[errors.VerlcompatError],
    said: str,
) -> None:
    """A typo costs nobody a search."""
    assert _main(checkout, *words) == error.exit_status

    printed = capsys.readouterr().err
    assert f"verlcompat: {said}" in printed
    assert "Traceback" not in printed


def test_malformed_file_and_missing_lock_have_their_own_status(
    checkout: TinyWorkspace, capsys: pytest.CaptureFixture[str]
) -> None:
    """File, key, what was found and what to do reach the terminal."""
    (checkout.workspace.locks / CELL / "requirements.txt").unlink()
    assert _main(checkout, "run", CELL) == errors.LockError.exit_status
    assert f"missing; run: verlcompat lock {CELL}" in " ".join(capsys.readouterr().out.split())

    checkout.write(f"matrix/cells/{CELL}.toml", "title = 3")
    assert _main(checkout, "run", CELL) == errors.MatrixError.exit_status
    assert f"cells/{CELL}.toml" in capsys.readouterr().err


def test_list_shows_cells_axes_and_probes(
    checkout: TinyWorkspace, capsys: pytest.CaptureFixture[str]
) -> None:
    """What can be asked for can be looked up."""
    for what in ("cells", "axes", "probes"):
        assert _main(checkout, "list", what) == 0

    said = capsys.readouterr().out
    assert f"{CELL}  expected compatible: A tiny stack" in said
    assert "alpha  1.0 1.1" in said
    assert "engine  [cpu] engine does what it should (needs alpha)" in said


def test_check_names_the_file_that_differs(
    checkout: TinyWorkspace, capsys: pytest.CaptureFixture[str]
) -> None:
    """CI learns which file is not what the evidence gives, and nothing is written."""
    assert _main(checkout, "report") == 0
    path = checkout.workspace.reports / "matrix.md"
    path.write_text("edited by hand")

    assert _main(checkout, "report", "--check") == 1

    assert "matrix.md is not what the evidence gives; run: verlcompat report" in (
        capsys.readouterr().out
    )
    assert path.read_text() == "edited by hand"


def test_run_leaves_what_continuous_integration_reads(
    checkout: TinyWorkspace, tmp_path: Path
) -> None:
    """JUnit and CTRF of the cells of this run alone, agreeing with the exit status."""
    checkout.write_cell({"beta": "1.0"})
    assert _main(checkout, "lock") == 0
    checkout.write_probe("engine", "raise ImportError('no name x')")
    junit, ctrf = tmp_path / "new" / "junit.xml", tmp_path / "ctrf.json"

    assert _main(checkout, "run", CELL, "--junit-xml", str(junit), "--ctrf", str(ctrf)) == 1

    root = ET.parse(junit).getroot()
    assert [suite.attrib["name"] for suite in root] == [CELL]
    assert root.attrib["failures"] == "2"
    tests = json.loads(ctrf.read_text())["results"]["tests"]
    assert [each["name"] for each in tests if each["status"] == "failed"] == ["engine", "verdict"]


def test_file_that_cannot_be_written_is_said_before_anything_runs(
    checkout: TinyWorkspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not after hours of probing."""
    assert _main(checkout, "run", CELL, "--junit-xml", str(tmp_path)) == 2

    said = capsys.readouterr()
    assert f"{tmp_path}: cannot be written: Is a directory" in said.err
    assert "probe" not in said.err


def test_report_prints_one_form_of_some_cells_and_writes_nothing(
    checkout: TinyWorkspace, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a job puts into its step summary."""
    checkout.write_cell({"beta": "1.0"})

    assert _main(checkout, "report", "--format", "markdown", "--where", "beta=1.0") == 0

    said = capsys.readouterr().out
    assert f"`alpha1.0-beta1.0-python{MINOR}-2026-01-01`" in said
    assert f"`{CELL}`" not in said
    assert not (checkout.workspace.reports / "matrix.md").exists()
    assert _main(checkout, "report", CELL) == 2
    assert "--format" in capsys.readouterr().err


def test_closed_pipe_is_no_traceback(checkout: TinyWorkspace) -> None:
    """``verlcompat list | head -1`` ends quietly."""
    process = subprocess.Popen(
        checkout.command("list", "axes"),
        env={**os.environ, "PYTHONPATH": python_path()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()

    process.wait(timeout=60)

    assert process.stderr is not None
    assert b"Traceback" not in process.stderr.read()
    process.stderr.close()
