"""The fixtures over a real stack: name its interpreter in ``VERLCOMPAT_STACK_PYTHON``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.plugin.conftest import Project

pytestmark = pytest.mark.slow

TESTS = """
import json
import pytest

@pytest.mark.parametrize("kind", ["dense", "moe", "vl"])
def test_model(tiny_qwen3, kind):
    one, again = tiny_qwen3(kind), tiny_qwen3(kind)
    assert one == again
    assert json.loads((one.path / "config.json").read_text())["architectures"] == [one.architecture]
    assert (one.path / "tokenizer.json").is_file()
    assert (one.path / "preprocessor_config.json").is_file() is (kind == "vl")

def test_rows(gsm8k_like):
    assert gsm8k_like(8) == gsm8k_like(8)
    assert gsm8k_like(8).stat().st_size > 1000
    assert gsm8k_like(8, split="test") != gsm8k_like(8)

def reward(data_source, solution_str, ground_truth, extra_info):
    assert isinstance(solution_str, str)
    tokens = extra_info["tokens"]
    return {"score": sum(token < 128 for token in tokens) / len(tokens)}

def test_grpo_learns_and_repeats(tiny_grpo):
    run = tiny_grpo(reward, steps=12)
    assert run.rewards[-1] > run.rewards[0] + 0.1, run.rewards
    assert run.rewards[:3] == tiny_grpo(reward, steps=3).rewards
    assert run.policy_loss.startswith("compute_policy_loss")

def test_error_of_the_reward_is_the_tests_own(tiny_grpo):
    def broken(**_): raise KeyError("mine")
    with pytest.raises(KeyError, match="mine"):
        tiny_grpo(broken, steps=1)

def test_cluster(ray_cluster, tmp_path, verlcompat):
    from pytest_verlcompat.plugin.work import StackError
    (tmp_path / "work.py").write_text(
        "import os\\n"
        "def add(one, two): return [one + two, os.getpid()]\\n"
        "def fail(): raise KeyError('there')\\n"
    )
    three, pid = ray_cluster.call(tmp_path / "work.py", "add", 1, 2)
    assert three == 3
    assert ray_cluster.versions["ray"] == verlcompat.versions["ray"]
    with pytest.raises(StackError, match="there"):
        ray_cluster.call(tmp_path / "work.py", "fail")
"""
CLEAN = """
import pathlib
def test_nothing_of_ray_is_left():
    left = [path.read_bytes() for path in pathlib.Path("/proc").glob("[0-9]*/cmdline")]
    assert not [each for each in left if b"/vr-" in each]
"""


def test_fixtures_work_over_a_real_stack(project: Project) -> None:
    """Models, exercises, training and a cluster are made by the stack, and nothing is left."""
    python = os.environ.get("VERLCOMPAT_STACK_PYTHON")
    if not python:
        pytest.skip("needs VERLCOMPAT_STACK_PYTHON, an interpreter with verl, torch and ray")
    project.pytester.makepyfile(test_a=TESTS, test_b=CLEAN)

    result = project.run("-ra", f"--verlcompat-python={python}", limit_s=900)

    result.assert_outcomes(passed=8)
