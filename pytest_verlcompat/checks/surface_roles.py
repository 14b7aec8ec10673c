"""Which modules a verl run imports, by role: the paths that matter for a verdict.

A role's roots are what the trainer, the rollout and their workers import when that role is
configured; verl imports many of them by name inside functions, so they are listed here.
What no root reaches cannot redden a cell.

Source: ``main_ppo.py``, ``rollout/base.py`` (registry), ``rollout/replica.py`` and the
rollout folders of the verl wheels 0.4.1 to 0.9.1, read 2026-11-20.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_verlcompat.wheels.surface_facts import Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """One way to use a release."""

    name: str
    title: str
    needs: frozenset[str]
    """Distributions without which the role is not meant; a cell must name them all.

    A role that needs none is meant by every cell that names more than engines.
    """
    marks: tuple[str, ...]
    """Modules of which one must exist for the release to have the role."""
    roots: tuple[str, ...]
    """Modules the role imports, where the release has them."""


_TRAINER = (
    "verl",
    "verl.trainer.main_ppo",
    "verl.trainer.main_ppo_v0",
    "verl.trainer.ppo.v1",
    "verl.trainer.ppo.ray_trainer",
    "verl.workers.fsdp_workers",
    "verl.workers.engine_workers",
    "verl.utils.dataset.rl_dataset",
)
_VLLM = "verl.workers.rollout.vllm_rollout"
_SGLANG = "verl.workers.rollout.sglang_rollout"

VERL_ROLES: tuple[Role, ...] = (
    Role(
        name="vllm-async",
        title="FSDP trainer with the vLLM async server",
        needs=frozenset({"vllm"}),
        marks=(f"{_VLLM}.vllm_async_server",),
        roots=(
            *_TRAINER,
            _VLLM,
            f"{_VLLM}.vllm_async_server",
            f"{_VLLM}.vllm_rollout",
            "verl.workers.rollout.async_server",
            "verl.workers.rollout.llm_server",
            "verl.utils.vllm",
            "verl.utils.vllm_utils",
            "verl.experimental.agent_loop",
        ),
    ),
    Role(
        name="vllm-spmd",
        title="FSDP trainer with vLLM in the worker process",
        needs=frozenset({"vllm"}),
        marks=(f"{_VLLM}.vllm_rollout_spmd",),
        roots=(
            *_TRAINER,
            _VLLM,
            f"{_VLLM}.vllm_rollout_spmd",
            "verl.workers.sharding_manager.fsdp_vllm",
        ),
    ),
    Role(
        name="sglang",
        title="FSDP trainer with SGLang",
        needs=frozenset({"sglang"}),
        marks=(_SGLANG,),
        roots=(
            *_TRAINER,
            _SGLANG,
            f"{_SGLANG}.sglang_rollout",
            f"{_SGLANG}.async_sglang_server",
            f"{_SGLANG}.http_server_engine",
            "verl.workers.sharding_manager.fsdp_sglang",
        ),
    ),
    Role(
        name="sft",
        title="supervised fine-tuning",
        needs=frozenset(),
        marks=("verl.trainer.fsdp_sft_trainer", "verl.trainer.sft_trainer"),
        roots=("verl", "verl.trainer.fsdp_sft_trainer", "verl.trainer.sft_trainer"),
    ),
    Role(
        name="trainer",
        title="FSDP trainer, whatever the rollout",
        needs=frozenset(),
        marks=("verl.trainer.main_ppo",),
        roots=(*_TRAINER, "verl.models.transformers.monkey_patch"),
    ),
    Role(
        name="megatron",
        title="Megatron trainer",
        needs=frozenset({"megatron-core"}),
        marks=("verl.workers.megatron_workers", "verl.workers.engine.megatron"),
        roots=(
            "verl",
            "verl.trainer.main_ppo",
            "verl.workers.megatron_workers",
            "verl.workers.engine.megatron",
            "verl.workers.engine_workers",
        ),
    ),
)


def roles_of(consumer: Facts, distributions: Iterable[str]) -> list[Role]:
    """Return the roles that *consumer* has and that *distributions* are meant for.

    A consumer other than verl has one role: each of its modules is a root.
    """
    named = {canonicalize_name(name) for name in distributions} - {"verl"}
    if consumer.has_module("verl.trainer.main_ppo"):
        specific = frozenset[str]().union(*(role.needs for role in VERL_ROLES))
        general = not named <= specific
        return [
            role
            for role in VERL_ROLES
            if (role.needs <= named if role.needs else general)
            and any(consumer.has_module(mark) for mark in role.marks)
        ]
    roots = tuple(sorted(consumer.outlines))
    return [
        Role(
            name="all",
            title="every module",
            needs=frozenset(),
            marks=(),
            roots=roots,
        )
    ]


def roots_of(role: Role, consumer: Facts) -> list[str]:
    """Return the roots of *role* that *consumer* has."""
    return [root for root in role.roots if consumer.has_module(root)]
