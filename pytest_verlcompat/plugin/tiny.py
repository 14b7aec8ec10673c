"""Tiny models, exercises and training runs, made in the environment under test."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_verlcompat.errors import UsageError
from pytest_verlcompat.plugin.shared import once
from pytest_verlcompat.plugin.work import PARTS, working

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pytest_verlcompat.plugin.session_state import SessionState
    from pytest_verlcompat.plugin.stack import VerlStack

    Reward = Callable[..., float | dict[str, Any]]

KINDS = ("dense", "moe", "vl")


@dataclass(frozen=True, slots=True, kw_only=True)
class TinyModel:
    """A model of random weights with its tokenizer, as a hub would serve them."""

    path: Path
    """Folder for ``from_pretrained``; also what ``os.fspath`` gives."""
    architecture: str
    """Its class, ``Qwen3ForCausalLM``."""
    parameters: int

    def __fspath__(self) -> str:
        return str(self.path)


class TinyQwen3:
    """Makes models: ``tiny_qwen3()``, ``tiny_qwen3("moe")``, ``tiny_qwen3("vl", seed=1)``.

    Of one kind and seed there is one folder a session, over all workers.
    """

    def __init__(self, state: SessionState, stack: VerlStack) -> None:
        self._state = state
        self._stack = stack

    def __call__(self, kind: str = "dense", *, seed: int = 0) -> TinyModel:
        """Return a model of *kind*; skip where transformers has no such architecture.

        Args:
            kind: ``dense`` (Qwen3, two layers of width 256), ``moe`` (four experts, two of
                them active) or ``vl`` (with a vision tower and a processor). The vocabulary
                has 320 byte-level tokens; ``dense`` and ``moe`` are ``bfloat16``.

        Raises:
            UsageError: If there is no such kind.
            StackError: If torch or transformers of the stack fail at it.
        """
        if kind not in KINDS:
            raise UsageError(f"no model {kind!r}; there are {', '.join(KINDS)}", where="tiny_qwen3")
        folder = self._state.folder / f"{self._stack.name}-{kind}-{seed}"
        text = once(self._state.folder, str(folder), lambda: self._make(folder, kind, seed=seed))
        about = json.loads(text)
        return TinyModel(
            path=folder, architecture=about["architecture"], parameters=about["parameters"]
        )

    def _make(self, folder: Path, kind: str, *, seed: int) -> str:
        deadline_s = self._state.configuration.deadline_s
        with working(self._stack, "models", deadline_s=deadline_s) as worker:
            return json.dumps(
                worker.call("make", parts=PARTS, folder=os.fspath(folder), kind=kind, seed=seed)
            )


class GsmRows:
    """Writes exercises: ``gsm8k_like()``, ``gsm8k_like(64, split="test")``."""

    def __init__(self, state: SessionState, stack: VerlStack) -> None:
        self._state = state
        self._stack = stack

    def __call__(self, count: int = 16, *, split: str = "train", seed: int = 0) -> Path:
        """Return a Parquet file of *count* rows in the columns of verl's data preparation.

        ``data_source`` is ``openai/gsm8k``, so that verl's own scoring applies; ``prompt`` is a
        chat of one message, ``reward_model.ground_truth`` the number, and
        ``extra_info.answer`` ends with ``#### `` and it. Equal arguments give equal rows.

        Raises:
            StackError: If pyarrow of the stack fails at it.
        """
        path = self._state.folder / f"{self._stack.name}-{split}-{count}-{seed}.parquet"

        def make() -> str:
            deadline_s = self._state.configuration.deadline_s
            with working(self._stack, "rows", deadline_s=deadline_s) as worker:
                return json.dumps(
                    worker.call("write", path=str(path), count=count, split=split, seed=seed)
                )

        once(self._state.folder, str(path), make)
        return path


@dataclass(frozen=True, slots=True, kw_only=True)
class GrpoRun:
    """What a few steps of training did."""

    rewards: tuple[float, ...]
    """Mean reward of each step's answers, before its update."""
    losses: tuple[float, ...]
    """Loss of the last update of each step."""
    texts: tuple[str, ...]
    """Answers of the last step, those to one prompt after one another."""
    model: str
    """``Qwen3ForCausalLM``."""
    policy_loss: str
    """The function of verl that gave the loss."""


class TinyGrpo:
    """Trains a tiny model by verl's advantage and policy loss, with a reward of the caller.

    ``tiny_grpo(reward, steps=3)``: the model samples and learns in the environment under test,
    the reward function stays in the test.
    """

    def __init__(self, state: SessionState, stack: VerlStack) -> None:
        self._state = state
        self._stack = stack

    def __call__(
        self,
        reward: Reward,
        *,
        steps: int = 3,
        prompts: Sequence[str] = ("one", "two", "three", "four"),
        ground_truth: str = "",
        samples: int = 8,
        response_tokens: int = 12,
        learning_rate: float = 3e-3,
        seed: int = 0,
    ) -> GrpoRun:
        """Return the curves of *steps* steps; under one seed two runs agree.

        Args:
            reward: Called as verl calls a custom reward function, with ``data_source``,
                ``solution_str``, ``ground_truth`` and ``extra_info`` by name; returns a number,
                or a table with ``score``. ``extra_info`` has ``index`` and ``tokens``.
            prompts: Texts; the last eight tokens of each count.
            samples: Answers to a prompt, of *response_tokens* tokens each.

        Raises:
            StackError: If verl, torch or transformers of the stack fail at it.
        """
        __tracebackhide__ = True
        self._stack.require("verl", "torch", "transformers")
        deadline_s = self._state.configuration.deadline_s
        rewards, losses, texts = [], [], []
        with working(self._stack, "grpo", deadline_s=deadline_s) as worker:
            about = worker.call(
                "begin",
                parts=PARTS,
                folder="tokenizer",
                prompts=list(prompts),
                samples=samples,
                response_tokens=response_tokens,
                learning_rate=learning_rate,
                seed=seed,
            )
            for _ in range(steps):
                answers = worker.call("sample")
                texts = answers["texts"]
                scores = [
                    _score(
                        reward(
                            data_source="verlcompat/tiny",
                            solution_str=text,
                            ground_truth=ground_truth,
                            extra_info={"index": number // samples, "tokens": tokens},
                        )
                    )
                    for number, (text, tokens) in enumerate(
                        zip(texts, answers["tokens"], strict=True)
                    )
                ]
                losses.append(worker.call("update", rewards=scores, updates=2)["loss"])
                rewards.append(sum(scores) / len(scores))
        return GrpoRun(
            rewards=tuple(rewards),
            losses=tuple(losses),
            texts=tuple(texts),
            model=about["model"],
            policy_loss=about["policy_loss"],
        )


def _score(found: float | dict[str, Any]) -> float:
    return float(found["score"] if isinstance(found, dict) else found)
