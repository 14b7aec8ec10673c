"""Render what each probe and static check does, from what its script says of itself."""

from __future__ import annotations

import ast

from as_markdown import code, page, plain, prose, table

from pytest_verlcompat.checks.installed import list_checks
from pytest_verlcompat.probes.registry import Probe, list_probes

PATH = "probes.md"

_RULES = """\
A probe is one script, run in a fresh process of the interpreter under test, with an empty home, no
network and no credentials. What it says of itself below is the head of that script.

- It **passes** when it returns; a sentence under `condition` makes the verdict conditional.
- It **fails** with what the stack raised, when a signal ends it, when it leaves processes behind or
  runs past its time.
- It is **skipped** when this machine lacks something, which is named. That says nothing about the
  stack.
- It **errors** when our own harness breaks. That says nothing either.

[How to read a verdict](verdict.md) says what is made of them together.
"""


def render() -> str:
    """Return a table of all, then one section each, lowest rung first."""
    probes = sorted(list_probes(), key=lambda probe: (probe.rung.order, probe.name))
    rows = [[code(each.name), each.rung.value, plain(each.title)] for each in list_checks()]
    rows += [
        [f"[{code(each.name)}](#{each.name})", each.rung.value, plain(each.title)]
        for each in probes
    ]
    return page(
        "How each probe decides",
        _RULES,
        table(["name", "rung", "what holds if it passes"], rows),
        "The first two read files and import nothing.",
        *(_section(each) for each in probes),
        source=__name__,
    )


def _section(probe: Probe) -> str:
    tree = ast.parse(probe.script.read_text(encoding="utf-8"))
    (function,) = (
        each for each in tree.body if isinstance(each, ast.FunctionDef) and each.name == "probe"
    )
    needs = ", ".join(map(code, probe.distributions)) or "nothing"
    gpus = "" if probe.gpus == 0 else f", {probe.gpus} GPU{'s' if probe.gpus > 1 else ''}"
    about = f"Rung {probe.rung.value}; needs {needs}{gpus}; at most {probe.timeout_s:.0f} s."
    return "\n\n".join(
        [
            f"## {probe.name} {{#{probe.name}}}",
            about,
            prose(ast.get_docstring(tree) or ""),
            f"Facts: {prose(ast.get_docstring(function) or '').removeprefix('Return ')}",
        ]
    )
