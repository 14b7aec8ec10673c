"""Which modules the import probes take from sources, and the keys of a configuration."""

from __future__ import annotations

import ast
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

MAIN = """
    import verl

    class TaskRunner:
        def run(self, config):
            if config.strategy == "fsdp":
                from verl.workers.fsdp_workers import Worker
            else:
                from verl.workers.megatron_workers import Worker
            import verl.utils.vllm_utils
            from verl.workers.fsdp_workers import Critic

    def create_dataset():
        from verl.utils.dataset.not_shipped import Dataset
"""


def test_trainer_imports_are_those_of_the_task_runner_for_fsdp(
    load_script: Callable[[str], Any],
) -> None:
    """Other backends, absent engines and options outside the task runner are left out."""
    module = load_script("trainer_import")
    tree = module._task_runners(ast.parse(dedent(MAIN)))  # noqa: SLF001 -- a script's part

    names = list(module.wanted_imports(tree, ["vllm"]))

    assert names == ["verl.workers.fsdp_workers"]


def test_trainer_imports_keep_the_installed_engine(load_script: Callable[[str], Any]) -> None:
    """What is named after an installed engine is imported."""
    module = load_script("trainer_import")
    tree = module._task_runners(ast.parse(dedent(MAIN)))  # noqa: SLF001 -- a script's part

    names = list(module.wanted_imports(tree, ["sglang"]))

    assert names == ["verl.workers.fsdp_workers", "verl.utils.vllm_utils"]


def test_command_line_imports_under_a_condition_are_left_out(
    load_script: Callable[[str], Any],
) -> None:
    """An import for an option (vLLM's gRPC mode) is not one that serving needs."""
    source = """
        import vllm.entrypoints.utils, os
        from vllm.entrypointsx import no
        if True:
            from vllm.entrypoints.optional import no

        def main():
            from vllm.entrypoints.openai.api_server import run
            if args.grpc:
                from vllm.entrypoints.grpc_server import serve
    """
    module = load_script("engine_import_vllm")

    names = set(module.find_imported_modules(ast.parse(dedent(source)), "vllm.entrypoints"))

    assert names == {"vllm.entrypoints.utils", "vllm.entrypoints.openai.api_server"}


def test_driver_is_found_behind_another_exception(load_script: Callable[[str], Any]) -> None:
    """SGLang wraps the loader's message; the chain still tells what the host lacks."""
    module = load_script("engine_import_sglang")
    root = ImportError("libcuda.so.1: cannot open shared object file")
    wrapped = ImportError("could not load any kernel")
    wrapped.__cause__ = root

    assert module._needs_driver(wrapped)  # noqa: SLF001 -- a script's part
    assert not module._needs_driver(ImportError("undefined symbol"))  # noqa: SLF001 -- same


def test_keys_of_a_configuration_are_its_leaves(load_script: Callable[[str], Any]) -> None:
    """Nested names are dotted; an empty group and a list are one key each."""
    module = load_script("trainer_config")

    keys = module.find_keys({"a": {"b": 1, "c": {}}, "d": [1, {"e": 2}]})

    assert keys == ["a.b", "a.c", "d"]


def test_curve_that_does_not_rise_fails_with_its_numbers(
    load_script: Callable[[str], Any],
) -> None:
    """A stack on which the model does not learn is told from one on which it does."""
    module = load_script("tiny_grpo")
    rising = {"rewards": [0.02, 0.02, 0.03, 0.6, 0.8, 0.9]}

    module._require_learning(rising)  # noqa: SLF001 -- a script's part

    assert rising["last_reward"] == pytest.approx(0.7667)
    with pytest.raises(AssertionError, match=r"from 0\.0200 to 0\.0200"):
        module._require_learning({"rewards": [0.02] * 6})  # noqa: SLF001 -- same
