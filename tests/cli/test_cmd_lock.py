"""Locks of days that are not over for long are not made: what they name gets installed."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.cli import main
from tests.tiny import MINOR

if TYPE_CHECKING:
    from tests.tiny import TinyWorkspace


@pytest.mark.parametrize(("days_ago", "status"), [(0, 4), (3, 4), (4, 0)])
def test_fresh_day_waits_for_its_cooldown(
    tiny_workspace: TinyWorkspace,
    capsys: pytest.CaptureFixture[str],
    days_ago: int,
    status: int,
) -> None:
    """Three days, counted from the end of the day; then it is locked as of that very day."""
    day = _declare(tiny_workspace, days_ago)

    ended = main(["lock", f"alpha1.0-python{MINOR}-{day}", "--root", str(tiny_workspace.root)])

    assert ended == status
    assert ("or now with --cooldown-days 0" in capsys.readouterr().err) == bool(status)


def test_cooldown_can_be_switched_off(tiny_workspace: TinyWorkspace) -> None:
    """Who must lock today says so."""
    cell = f"alpha1.0-python{MINOR}-{_declare(tiny_workspace, 0)}"

    root = ["--root", str(tiny_workspace.root)]

    assert main(["lock", cell, "--cooldown-days", "0", *root]) == 0


def _declare(workspace: TinyWorkspace, days_ago: int) -> str:
    day = str(dt.datetime.now(dt.timezone.utc).date() - dt.timedelta(days=days_ago))
    workspace.write_axis("as-of", kind="date", place=30, texts=[day], label="")
    lines = ['title = "t"', 'expected = "compatible"', 'reason = "r"', "[values]"]
    lines += ['alpha = "1.0"', f'python = "{MINOR}"', f'as-of = "{day}"']
    workspace.write(f"matrix/cells/alpha1.0-python{MINOR}-{day}.toml", "\n".join(lines))
    return day
