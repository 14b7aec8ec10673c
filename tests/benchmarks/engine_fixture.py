"""The fixture ``engine`` on a GPU: a test of somebody's repository, over a real engine.

Runs where a bundle was unpacked, with pytest of the target's Python and the plugin beside it::

    PYTHONPATH=. python3 -m pytest -p pytest_verlcompat.plugin tests/benchmarks/engine_fixture.py \
        --verlcompat-python FOLDER/environment/bin/python --junit-xml FILE

What is left on the GPU is asked of the driver, before and after the module.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_verlcompat.plugin.running import Engine
    from pytest_verlcompat.plugin.stack import VerlStack

LEFT_MIB = 200
LEAVE_S = 20.0


def _used_mib() -> int:
    command = [shutil.which("nvidia-smi") or "nvidia-smi", "--query-gpu=memory.used"]
    text = subprocess.run(
        [*command, "--format=csv,noheader,nounits"], capture_output=True, text=True, check=True
    ).stdout
    return sum(int(line) for line in text.split())


@pytest.fixture(scope="module", autouse=True)
def _memory_comes_back() -> Iterator[None]:
    before = _used_mib()
    yield
    deadline = time.monotonic() + LEAVE_S
    while _used_mib() > before + LEFT_MIB and time.monotonic() < deadline:
        time.sleep(0.5)
    assert _used_mib() <= before + LEFT_MIB


def test_engine_answers(
    engine: Engine, verlcompat: VerlStack, record_property: Callable[[str, object], None]
) -> None:
    """A greedy answer has the length that was asked for, and comes again."""
    answers = engine.generate([[1, 2, 3], [7, 8, 9, 10]], tokens=8)
    record_property("engine", f"{engine.name} {engine.version}")
    record_property("tokens", [list(answer.tokens) for answer in answers])
    assert verlcompat.versions[engine.name] == engine.version
    assert [len(answer.tokens) for answer in answers] == [8, 8]
    assert all(value <= 0 for answer in answers for value in answer.logprobs)
    assert engine.generate([[1, 2, 3]], tokens=8)[0].tokens == answers[0].tokens


def test_seed_decides_a_sampled_answer(engine: Engine) -> None:
    """With a temperature the seed makes the answer, and it is the same engine as before."""
    one, again, other = (
        engine.generate([[1, 2, 3]], tokens=16, temperature=1.0, seed=seed)[0].tokens
        for seed in (1, 1, 2)
    )
    assert one == again
    assert one != other
