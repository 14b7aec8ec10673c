"""The command ``verlcompat``: one verb a module, found by listing this folder.

A verb is a module ``cmd_<verb>.py`` with ``configure(parser)`` and ``execute(args) -> int``;
the first line of its docstring is its help.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import sys
from typing import TYPE_CHECKING

from pytest_verlcompat.errors import VerlcompatError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

_PREFIX = "cmd_"
_INTERRUPTED = 130  # what a shell reports for a program that Ctrl-C ended
_PIPE_CLOSED = 141


def verbs() -> tuple[str, ...]:
    """Return the verbs there are, in name order."""
    names = (each.name for each in pkgutil.iter_modules(__path__))
    return tuple(sorted(name.removeprefix(_PREFIX) for name in names if name.startswith(_PREFIX)))


def load_verb(verb: str) -> ModuleType:
    """Return the module of *verb*."""
    return importlib.import_module(f"{__name__}.{_PREFIX}{verb.replace('-', '_')}")


def build_parser(*, only: str | None = None) -> argparse.ArgumentParser:
    """Return the parser of the whole command.

    Args:
        only: Load this verb alone; the others are left out, which spares their imports.
    """
    parser = argparse.ArgumentParser(
        prog="verlcompat",
        description="Which versions of a verl stack work together, and why not.",
    )
    parsers = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb in [only] if only else verbs():
        module = load_verb(verb)
        title = (module.__doc__ or "").strip().splitlines()[0]
        each = parsers.add_parser(
            verb.replace("_", "-"),
            help=title,
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.configure(each)
        each.set_defaults(execute=module.execute)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Return the exit status of the command line *argv*."""
    words = list(sys.argv[1:] if argv is None else argv)
    known = {verb.replace("_", "-"): verb for verb in verbs()}
    args = build_parser(only=known.get(words[0]) if words else None).parse_args(words)
    try:
        status: int = args.execute(args)
    except VerlcompatError as error:
        print(f"verlcompat: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print(
            "verlcompat: interrupted; what was recorded stays, run again to go on", file=sys.stderr
        )
        return _INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _PIPE_CLOSED
    return status
