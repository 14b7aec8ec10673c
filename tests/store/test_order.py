"""Lines in order, however many, with little memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_verlcompat.store.order import sorted_lines

if TYPE_CHECKING:
    from pathlib import Path

_LINES = st.lists(st.binary(max_size=8).filter(lambda line: b"\n" not in line), max_size=40)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(lines=_LINES, run_bytes=st.integers(min_value=1, max_value=400))
def test_runs_of_any_size_give_the_order_of_the_bytes(
    lines: list[bytes], run_bytes: int, tmp_path: Path
) -> None:
    """Where the lines are cut into runs changes nothing; equal lines come once."""
    found = list(sorted_lines(iter(lines), scratch=tmp_path, run_bytes=run_bytes))

    assert found == sorted(set(lines))
    assert not list(tmp_path.iterdir())  # nothing is left, whatever ends the process
