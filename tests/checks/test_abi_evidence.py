"""Findings become records that the store can write and read again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_verlcompat.checks.abi_evidence import evidence_of_environment, evidence_of_wheels
from pytest_verlcompat.checks.abi_live import LiveReport, check_installed
from pytest_verlcompat.model.codec import parse_line, render_line
from pytest_verlcompat.model.outcome import Ending, Outcome, Rung
from pytest_verlcompat.process.inventory import describe_machine
from tests.abi_objects import NEW_CHECK, OLD_CHECK, build_extension, build_torch, record

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_verlcompat.model.evidence import Evidence


def judge(report: LiveReport) -> Evidence:
    """Return the record of *report*."""
    return evidence_of_environment(
        report, cell_id="a-cell", machine=describe_machine(), duration_s=0.25
    )


def test_broken_environment_fails_with_the_first_missing_symbol(tmp_path: Path) -> None:
    """The cause is what a reader would search for, and the record survives its writing."""
    site = build_torch(tmp_path)
    build_extension(site, needs=[NEW_CHECK], torch=site)
    record(site, name="my_kernels", version="1.0", files=["ext/_C.so"])

    evidence = judge(check_installed(site))

    assert (evidence.rung, evidence.outcome) == (Rung.LOADS, Outcome.FAILED)
    assert evidence.ending is Ending.NOT_STARTED
    assert str(evidence.cause) == f"ImportError: ext/_C.so: undefined symbol: {NEW_CHECK}"
    assert evidence.facts["torch"] == "2.9.1"
    assert parse_line(render_line(evidence)) == evidence


def test_extension_that_a_run_can_do_without_is_kept_in_the_facts(tmp_path: Path) -> None:
    """What no engine or trainer stands or falls with is told and does not fail the stack."""
    site = build_torch(tmp_path)
    build_extension(site, needs=[NEW_CHECK], torch=site)
    record(site, name="torchao", version="0.9.0", files=["ext/_C.so"])

    evidence = judge(check_installed(site))

    assert (evidence.outcome, evidence.cause) == (Outcome.PASSED, None)
    assert [each["consumer"] for each in evidence.facts["findings"]] == ["torchao 0.9.0"]


def test_sound_environment_passes_and_one_without_torch_is_skipped(tmp_path: Path) -> None:
    """Nothing to judge is no pass."""
    site = build_torch(tmp_path / "sound")
    build_extension(site, needs=[OLD_CHECK], torch=site)
    record(site, name="ext", version="1.0", files=["ext/_C.so"])
    (tmp_path / "empty").mkdir()

    sound, empty = judge(check_installed(site)), judge(check_installed(tmp_path / "empty"))

    assert (sound.outcome, sound.cause, sound.lacks) == (Outcome.PASSED, None, ())
    assert (empty.outcome, empty.lacks) == (Outcome.SKIPPED, ("torch",))


def test_wheels_without_extensions_are_skipped() -> None:
    """A pair of pure Python wheels says nothing about loading."""
    evidence = evidence_of_wheels(
        (), torch="2.8.0", judged=(), cell_id=None, machine=describe_machine(), duration_s=0.1
    )

    assert (evidence.outcome, evidence.lacks) == (Outcome.SKIPPED, ("extensions",))
