"""What the probes of drivers, attention and agreement make of numbers, without a GPU."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("capability", "architectures", "way"),
    [
        ((9, 0), ["sm_80", "sm_90"], "exact"),
        ((8, 9), ["sm_80", "sm_90"], "minor"),
        ((12, 0), ["sm_90", "compute_90"], "ptx"),
        ((12, 0), ["sm_80", "sm_90"], "none"),
        ((10, 3), ["sm_100a"], "none"),
        ((7, 0), ["sm_80", "compute_80"], "none"),
    ],
)
def test_architecture_is_matched_as_the_driver_loads(
    capability: tuple[int, int],
    architectures: list[str],
    way: str,
    load_script: Callable[[str], Any],
) -> None:
    """Machine code runs on its major version upwards, PTX on anything newer, letters nowhere else.

    Source: CUDA C++ Programming Guide, application compatibility.
    """
    script = load_script("driver_runtime")

    assert script.match_architecture(capability, architectures) == way


@pytest.mark.parametrize(
    ("driver", "runtime", "way"),
    [
        ("13.0", "12.8", "newer"),
        ("12.8", "12.8", "newer"),
        ("12.4", "12.8", "minor"),
        ("12.10", "12.9", "newer"),
        ("12.8", "13.0", "older"),
        (None, "13.0", None),
    ],
)
def test_driver_is_compared_as_numbers(
    driver: str | None, runtime: str, way: str | None, load_script: Callable[[str], Any]
) -> None:
    """12.10 is newer than 12.9, and one major version carries its minors."""
    script = load_script("driver_runtime")

    assert script.fits(driver, runtime) == way


def driver_facts(**changed: object) -> dict[str, Any]:
    """Return the facts of a machine that has everything."""
    return {
        "architecture": "exact",
        "architectures": ["sm_90"],
        "compute_capability": "9.0",
        "driver_fits": "newer",
        "driver": {"driver_cuda": "12.4"},
        "runtime_cuda": "12.8",
        "device_modes": {"mig": False},
        "triton": {"seconds": 1.0},
    } | changed


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"architecture": "ptx"}, "compiled from PTX"),
        ({"driver_fits": "minor"}, "CUDA 12.4 runs runtime 12.8 by minor version"),
        ({"device_modes": {"mig": True}}, "MIG is on"),
        ({"triton": {"error": "no cc"}}, "Triton cannot compile here"),
    ],
)
def test_condition_names_what_the_machine_is_short_of(
    changed: dict[str, Any], said: str, load_script: Callable[[str], Any]
) -> None:
    """Each shortcoming is a condition; none is none."""
    script = load_script("driver_runtime")

    assert script.conclude(driver_facts()) is None
    assert said in script.conclude(driver_facts(**changed))


def test_binary_without_the_architecture_fails(load_script: Callable[[str], Any]) -> None:
    """A torch that has nothing for the device cannot work on any condition."""
    script = load_script("driver_runtime")

    with pytest.raises(AssertionError, match=r"\['sm_90'\], the device is 9\.0"):
        script.conclude(driver_facts(architecture="none"))


def test_tolerance_goes_by_dtype(load_script: Callable[[str], Any]) -> None:
    """An error that bf16 explains is too large for fp16, and NaN for both."""
    script = load_script("flash_attention_numbers")
    found = {
        "bfloat16 causal batch head 64": 1e-2,
        "float16 causal batch head 64": 1e-2,
        "bfloat16 causal varlen head 64": math.nan,
    }

    said = script.exceeding("SDPA", found)

    assert said == [
        "SDPA, float16 causal batch head 64: off by 1.00e-02, tolerance 3e-03",
        "SDPA, bfloat16 causal varlen head 64: off by nan, tolerance 2e-02",
    ]


def test_provider_of_a_run_is_flash_attn_only_if_it_is_its_own(
    load_script: Callable[[str], Any],
) -> None:
    """Copies inside an engine are the engine's; a trainer takes flash-attn or torch's own."""
    script = load_script("flash_attention_numbers")
    works = {"flash-attn 2": {}, "vLLM's version 3": {}}

    assert script.choose(works, {"flash-attn": "2.8.3"}) == "flash-attn 2"
    assert script.choose(works, {"flash-attn-4": "4.0"}) == "SDPA"
    assert script.choose({"vLLM's version 3": {}}, {"flash-attn": "2.8.3"}) == "SDPA"


def test_provider_that_cannot_be_called_fails_only_if_it_is_used(
    load_script: Callable[[str], Any],
) -> None:
    """A run without any working attention is a failure, a missing spare one is not."""
    require = load_script("flash_attention_numbers").require_used
    absent = {"flash-attn 2": "ImportError: undefined symbol"}

    require("SDPA", {}, absent=absent)

    with pytest.raises(AssertionError, match="SDPA: RuntimeError: x"):
        require("SDPA", {}, absent={"SDPA": "RuntimeError: x"})
    with pytest.raises(AssertionError, match="installed but ImportError: undefined symbol"):
        require("SDPA", {"flash-attn": "2.8.3"}, absent=absent)


def test_equal_probabilities_need_no_correction(load_script: Callable[[str], Any]) -> None:
    """Where both sides agree every weight is one and nothing is truncated or masked."""
    script = load_script("rollout_agreement")
    same = [[-1.0, -2.0], [-3.0, -0.5]]

    differences, found = script.difference(same, same), script.corrections(same, same)

    assert differences["mean"] == 0.0
    assert math.isclose(differences["correlation"], 1.0)
    assert script.conclude(differences, found) is None
    for level in ("token", "sequence"):
        assert found[level]["largest"] == found[level]["smallest"] == 1.0
        assert found[level]["truncated_share"] == found[level]["masked_share"] == 0.0
        assert math.isclose(found[level]["effective_share"], 1.0)


def test_weights_are_those_of_truncation_and_masking(load_script: Callable[[str], Any]) -> None:
    """Token weights are ratios of probabilities, a sequence's is their product."""
    script = load_script("rollout_agreement")
    rollout = [[math.log(0.1), math.log(0.5)], [math.log(0.5), math.log(0.5)]]
    trainer = [[math.log(0.4), math.log(0.25)], [math.log(0.1), math.log(0.5)]]

    found = script.corrections(trainer, rollout)

    assert math.isclose(found["token"]["largest"], 4.0)
    assert math.isclose(found["token"]["smallest"], 0.2)
    assert found["token"]["truncated_share"] == 0.25
    assert math.isclose(found["token"]["truncated_mean"], (2.0 + 0.5 + 0.2 + 1.0) / 4)
    assert found["token"]["masked_share"] == 0.5
    assert math.isclose(found["sequence"]["largest"], 2.0)
    assert math.isclose(found["sequence"]["smallest"], 0.2)
    assert found["sequence"]["masked_share"] == 0.5


def test_weight_is_bounded_before_it_is_raised(load_script: Callable[[str], Any]) -> None:
    """A probability of nearly nothing gives a finite weight."""
    script = load_script("rollout_agreement")

    assert script.weight(1e6) == math.exp(20.0)
    assert script.weight(-1e6) == math.exp(-20.0)


def test_outlying_mismatch_is_conditional_and_an_unrelated_model_fails(
    load_script: Callable[[str], Any],
) -> None:
    """Mismatch beyond rounding asks for a correction; beyond reason it is another model."""
    script = load_script("rollout_agreement")
    rollout = [[-1.0] * 10]

    def conclude(trainer: list[list[float]]) -> Any:  # noqa: ANN401 -- what the script returns
        return script.conclude(
            script.difference(trainer, rollout), script.corrections(trainer, rollout)
        )

    assert conclude([[-1.04] * 10]) is None
    assert "algorithm.rollout_correction" in conclude([[-1.04] * 9 + [-3.0]])
    with pytest.raises(AssertionError, match=r"differ by 4\.000 on average"):
        conclude([[-5.0] * 10])
    with pytest.raises(AssertionError, match="differ by nan"):
        conclude([[math.nan] * 10])


def test_learning_needs_reward_and_the_trainers_weights(load_script: Callable[[str], Any]) -> None:
    """A rising reward is not enough where the engine works with other weights."""
    script = load_script("tiny_grpo_gpu")
    rising = [0.1, 0.1, 0.2, 0.8, 0.9, 0.9]

    script.require_learning(rising, [0.01] * 6)

    with pytest.raises(AssertionError, match="mean reward went from"):
        script.require_learning([0.1] * 6, [0.01] * 6)
    with pytest.raises(AssertionError, match=r"at step 2 .* does not have the trainer's weights"):
        script.require_learning(rising, [0.01, 0.01, 0.5, 0.5, 0.5, 0.5])


def test_sharded_training_must_be_whole_training(load_script: Callable[[str], Any]) -> None:
    """Losses or weights that are apart fail the probe over two GPUs."""
    script = load_script("two_gpus_nccl")
    good = {"losses_sharded": [2.0, 1.0], "losses_whole": [2.0, 1.0], "weights_apart": 1e-6}

    script.judge(good)

    with pytest.raises(AssertionError, match="losses of FSDP 2"):
        script.judge(good | {"losses_sharded": [2.0, 1.5]})
    with pytest.raises(AssertionError, match=r"weights are 1\.00e-01 apart"):
        script.judge(good | {"weights_apart": 0.1})


@pytest.mark.parametrize(
    ("value", "names"),
    [(None, ["0"]), ("", []), ("2,3", ["2", "3"]), ("GPU-1f, MIG-2", ["GPU-1f", "MIG-2"])],
)
def test_visible_devices_are_indices_or_uuids(
    value: str | None, names: list[str], load_script: Callable[[str], Any]
) -> None:
    """The first entry is the device that memory is read of."""
    script = load_script("_device")
    environ = {} if value is None else {"CUDA_VISIBLE_DEVICES": value}

    assert script.visible_names(environ) == names
