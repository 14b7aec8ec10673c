"""What every probe script promises to the harness that lists and runs it."""

from __future__ import annotations

import ast
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pytest_verlcompat.model.outcome import Rung
from pytest_verlcompat.probes.registry import SCRIPTS, read_probe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CPU_PROBES = (
    "engine_import_sglang",
    "engine_import_vllm",
    "event_loop",
    "numpy_opencv",
    "ray_workers",
    "tiny_grpo",
    "tokenizer",
    "trainer_config",
    "trainer_import",
    "transformers_registration",
)
PATHS = sorted(path for path in SCRIPTS.glob("*.py") if not path.name.startswith("_"))
every_script = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def module_level_imports(tree: ast.Module) -> Iterator[str]:
    """Yield the top-level names that a module imports when it is loaded."""
    pending: list[ast.AST] = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." if node.level else (node.module or "").partition(".")[0]
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            pending += ast.iter_child_nodes(node)


def test_cpu_probes_are_all_there() -> None:
    """The CPU rung consists of the probes that the project promises."""
    assert set(CPU_PROBES) <= {path.stem for path in PATHS}


@every_script
def test_script_declares_what_the_registry_reads(path: Path) -> None:
    """Every script can be listed without being run, and a CPU probe asks for no GPU."""
    probe = read_probe(path)

    assert probe.title
    assert probe.title[0] != "T"
    assert probe.timeout_s > 0
    assert (probe.rung is Rung.CPU) == (probe.gpus == 0)


@every_script
def test_script_parses_on_the_oldest_python(path: Path) -> None:
    """A script is valid on Python 3.10, the oldest interpreter under test."""
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 10))

    assert ast.get_docstring(tree)


@every_script
def test_script_imports_only_the_standard_library_when_loaded(path: Path) -> None:
    """A script can be loaded by an interpreter that has nothing installed."""
    tree = ast.parse(path.read_text(encoding="utf-8"))

    assert set(module_level_imports(tree)) <= sys.stdlib_module_names


@every_script
def test_script_loads_without_the_stack(path: Path, load_script: Callable[[str], Any]) -> None:
    """Loading a script defines its probe and starts nothing."""
    module = load_script(path.stem)

    assert callable(module.probe)
