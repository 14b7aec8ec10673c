"""How much of what the verbs leave and print was looked through for planted secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.figures import write_figures
from tests.security.canaries import WORDS, plant, run_pytest, run_verbs

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.bench


def test_outputs_are_looked_through(tmp_path: Path) -> None:
    """Files and printed texts of all verbs and of a pytest run: counted, and without a leak."""
    with plant(tmp_path / "verbs") as planted:
        verbs = run_verbs(planted)
    with plant(tmp_path / "pytest") as planted:
        plugin = run_pytest(planted)

    write_figures(
        "canaries",
        title="Planted secrets, users and homes in what the verbs leave and print",
        command="pytest -m bench tests/benchmarks/test_canaries_bench.py",
        figures={
            "canaries": len(WORDS) + 1,
            "verbs": len(verbs.verbs),
            "files_looked_through": verbs.files + plugin.files,
            "times_hidden_in_records": verbs.hidden + plugin.hidden,
            "leaks": len(verbs.leaks) + len(plugin.leaks),
        },
        rows=[],
    )
    assert verbs.leaks + plugin.leaks == []
