"""``verlcompat explain`` reads files and pipes and ends with a status by finding."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_verlcompat.cli import main

LOGS = Path(__file__).parent.parent / "data" / "logs"


def test_known_failure_is_explained_with_status_0(capsys: pytest.CaptureFixture[str]) -> None:
    """Title, cause, line, confidence and remedies are printed."""
    status = main(["explain", str(LOGS / "VC124.log")])

    shown = capsys.readouterr().out
    assert status == 0
    assert shown.startswith("VC124  numba refuses a numpy newer than it knows\n")
    assert "pip install 'numpy<2.3'" in shown
    assert "Confidence: high" in shown


def test_unknown_failure_ends_with_status_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A report ready to file is printed instead."""
    log = tmp_path / "log"
    log.write_text("Traceback (most recent call last):\n  File 'x'\nMyError: never seen\n")

    status = main(["explain", str(log)])

    assert status == 1
    assert "### What happened" in capsys.readouterr().out


def test_log_without_failure_ends_with_status_20(tmp_path: Path) -> None:
    """That nothing failed is told apart from an unknown failure."""
    log = tmp_path / "log"
    log.write_text("all is well\n")

    assert main(["explain", str(log)]) == 20


def test_missing_log_is_a_mistake_of_the_caller(capsys: pytest.CaptureFixture[str]) -> None:
    """The status is that of a wrong argument."""
    status = main(["explain", "/nonexistent/log"])

    assert status == 2
    assert "cannot read this log" in capsys.readouterr().err


def test_json_holds_what_the_text_says(capsys: pytest.CaptureFixture[str]) -> None:
    """The output is one JSON object with the root cause first."""
    main(["explain", "--json", str(LOGS / "VC099.log")])

    body = json.loads(capsys.readouterr().out)
    assert body["explanations"][0]["id"] == "VC099"
    assert body["versions"]["vllm"] == "0.11.0"
    assert body["explanations"][0]["remedies"][0]["do"] == "unset PYTORCH_CUDA_ALLOC_CONF"


def test_pipe_is_read_to_its_end() -> None:
    """``-`` reads standard input, and an installed environment fits the remedies."""
    ended = subprocess.run(
        [sys.executable, "-m", "pytest_verlcompat.cli", "explain", "--python", sys.executable, "-"],
        input=(LOGS / "VC124.log").read_bytes(),
        capture_output=True,
        check=False,
        timeout=60,
    )

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith(b"VC124")


@pytest.mark.parametrize("form", ["--json", "--markdown"])
def test_forms_exclude_each_other_in_help(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Help names each form and the exit statuses."""
    with pytest.raises(SystemExit):
        main(["explain", "--help"])

    shown = capsys.readouterr().out
    assert form in shown
    assert "20 nothing failed" in shown


def test_answer_is_in_the_language_asked_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the option or by the variable; commands and names stay what they are."""
    main(["explain", "--lang", "zh_CN", str(LOGS / "VC124.log")])
    by_option = capsys.readouterr().out
    monkeypatch.setenv("VERLCOMPAT_LANG", "zh_CN.UTF-8")
    main(["explain", str(LOGS / "VC124.log")])

    assert by_option.startswith("VC124  numba 不接受比它所知更新的 numpy\n")
    assert "把握：高" in by_option
    assert "pip install 'numpy<2.3'" in by_option
    assert capsys.readouterr().out == by_option


def test_locale_of_the_machine_does_not_change_the_language(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is pasted into an issue stays English unless its author asked for another language."""
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    main(["explain", str(LOGS / "VC124.log")])

    assert capsys.readouterr().out.isascii()


def test_report_to_file_stays_english(capsys: pytest.CaptureFixture[str]) -> None:
    """It goes upstream."""
    main(["explain", "--lang", "zh", "--markdown", str(LOGS / "VC124.log")])

    assert "Known as VC124: numba refuses" in capsys.readouterr().out


def test_unknown_language_is_a_mistake_of_the_caller(capsys: pytest.CaptureFixture[str]) -> None:
    """The status is that of a wrong argument, and the languages there are get named."""
    assert main(["explain", "--lang", "tlh", str(LOGS / "VC124.log")]) == 2
    assert "there are en, zh_CN" in capsys.readouterr().err
