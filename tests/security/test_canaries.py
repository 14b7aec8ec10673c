"""No secret, user or home that was planted is in anything that a run leaves or prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.cli import verbs
from tests.security.canaries import plant, run_pytest, run_verbs

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
def test_no_verb_leaves_or_prints_a_canary(tmp_path: Path) -> None:
    """Every verb there is has run; nothing it wrote or printed holds a secret, user or home."""
    with plant(tmp_path) as planted:
        found = run_verbs(planted)

    assert found.verbs == set(verbs())
    assert (found.status, found.hidden > 20, found.files > 50) == (1, True, True)
    assert found.leaks == []


def test_pytest_run_leaves_no_canary(tmp_path: Path) -> None:
    """Evidence, summary, badge, JUnit XML, logs and caches of ``pytest --verlcompat``."""
    with plant(tmp_path) as planted:
        found = run_pytest(planted)

    assert (found.status, found.hidden > 10) == (1, True)
    assert found.leaks == []
