"""How the Ray probe finds what Ray leaves behind, with real processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


def test_process_that_names_the_folder_is_found_and_ended(
    tmp_path: Path, load_script: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process of this Ray that outlives its shutdown is named and does not run on."""
    module = load_script("ray_workers")
    monkeypatch.setattr(module, "SHUTDOWN_TIMEOUT_S", 0.2)
    child = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time; print('runs', flush=True); time.sleep(60)",
            str(tmp_path / "ray"),
        ],
        stdout=subprocess.PIPE,
    )
    try:
        assert child.stdout is not None
        child.stdout.readline()
        left = module._end_left_over(tmp_path / "ray")  # noqa: SLF001 -- a script's part
        status = child.wait(timeout=10)
    finally:
        child.kill()
        child.communicate()

    assert left == [Path(sys.executable).name]
    assert status < 0


def test_nothing_is_found_where_nothing_runs(
    tmp_path: Path, load_script: Callable[[str], Any]
) -> None:
    """A clean shutdown leaves an empty list."""
    module = load_script("ray_workers")

    assert module._end_left_over(tmp_path / "ray") == []  # noqa: SLF001 -- a script's part


def test_folder_too_long_for_sockets_is_refused_with_its_length(
    load_script: Callable[[str], Any],
) -> None:
    """The limit of Unix sockets is said before Ray fails on it."""
    module = load_script("ray_workers")

    module._require_short(Path("/tmp/vc-abcdefgh/s/ray"))  # noqa: SLF001 -- a script's part
    with pytest.raises(ValueError, match="of 107 bytes"):
        module._require_short(Path("/tmp") / ("x" * 60))  # noqa: SLF001 -- same


def test_prefix_of_the_environment_stays_out_of_the_facts(
    load_script: Callable[[str], Any],
) -> None:
    """Paths of this machine are said relative to the environment."""
    module = load_script("ray_workers")

    facts = module._without_prefix(  # noqa: SLF001 -- a script's part
        {"prefix": "/home/me/venv", "files": {"ray": "/home/me/venv/lib/ray/__init__.py"}},
        "/home/me/venv",
    )

    assert facts == {"prefix": "{prefix}", "files": {"ray": "{prefix}/lib/ray/__init__.py"}}
