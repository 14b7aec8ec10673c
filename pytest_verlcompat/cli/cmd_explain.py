"""Explain a failed run: from its log to the known failure that came first, and what to do.

The log may be gigabytes long, hold several workers interleaved, colours and progress bars.
Exit status: 0 explained; 1 something failed and no entry knows it; 20 nothing failed.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_verlcompat.errors import UsageError
from pytest_verlcompat.issues.catalogue import ENTRIES, load_catalogue
from pytest_verlcompat.issues.explain import explain
from pytest_verlcompat.issues.installed import installed_facts
from pytest_verlcompat.issues.language import ENGLISH, find_language, list_languages, translate
from pytest_verlcompat.issues.render import render_report, render_text, render_values
from pytest_verlcompat.process.redact import make_redactor, redact_values

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from typing import BinaryIO

    from pytest_verlcompat.issues.explain import Diagnosis

_LANGUAGE = "VERLCOMPAT_LANG"
EXPLAINED = 0
UNKNOWN = 1
NOTHING_FAILED = 20


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``verlcompat explain``."""
    parser.add_argument("log", metavar="FILE", help="the log, or - for standard input")
    parser.add_argument(
        "--python",
        type=Path,
        metavar="PATH",
        help="interpreter of the environment that failed; remedies are fitted to what it has",
    )
    parser.add_argument(
        "--entries", type=Path, metavar="FOLDER", help="another catalogue than the one shipped"
    )
    parser.add_argument(
        "--lang",
        metavar="LANGUAGE",
        default=os.environ.get(_LANGUAGE) or ENGLISH.tag,
        help=f"language of the answer: {', '.join(list_languages())} (or set {_LANGUAGE}); "
        "--markdown stays English",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print everything found as JSON")
    form.add_argument(
        "--markdown", action="store_true", help="print a report to file, without secrets and names"
    )


def execute(args: argparse.Namespace) -> int:
    """Return the exit status by what was found."""
    language = find_language(args.lang)
    folder = _folder(args.entries) if args.entries else ENTRIES
    catalogue = load_catalogue(folder)
    if language is not ENGLISH and not args.markdown:
        catalogue = translate(catalogue, language, folder=folder)
    facts = installed_facts(args.python) if args.python else None
    with _opened(args.log) as stream:
        diagnosis = explain(stream, catalogue=catalogue, facts=facts)
    redact = make_redactor(os.environ)  # a terminal of continuous integration is published too
    if args.json:
        values = redact_values(render_values(diagnosis, language=language), redact)
        print(json.dumps(values, indent=2))
    elif args.markdown:
        print(render_report(diagnosis), end="")
    else:
        text = render_text(diagnosis, language=language)
        print("\n".join(map(redact, text.split("\n"))), end="")
    return _status(diagnosis)


def _status(diagnosis: Diagnosis) -> int:
    if diagnosis.explanations:
        return EXPLAINED
    return UNKNOWN if diagnosis.failures else NOTHING_FAILED


def _folder(path: Path) -> Path:
    if not path.is_dir():
        raise UsageError("there is no such folder of entries", where=str(path))
    return path


@contextlib.contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    if name == "-":
        yield sys.stdin.buffer
        return
    try:
        with Path(name).open("rb") as stream:
            yield stream
    except OSError as error:
        raise UsageError(f"cannot read this log: {error.strerror}", where=name) from error
