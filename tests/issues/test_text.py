"""Lines of logs come apart into process and text, and leave harmless."""

from __future__ import annotations

import pytest

from pytest_verlcompat.issues.text import inert, parse_line


@pytest.mark.parametrize(
    ("raw", "process", "text"),
    [
        ("\x1b[36m(Work pid=12, ip=10.0.0.1)\x1b[0m   x", "Work pid=12, ip=10.0.0.1", "  x"),
        ("(pid=7) x", "pid=7", "x"),
        ("(raylet) x", "raylet", "x"),
        ("(raylet, ip=10.0.0.1) x", "raylet", "x"),
        ("(autoscaler +3s) x", "autoscaler +3s", "x"),
        ("(Runner pid=1) (EngineCore_DP0 pid=2) x", "Runner pid=1 > EngineCore_DP0 pid=2", "x"),
        ("[rank3]: x", "rank3", "x"),
        ("[default0]:x", "default0", "x"),
        ("worker-1  | x", "worker-1", "x"),
        ("3: x", "3", "x"),
        ("2026-11-20T10:00:00.123456789Z stdout F (pid=7) x", "pid=7", "x"),
        ("2026-11-20T10:00:00.1234567Z x", "", "x"),
        ("2026-11-20T10:00:00+01:00 x", "", "x"),
        ("[pod/train-0/worker] 3: x", "3", "x"),
        ("> (pid=7) x", "pid=7", "x"),
        ("[36m(Work pid=12)[0m x", "Work pid=12", "x"),
        ("[1;31mx[0m y[3]m", "", "x y[3]m"),
        ("plain: x", "", "plain: x"),
        ("(not a process) x", "", "(not a process) x"),
        ("(f pid=1) x [repeated 3x across cluster] (Ray deduplicates logs)", "f pid=1", "x"),
    ],
)  # fmt: skip
def test_prefix_is_taken_off(raw: str, process: str, text: str) -> None:
    """What Ray, vLLM, torchrun, compose and srun put before a line names its process."""
    line = parse_line(raw)

    assert (line.process, line.text) == (process, text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ERROR 11-20 09:14:01 [core.py:700] ValueError: x", "ValueError: x"),
        ("2026-11-20 09:14:01,123 ERROR worker.py:12 x", "worker.py:12 x"),
        ("INFO: x", "x"),
        ("ValueError: x", "ValueError: x"),
    ],
)
def test_message_is_without_the_mark_of_its_logger(text: str, message: str) -> None:
    """Level, date and place of a logger are not part of what it says."""
    assert parse_line(text).message == message


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("WARNING 11-20 09:14:01 [core.py:700] x", "WARNING"),
        ("2026-11-20 09:14:01,123\tINFO worker.py:12 -- x", "INFO"),
        ("UserWarning: x", None),
        ("plain", None),
    ],
)
def test_level_is_that_of_the_logger(text: str, level: str | None) -> None:
    """Only a logger's own mark counts."""
    assert parse_line(text).level == level


def test_inert_text_has_nothing_a_terminal_obeys() -> None:
    """Escapes go, other controls and direction marks are shown as codes, and length is bounded."""
    hostile = "a\x1b[2J\x1b]0;title\x07b\x07\x9b31m\u202ec\r\x1bPq\x1b\\" + "d" * 999

    shown = inert(hostile, limit=60)

    assert shown.startswith("ab\\x07\\x9b31m\\x202ec\\x0d")
    assert len(shown) == 60
    assert shown.isprintable()
