"""The event loop probe, on small trees of sources that stand for an installed stack."""

from __future__ import annotations

import json
import subprocess
import sys
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest

from pytest_verlcompat.probes.registry import RUNNER, SCRIPTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BARE = """
    import asyncio

    class Worker:
        def build(self):
            loop = asyncio.get_event_loop()
            loop.run_until_complete(self.mode())
"""
HELPED = """
    from verl.utils.ray_utils import get_event_loop

    class Worker:
        def build(self):
            loop = get_event_loop()
            loop.run_until_complete(self.mode())
"""
HELPER = """
    import asyncio

    def get_event_loop():
        try:
            loop = asyncio.get_event_loop()
        except RuntimeError:
            loop = asyncio.new_event_loop()
            asyncio.set_event_loop(loop)
        return loop
"""
COMPAT = """
    import asyncio
    import os

    class Strict(asyncio.DefaultEventLoopPolicy):
        def get_event_loop(self):
            if self._local._loop is None:
                raise RuntimeError("There is no current event loop in thread 'MainThread'.")
            return self._local._loop

    def get_new_event_loop():
        return asyncio.new_event_loop()

    def try_install_uvloop():
        {condition}
            asyncio.set_event_loop_policy(Strict())
"""
GETTER = """
    import asyncio

    def get_or_create_event_loop():
        try:
            return asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.get_event_loop_policy().get_event_loop()
"""


def write(root: Path, files: dict[str, str]) -> None:
    """Write *files* below *root*, with a package mark in every folder between."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")
        for parent in path.relative_to(root).parents[:-1]:
            (root / parent / "__init__.py").touch()


def run_probe(root: Path, control: Path) -> dict[str, Any]:
    """Return the runner's reply to the probe in a process that sees the tree *root*."""
    scratch = control / "s"
    scratch.mkdir(parents=True)
    request = {"probe": "event_loop", "scratch": str(scratch), "cell": None}
    request |= {"versions": {"verl": "1", "ray": "1", "uvloop": "9"}, "facts": {}}
    (control / "input.json").write_text(json.dumps(request), encoding="utf-8")
    subprocess.run(
        [sys.executable, RUNNER, SCRIPTS / "event_loop.py", control],
        env={"PYTHONPATH": str(root)},
        check=True,
        timeout=60,
        capture_output=True,
    )
    reply = json.loads((control / "output.json").read_text(encoding="utf-8"))
    assert isinstance(reply, dict)
    return reply


def stack(worker: str, *, obeys_switch: bool) -> dict[str, str]:
    """Return the files of a stack whose worker has the source *worker*."""
    condition = 'if os.environ.get("RAY_USE_UVLOOP") != "0":' if obeys_switch else "if True:"
    return {
        "verl/trainer/main_ppo.py": "import verl.workers.fsdp_workers\n",
        "verl/workers/fsdp_workers.py": worker,
        "verl/utils/ray_utils.py": HELPER,
        "ray/_private/async_compat.py": COMPAT.replace("{condition}", condition),
        "ray/_common/utils.py": GETTER,
    }


KINDS = {
    "in a coroutine": (
        """
        async def f():
            return asyncio.get_event_loop()
        """,
        "coroutine",
    ),
    "RuntimeError is caught": (
        """
        def f():
            try:
                loop = asyncio.get_event_loop()
            except RuntimeError:
                pass
        """,
        "guarded",
    ),
    "another error is caught": (
        """
        def f():
            try:
                loop = asyncio.get_event_loop()
            except ValueError:
                pass
        """,
        "kept",
    ),
    "result is run": (
        """
        def f():
            loop = asyncio.get_event_loop()
            loop.run_until_complete(g())
        """,
        "driving",
    ),
    "result is run at once": (
        """
        def f():
            asyncio.get_event_loop().run_until_complete(g())
        """,
        "driving",
    ),
    "result is stored": (
        """
        class C:
            def f(self):
                self.loop = asyncio.get_event_loop()
        """,
        "kept",
    ),
    "in a function in a coroutine": (
        """
        async def f():
            def g():
                loop = get_event_loop()
                loop.run_until_complete(h())
        """,
        "driving",
    ),
}


@pytest.mark.parametrize(("source", "kind"), KINDS.values(), ids=KINDS)
def test_call_is_classified_by_what_stands_around_it(
    source: str, kind: str, *, tmp_path: Path, load_script: Callable[[str], Any]
) -> None:
    """Whether a call needs a loop to be made for it follows from its function alone."""
    path = tmp_path / "m.py"
    path.write_text(dedent(source), encoding="utf-8")

    sites = list(load_script("event_loop").find_sites(path, "m.py"))

    assert [site.kind for site in sites] == [kind]


def test_reached_files_follow_imports_in_functions_and_leave_other_backends(
    tmp_path: Path, load_script: Callable[[str], Any]
) -> None:
    """Only what an FSDP run with the installed engine imports is read; dead files are not."""
    files = {
        "verl/trainer/main_ppo.py": "def f():\n    from verl.workers import fsdp_workers\n",
        "verl/workers/fsdp_workers.py": """
            from . import shared

            def build():
                from verl.workers.sharding.fsdp_vllm import Manager
                from verl.workers.sharding.fsdp_sglang import Manager
                from verl.workers.megatron_workers import Worker
        """,
        "verl/workers/shared.py": "",
        "verl/workers/megatron_workers.py": "",
        "verl/workers/dead.py": "",
        "verl/workers/sharding/fsdp_vllm.py": "",
        "verl/workers/sharding/fsdp_sglang.py": "",
        "verl/workers/rollout/vllm_rollout/server.py": "",
        "verl/workers/rollout/sglang_rollout/server.py": "",
    }
    write(tmp_path, files)

    reached = set(load_script("event_loop").reached_files(tmp_path, ["vllm"]))

    assert reached & files.keys() == {
        "verl/trainer/main_ppo.py",
        "verl/workers/fsdp_workers.py",
        "verl/workers/shared.py",
        "verl/workers/sharding/fsdp_vllm.py",
        "verl/workers/rollout/vllm_rollout/server.py",
    }


def test_bare_call_under_strict_policy_passes_on_a_condition_if_ray_obeys(tmp_path: Path) -> None:
    """A failing call that RAY_USE_UVLOOP=0 mends makes the stack conditional and is named."""
    write(tmp_path / "tree", stack(BARE, obeys_switch=True))

    reply = run_probe(tmp_path / "tree", tmp_path / "c")

    assert reply.get("cause") is None
    assert reply["condition"].startswith("set RAY_USE_UVLOOP=0")
    assert "verl/workers/fsdp_workers.py:6" in reply["condition"]
    assert reply["facts"]["failing_call"] == "verl/workers/fsdp_workers.py:6"


def test_bare_call_under_strict_policy_fails_if_ray_has_no_switch(tmp_path: Path) -> None:
    """Without a way out the call's own exception is the cause, with its file in the trace."""
    write(tmp_path / "tree", stack(BARE, obeys_switch=False))

    reply = run_probe(tmp_path / "tree", tmp_path / "c")

    assert reply["cause"]["kind"] == "RuntimeError"
    assert reply["cause"]["first_line"].startswith("There is no current event loop")
    assert any('fsdp_workers.py", line 6' in line for line in reply["cause"]["detail"])


def test_call_through_a_helper_that_sets_a_loop_passes(tmp_path: Path) -> None:
    """The helper of verl is really called and mends what the bare call would raise."""
    write(tmp_path / "tree", stack(HELPED, obeys_switch=False))

    reply = run_probe(tmp_path / "tree", tmp_path / "c")

    assert reply["condition"] is None
    assert any(site.endswith("get_event_loop driving") for site in reply["facts"]["sites"])
    assert any("fsdp_workers.py:6 Worker.build" in call for call in reply["facts"]["calls"])
