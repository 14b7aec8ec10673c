"""Render the help of every verb of ``verlcompat``."""

from __future__ import annotations

import argparse

from as_markdown import code, page, plain, prose, table

from pytest_verlcompat.cli import build_parser

PATH = "reference/commands.md"


def render() -> str:
    """Return one section a verb: what it does, its examples, its arguments."""
    verbs = _verbs(build_parser())
    return page(
        "Commands",
        "`verlcompat VERB --help` says the same. The command comes with "
        "`pytest-verlcompat[cli]`; none of it is needed for `pytest --verlcompat`.",
        *(_section(name, parser) for name, parser in verbs.items()),
        source=__name__,
    )


def _verbs(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    actions = parser._subparsers._group_actions  # type: ignore[union-attr]  # noqa: SLF001 -- no public way
    return dict(sorted(actions[0].choices.items()))  # type: ignore[arg-type, union-attr]


def _section(name: str, parser: argparse.ArgumentParser) -> str:
    parts = [f"## {name}", *map(_paragraph, (parser.description or "").strip().split("\n\n"))]
    rows = [
        [_words(action), plain(_help(action))]
        for action in parser._actions  # noqa: SLF001 -- argparse has no other list of them
        if action.help != argparse.SUPPRESS and "--help" not in action.option_strings
    ]
    return "\n\n".join([*parts, table(["argument", "meaning"], rows)] if rows else parts)


def _paragraph(text: str) -> str:
    """Return a paragraph; lines that are set in are commands, left as they are."""
    if text.startswith("  "):
        return "\n".join(["```text", *(line.strip() for line in text.splitlines()), "```"])
    return prose(text)


def _words(action: argparse.Action) -> str:
    """Return an argument as it is typed, every spelling of it."""
    value = str(action.metavar or action.dest)
    if action.choices is not None:
        value = "|".join(map(str, action.choices))
    elif action.option_strings and action.metavar is None:
        value = value.upper()
    if not action.option_strings:
        return code(value)
    return ", ".join(
        code(name if action.nargs == 0 else f"{name} {value}") for name in action.option_strings
    )


def _help(action: argparse.Action) -> str:
    return (action.help or "") % {"default": action.default, "prog": "verlcompat"}
