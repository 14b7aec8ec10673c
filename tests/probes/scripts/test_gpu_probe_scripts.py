"""What the GPU probes promise: they are all there, ask for GPUs, and fit in their deadlines."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.model.outcome import Rung
from pytest_verlcompat.probes.registry import SCRIPTS, find_parts, list_probes

if TYPE_CHECKING:
    from pathlib import Path

ON_GPU = {
    "driver_runtime": 1,
    "engine_start_sglang": 1,
    "engine_start_vllm": 1,
    "expandable_segments": 1,
    "flash_attention_numbers": 1,
    "multimodal_engine": 1,
    "rollout_agreement": 1,
    "sleep_wake_weights": 1,
    "tiny_grpo_gpu": 1,
    "two_gpus_nccl": 2,
    "two_gpus_tensor_parallel": 2,
    "v1_switch": 1,
}
TRAINING = {
    "main_ppo_lora_checkpoint": 1,
    "main_ppo_sglang": 1,
    "main_ppo_vllm": 1,
    "sft_trainer_gpu": 1,
    "two_gpus_train": 2,
}
EXTRA_ON_CPU = (
    "lora_init",
    "megatron_imports",
    "multi_turn_tokenization",
    "multimodal",
    "reward_function",
    "sft_trainer",
    "torch_memory_saver",
)
SHARED = sorted(path for path in SCRIPTS.glob("_*.py") if path.name != "_runner.py")


@pytest.mark.parametrize(
    ("rung", "promised"), [(Rung.GPU, ON_GPU), (Rung.TRAIN, TRAINING)], ids=["gpu", "train"]
)
def test_rung_consists_of_the_promised_probes(rung: Rung, promised: dict[str, int]) -> None:
    """Each asks for as many GPUs as its subject takes."""
    found = {probe.name: probe.gpus for probe in list_probes() if probe.rung is rung}

    assert found == promised


def test_extra_cpu_probes_are_all_there() -> None:
    """What serves on a CPU is tried on a CPU."""
    found = {probe.name for probe in list_probes() if probe.rung is Rung.CPU}

    assert set(EXTRA_ON_CPU) <= found


def test_no_probe_outlasts_the_longest_lease() -> None:
    """A probe that hangs is ended within eleven minutes."""
    assert max(probe.timeout_s for probe in list_probes()) <= 660.0


@pytest.mark.parametrize("path", SHARED, ids=lambda path: path.stem)
def test_shared_file_is_named_by_a_probe(path: Path) -> None:
    """What no script loads would never count as anybody's code."""
    loaded = {part for probe in list_probes() for part in find_parts(probe.script)}

    assert path in loaded


@pytest.mark.parametrize("path", SHARED, ids=lambda path: path.stem)
def test_shared_file_parses_on_the_oldest_python(path: Path) -> None:
    """A shared file is valid on Python 3.10 and says what it is for."""
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 10))

    assert ast.get_docstring(tree)
