"""A record of evidence is explained by its cause, and by its log where the cause says little."""

from __future__ import annotations

import pytest

from pytest_verlcompat.issues.catalogue import load_catalogue
from pytest_verlcompat.issues.record import explain_record, render_brief
from pytest_verlcompat.model.cause import Cause
from pytest_verlcompat.model.evidence import Evidence
from pytest_verlcompat.model.outcome import Ending, Outcome, Rung
from tests.tiny import MACHINE

CATALOGUE = load_catalogue()
HYBRID = Cause(
    kind="ImportError", first_line="cannot import name 'HybridCache' from 'transformers'"
)
NUMBA = """Traceback (most recent call last):
ImportError: Numba needs NumPy 2.2 or less. Got NumPy 2.3.
"""
ENGINE = Cause(
    kind="RuntimeError",
    first_line="Engine core initialization failed. See root cause above. Failed core proc(s): {}",
)


def _record(cause: Cause | None, outcome: Outcome = Outcome.FAILED) -> Evidence:
    return Evidence(
        cell_id=None,
        subject="trainer_import",
        rung=Rung.CPU,
        outcome=outcome,
        ending=Ending.REPLIED,
        started_at="2026-11-20T00:00:00.000000Z",
        duration_s=1.0,
        machine=MACHINE,
        harness="0",
        cause=cause,
    )


def test_cause_is_explained_and_its_remedy_fits_the_versions() -> None:
    """The first way out that fits what is installed is printed with what it costs."""
    versions = {"peft": "0.17.1", "transformers": "5.4.0"}

    found = explain_record(_record(HYBRID), None, CATALOGUE, versions=versions)

    assert found is not None
    assert next(iter(render_brief(found))).startswith("VC076  peft up to 0.17")
    assert "    pip install 'peft>=0.18.0'" in list(render_brief(found))


def test_cause_goes_before_what_the_log_caught() -> None:
    """A failure that the program survived does not explain the one that ended it."""
    found = explain_record(_record(HYBRID), NUMBA, CATALOGUE)

    assert found is not None
    assert found.entry.id == "VC076"


@pytest.mark.parametrize("cause", [ENGINE, None], ids=["consequence", "no cause"])
def test_log_is_asked_where_the_cause_says_little(cause: Cause | None) -> None:
    """An engine that died, or a process killed, left its reason in the log."""
    found = explain_record(_record(cause), NUMBA, CATALOGUE)

    assert found is not None
    assert found.entry.id == "VC124"


def test_unknown_failure_is_not_explained() -> None:
    """Nothing is said where nothing is known, and nothing of what did not fail."""
    unknown = Cause(kind="MyError", first_line="never seen")

    assert explain_record(_record(unknown), "MyError: never seen\n", CATALOGUE) is None
    assert explain_record(_record(HYBRID, Outcome.PASSED), None, CATALOGUE) is None
