"""What the engine probes conclude from answers that were noted, without an engine."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

REFUSING = """
    class Allocator:
        def __init__(self):
            conf = os.environ.get("PYTORCH_CUDA_ALLOC_CONF", "")
            assert "expandable_segments:True" not in conf, "no"
"""
RESETTING = """
    def use_pool():
        if "expandable_segments:True" in conf:
            torch.cuda.memory._set_allocator_settings("expandable_segments:False")
"""
KEEPING = """
    def use_pool():
        before = current_alloc_conf()
        if conf_flag_enabled(before, EXPANDABLE_SEGMENTS):
            set_alloc_conf(with_conf_flag(before, EXPANDABLE_SEGMENTS, False))
"""


@pytest.mark.parametrize(
    ("source", "era"),
    [
        (REFUSING, "refuses"),
        (RESETTING, "switches off around the pool, resetting other options"),
        (KEEPING, "switches off around the pool, keeping other options"),
        ("x = 1", "does not look"),
        ('assert "no" not in conf  # expandable_segments:True', "does not look"),
    ],
)
def test_era_is_read_from_the_source(
    source: str, era: str, load_script: Callable[[str], Any]
) -> None:
    """What vLLM's allocator does about expandable segments is read, whatever its version."""
    script = load_script("expandable_segments")

    assert script.read_era(dedent(source)) == era


def well(**changed: object) -> dict[str, Any]:
    """Return the answer of a trial that did everything."""
    option = {"max_split_size": 128 << 20}
    return {"step": "done", "released_mib": 900, "same_tokens": True, "allocator": option} | changed


def cases(script: ModuleType, **changed: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return answers of all cases, those named by their number changed."""
    return {
        case: well(**changed.get(f"case{number}", {})) for number, case in enumerate(script.CASES)
    }


def test_expandable_segments_pass_where_all_cases_work(load_script: Callable[[str], Any]) -> None:
    """A stack that works under every setting is under no condition."""
    script = load_script("expandable_segments")

    assert script.conclude(script.KEEPS, cases(script)) is None


def test_lost_option_is_a_condition(load_script: Callable[[str], Any]) -> None:
    """An allocator option that was reset is said, although the run went well."""
    script = load_script("expandable_segments")
    reset = {"allocator": {"max_split_size": -1}}

    condition = script.conclude(script.RESETS, cases(script, case1=reset))

    assert "max_split_size_mb:128 became -1" in condition
    assert condition.startswith("vLLM's allocator switches off around the pool, resetting")


def test_assertion_is_a_condition_that_names_what_works(load_script: Callable[[str], Any]) -> None:
    """Where vLLM refuses the setting, the condition says so and what works."""
    script = load_script("expandable_segments")
    refused = {"error": "AssertionError: not compatible with memory pool", "step": "start"}

    condition = script.conclude(script.REFUSES, cases(script, case1=refused))

    assert "works with unset, PYTORCH_ALLOC_CONF" in condition
    assert "AssertionError: not compatible with memory pool (step start)" in condition


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        ({"error": "RuntimeError: x", "step": "start"}, "RuntimeError: x"),
        ({"released_mib": 0}, "sleep gave 0 MiB back"),
        ({"same_tokens": False}, "other tokens after waking"),
    ],
)
def test_trouble_without_any_setting_fails(
    trouble: dict[str, Any], said: str, load_script: Callable[[str], Any]
) -> None:
    """A stack that does not sleep and wake at all is no matter of settings."""
    script = load_script("expandable_segments")

    with pytest.raises(AssertionError, match=said):
        script.conclude(script.KEEPS, cases(script, case0=trouble))


def test_crash_while_leaving_is_a_condition(load_script: Callable[[str], Any]) -> None:
    """An engine that did all its work and then crashes as its process leaves is said to."""
    script = load_script("expandable_segments")
    refused = {"error": "AssertionError: not compatible", "step": "start"}
    crashed = {"left_by": "SIGSEGV"}

    alone = script.conclude(script.KEEPS, cases(script, case0=crashed))
    both = script.conclude(script.REFUSES, cases(script, case0=crashed, case1=refused))

    assert alone.startswith("the engine's process is ended by SIGSEGV as it leaves")
    assert "AssertionError: not compatible (step start). The engine's process" in both


OLD_VARIABLES = 'variables = {"VLLM_USE_V1": lambda: 1, "VLLM_ATTENTION_BACKEND": lambda: None}'


def test_switches_are_tried_where_the_release_knows_them(
    load_script: Callable[[str], Any],
) -> None:
    """Variables are read from the source; the keyword takes over where one is gone."""
    script = load_script("v1_switch")
    known = script.known_variables(OLD_VARIABLES)

    old = script.plan(known, "")
    new = script.plan(script.known_variables("variables = {}"), "attention_backend: str")
    bare = script.plan(set(), "")

    assert list(old)[:3] == ["nothing set", "VLLM_USE_V1=1", "VLLM_USE_V1=0"]
    assert old["VLLM_ATTENTION_BACKEND=FLASH_ATTN"][0]["VLLM_ATTENTION_BACKEND"] == "FLASH_ATTN"
    assert new["attention_backend=FLASHINFER"][1] == {"attention_backend": "FLASHINFER"}
    assert list(bare) == ["nothing set"]


def test_failing_old_engine_is_no_condition(load_script: Callable[[str], Any]) -> None:
    """Only the switch to the engine of today must do what no switch does."""
    script = load_script("v1_switch")
    plain = {"step": "done", "tokens": [1, 2]}
    broken = {"step": "start", "error": "ValueError: no V0"}

    assert script.conclude({"nothing set": plain, "VLLM_USE_V1=0": broken}) is None
    assert "with 1, ValueError: no V0" in script.conclude(
        {"nothing set": plain, "VLLM_USE_V1=1": broken}
    )
    with pytest.raises(AssertionError, match="nothing set: ValueError"):
        script.conclude({"nothing set": broken})


def engine_results(**changed: object) -> dict[str, dict[str, Any]]:
    """Return what three engines noted, the one under uvloop changed."""
    common = {"tokens": [1, 2], "left_processes": [], "memory": {"given_back": True}}
    online = {**common, "pieces": 5, "aborted_tokens": 3}
    return {
        "LLM": common,
        "AsyncLLM under asyncio": online,
        "AsyncLLM under uvloop": online | changed,
    }


def test_engine_that_fails_only_under_uvloop_is_conditional(
    load_script: Callable[[str], Any],
) -> None:
    """The condition names the loop that works and the error of the other."""
    script = load_script("engine_start_vllm")

    assert script.conclude(engine_results(), [1, 2]) is None
    assert script.conclude(engine_results(error="RuntimeError: no loop"), [1, 2]) == (
        "use asyncio's event loop (AsyncLLM under uvloop: RuntimeError: no loop)"
    )


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"tokens": [1, 3]}, "gave"),
        ({"pieces": 1}, "streamed 1 pieces"),
        ({"aborted_tokens": 768}, "went on after the abort"),
        ({"left_processes": ["VLLM::EngineCore"]}, "left"),
        ({"memory": {"given_back": False}}, "kept memory"),
    ],
)
def test_engine_that_breaks_its_promise_fails(
    changed: dict[str, Any], said: str, load_script: Callable[[str], Any]
) -> None:
    """Each promise of the engine probe can be broken by itself."""
    script = load_script("engine_start_vllm")

    with pytest.raises(AssertionError, match=said):
        script.conclude(engine_results(**changed), [1, 2])


def test_answers_agree_while_tokens_are_near_the_likeliest(
    load_script: Callable[[str], Any],
) -> None:
    """A few ties decided otherwise are rounding; one token far below is other weights."""
    script = load_script("sleep_wake_weights")

    assert script.compare([0.0] * 19 + [0.1])["agrees"]
    assert not script.compare([0.0] * 19 + [2.0])["agrees"]
    assert not script.compare([0.0] * 10 + [0.1] * 10)["agrees"]


@pytest.mark.parametrize(
    ("status", "step", "error", "said"),
    [
        (1, "wake 1", "RuntimeError: x", "wake 1: RuntimeError: x"),
        (1, "start", "start: not what torch says", "start: not what torch says"),
        (-11, "wake 1", None, "exit status -11 at step 'wake 1'"),
        (None, "sleep 2", None, "still at step 'sleep 2' after"),
        (3, "done", None, "exit status 3 at step 'done'"),
    ],
)
def test_engine_that_does_not_finish_fails(
    status: int | None,
    step: str,
    error: str | None,
    said: str,
    load_script: Callable[[str], Any],
) -> None:
    """What was not done is a failure at its step, however the process ended."""
    script = load_script("sleep_wake_weights")

    with pytest.raises(AssertionError) as caught:
        script.conclude(status, step=step, error=error)
    assert str(caught.value).startswith(said)


def test_engine_that_finishes_may_crash_as_it_leaves(load_script: Callable[[str], Any]) -> None:
    """A signal after the work is a condition, a clean end none."""
    script = load_script("sleep_wake_weights")

    assert script.conclude(0, step="done", error=None) is None
    assert "by SIGABRT as it leaves" in script.conclude(-6, step="done", error=None)


def test_engines_run_side_by_side_only_where_none_measures_memory(
    load_script: Callable[[str], Any],
) -> None:
    """A release that cannot be told the size of its cache gets the GPU alone."""
    count = load_script("v1_switch").count_together

    assert count(4, "kv_cache_memory_bytes: int", share=0.06) == 4
    assert count(4, "kv_cache_memory_bytes: int", share=0.34) == 2
    assert count(4, "kv_cache_memory_bytes: int", share=0.9) == 1
    assert count(4, "gpu_memory_utilization: float", share=0.06) == 1


def test_engine_samples_as_in_a_rollout_where_it_can(load_script: Callable[[str], Any]) -> None:
    """A release that does not know the keyword is not given it."""
    script = load_script("_engines")

    settings, eager = script.rollout_settings, script.eager_settings

    assert settings("logprobs_mode: str") == {"logprobs_mode": "processed_logprobs"}
    assert settings("seed: int") == {}
    assert eager("disable_piecewise_cuda_graph: bool") == {"disable_piecewise_cuda_graph": True}
    assert eager("disable_cuda_graph: bool") == {}
