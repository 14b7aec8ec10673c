"""A record is current while its lock, its environment and its code are."""

from __future__ import annotations

import pytest

from pytest_verlcompat.execute.plan import is_current
from pytest_verlcompat.model.outcome import Outcome
from tests.tiny import make_evidence


@pytest.mark.parametrize(
    ("changes", "current"),
    [
        ({}, True),
        ({"outcome": Outcome.FAILED}, True),
        ({"outcome": Outcome.SKIPPED}, True),
        ({"outcome": Outcome.ERRORED}, False),
        ({"lock_sha256": "other"}, False),
        ({"environment_id": "other"}, False),
        ({"environment_id": None}, False),
        ({"subject_sha256": "other"}, False),
        ({"subject_sha256": None}, False),
    ],
)
def test_currency_follows_from_lock_environment_and_code(
    changes: dict[str, object], *, current: bool
) -> None:
    """Anything that could change the answer makes a record stale; our own mistakes never count."""
    record = make_evidence(**changes)

    assert is_current(record, lock_sha256="bb", environment_id="cc", subject_sha256="aa") is current
