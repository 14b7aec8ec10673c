"""Turn what the doctor found into text, a Markdown block to paste, or JSON values; all redacted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_verlcompat.advise.advice import Level
from pytest_verlcompat.issues.catalogue import is_option
from pytest_verlcompat.issues.redact import redact
from pytest_verlcompat.issues.text import inert
from pytest_verlcompat.process.environ import is_secret_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_verlcompat.advise.advice import Advice
    from pytest_verlcompat.advise.inventory import Inventory

_HEADINGS = {
    Level.BREAKS: "Will break",
    Level.RISK: "Is a risk",
    Level.UNTESTED: "Was not tried",
    Level.FINE: "Is fine",
}
_COMMAND_CHARACTERS = 4000
_SHOWN = (
    "verl", "vllm", "sglang", "sgl-kernel", "sglang-kernel", "torch", "torchvision", "flash-attn",
    "flashinfer-python", "transformers", "tokenizers", "ray", "tensordict", "numpy", "pyarrow",
    "datasets", "peft", "trl", "megatron-core", "mbridge", "transformer-engine", "uvloop", "triton",
    "opencv-python-headless", "opencv-python", "xformers", "numba", "setuptools",
)  # fmt: skip


def render_text(inventory: Inventory, found: Sequence[Advice]) -> str:
    """Return findings for a person at a terminal: the worst first, versions at the end."""
    lines: list[str] = []
    for level, heading in _HEADINGS.items():
        each_level = [each for each in found if each.level is level]
        if each_level:
            lines += [f"{heading} ({len(each_level)})", ""]
            for each in each_level:
                lines += [*_advice(each), ""]
    lines += ["Environment", "", *(f"  {key}: {value}" for key, value in _facts(inventory)), ""]
    return redact("\n".join(lines))


def render_markdown(inventory: Inventory, found: Sequence[Advice]) -> str:
    """Return a block to paste into an issue."""
    lines = ["<details><summary>verlcompat doctor</summary>", ""]
    for level, heading in _HEADINGS.items():
        each_level = [each for each in found if each.level is level]
        if each_level:
            lines += [f"**{heading}**", ""]
            lines += [f"- `{e.code}` {_plain(e.title)}: {_plain(e.detail)}" for e in each_level]
            lines.append("")
    lines += ["| what | value |", "| --- | --- |"]
    lines += [f"| {_plain(key)} | {_plain(value)} |" for key, value in _facts(inventory)]
    return "\n".join([*lines, "", "</details>"]) + "\n"


def render_values(inventory: Inventory, found: Sequence[Advice]) -> dict[str, Any]:
    """Return the findings and the inventory as plain JSON values."""
    return {
        "findings": [
            {
                "code": each.code,
                "level": each.level.value,
                "title": redact(each.title),
                "detail": redact(each.detail),
                "remedies": [
                    {"do": redact(do), "cost": cost}
                    for do, cost in zip(each.remedies, each.costs, strict=True)
                ],
            }
            for each in found
        ],
        "environment": {key: redact(value) for key, value in _facts(inventory)},
        "distributions": {
            each.name: {
                "version": each.version,
                "editable": each.editable,
                "origin": redact(each.origin) if each.origin else None,
                "installer": each.installer,
            }
            for each in reversed(inventory.distributions)
        },
        "variables": dict(_variables(inventory)),
    }


def _advice(each: Advice) -> Iterator[str]:
    yield f"  {each.code}  {inert(each.title)}"
    yield f"      {inert(each.detail)}"
    for do, cost in zip(each.remedies[:3], each.costs[:3], strict=True):
        first, *more = (inert(line, limit=_COMMAND_CHARACTERS) for line in do.splitlines())
        yield f"      {'add to the command:' if is_option(do) else '$'} {first}"
        yield from (f"        {line}" for line in more)
        yield f"        ({cost})"


def _facts(inventory: Inventory) -> Iterator[tuple[str, str]]:
    host, machine = inventory.host, inventory.host.machine
    yield "machine", str(machine)
    yield "driver", f"{machine.driver or 'none'}, up to CUDA {machine.driver_cuda or 'unknown'}"
    for number, gpu in enumerate(machine.gpus):
        capability = gpu.compute_capability or "unknown"
        yield f"gpu {number}", f"{gpu.name}, {gpu.memory_mib} MiB, compute capability {capability}"
    yield "shared memory", "none" if host.shm_mib is None else f"{host.shm_mib} MiB"
    yield "open files", f"{host.nofile} (up to {host.nofile_hard})"
    yield "processes", str(host.processes) if host.processes >= 0 else "unlimited"
    yield "memory", f"{machine.memory_mib} MiB, container {host.cgroup_memory_mib or 'unlimited'}"
    yield "python", f"{inventory.interpreter.implementation} {inventory.interpreter.version}"
    for name in _SHOWN:
        if (found := inventory.first(name)) is not None:
            origin = f" from {inert(found.origin)}" if found.origin else ""
            yield name, f"{found.version}{origin}"
    for name, value in _variables(inventory):
        yield f"${name}", value


def _variables(inventory: Inventory) -> Iterator[tuple[str, str]]:
    for name, value in sorted(inventory.environ.items()):
        shown = "(set, not shown)" if is_secret_name(name) else redact(inert(value, limit=120))
        yield name, shown


def _plain(text: str) -> str:
    """Return *text* redacted, without what Markdown or HTML would read."""
    text = inert(redact(text)).replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")
    return text.replace("`", "'")
