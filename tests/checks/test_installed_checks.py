"""Static checks of an installed environment, listed and recorded like probes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_verlcompat.checks.installed import list_checks
from pytest_verlcompat.model.codec import parse_line, render_line
from pytest_verlcompat.model.outcome import Outcome, Rung
from tests.tiny import MACHINE

if TYPE_CHECKING:
    from pathlib import Path

ROLLOUT = "verl/workers/rollout/vllm_rollout"


def _environment(folder: Path, *, provided: str) -> Path:
    """Return the interpreter path of an environment whose verl imports ``needed`` from vLLM."""
    site = folder / "lib" / "python3.12" / "site-packages"
    files = {
        "verl/__init__.py": "",
        "verl/trainer/__init__.py": "",
        "verl/trainer/main_ppo.py": "import verl.workers.fsdp_workers\n",
        "verl/workers/__init__.py": "",
        "verl/workers/rollout/__init__.py": "",
        "verl/workers/fsdp_workers.py": "from vllm import needed\n",
        f"{ROLLOUT}/__init__.py": "",
        f"{ROLLOUT}/vllm_async_server.py": "",
        "verl-1.0.dist-info/METADATA": "Name: verl\nVersion: 1.0\n",
        "vllm/__init__.py": f"{provided} = 1\n",
        "vllm-2.0.dist-info/METADATA": "Name: vllm\nVersion: 2.0\n",
    }
    for name, text in files.items():
        path = site / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    python = folder / "bin" / "python"
    python.parent.mkdir()
    python.touch()
    return python


def test_missing_name_fails_the_check_with_both_sides(tmp_path: Path) -> None:
    """A name that verl imports and vLLM lacks is recorded on the rung ``imports``."""
    check = next(each for each in list_checks() if each.rung is Rung.IMPORTS)

    record = check.run(_environment(tmp_path, provided="other"), machine=MACHINE)

    assert (record.subject, record.outcome) == (check.name, Outcome.FAILED)
    assert record.cause is not None
    assert "cannot import name 'needed' from 'vllm'" in str(record.cause)
    assert str(record.cause.frame) == "verl/workers/fsdp_workers.py:1"
    assert record.subject_sha256 == check.sha256
    assert str(tmp_path) not in render_line(record)
    assert parse_line(render_line(record)) == record


def test_present_name_passes_the_check(tmp_path: Path) -> None:
    """Where the name is there, nothing is broken."""
    check = next(each for each in list_checks() if each.rung is Rung.IMPORTS)

    record = check.run(_environment(tmp_path, provided="needed"), machine=MACHINE)

    assert (record.outcome, record.cause) == (Outcome.PASSED, None)


def test_checks_apply_to_what_is_installed() -> None:
    """A check is left out where the distributions it reads are not there."""
    applying = {each.name for each in list_checks() if each.applies_to({"torch", "vllm"})}

    assert applying == {"abi_symbols"}


def test_environment_without_a_role_is_skipped_and_never_green(tmp_path: Path) -> None:
    """Where no role of verl applies nothing was judged, and the record says so."""
    check = next(each for each in list_checks() if each.rung is Rung.IMPORTS)
    python = _environment(tmp_path, provided="needed")
    for path in (tmp_path / "lib" / "python3.12" / "site-packages" / ROLLOUT).glob("*.py"):
        path.unlink()

    record = check.run(python, machine=MACHINE)

    assert record.outcome is Outcome.SKIPPED
    assert record.lacks == ("a role of verl that the installed engines take part in",)
