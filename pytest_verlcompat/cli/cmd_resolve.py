"""Say whether releases fit together by their metadata, for any Python, platform and day.

Nothing is installed or built. Exit status 0: they resolve; 1: no set of versions satisfies
them; 8: the index or the resolver failed, which says nothing about the releases.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
from typing import TYPE_CHECKING, Any

from pytest_verlcompat.checks.resolution_set import ResolvedSet
from pytest_verlcompat.checks.resolution_traps import find_traps
from pytest_verlcompat.errors import IndexUnavailableError, UsageError
from pytest_verlcompat.model.codec import encode
from pytest_verlcompat.model.names import AXES
from pytest_verlcompat.resolve.keep import Keep
from pytest_verlcompat.resolve.open import open_resolver
from pytest_verlcompat.resolve.question import (
    DEFAULT_PLATFORM,
    PYTHON_PATCHES,
    Answer,
    Question,
    Resolution,
    parse_requirements,
)
from pytest_verlcompat.wheels.cache import default_cache_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_verlcompat.model.finding import Finding
    from pytest_verlcompat.resolve.shelf import IndexShelf

_STATUS = {Resolution.RESOLVED: 0, Resolution.UNRESOLVABLE: 1}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("requirements", nargs="+", metavar="REQUIREMENT", help="'verl==0.8.0'")
    parser.add_argument("--python", default="3.12", help="minor version; default: 3.12")
    parser.add_argument("--as-of", type=_day, metavar="YYYY-MM-DD", help="that day's end, UTC")
    parser.add_argument("--glibc", default="2.35", help="C library of the target; default: 2.35")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def execute(args: argparse.Namespace) -> int:
    """Return 0, 1 or 8; see the module."""
    question = _question(args)
    with open_resolver() as (resolver, shelf):
        answer = resolver.ask(question)
        version = resolver.settings.version
        traps = _traps(question, answer, shelf)
    if args.json:
        body = {**_body(question, answer, resolver=version), "traps": encode(traps)}
        print(json.dumps(body, indent=2))
    else:
        print("\n".join([*_lines(question, answer), *map(_trap_line, traps)]))
    return _STATUS.get(answer.resolution, IndexUnavailableError.exit_status)


def _traps(question: Question, answer: Answer, shelf: IndexShelf) -> tuple[Finding, ...]:
    if answer.resolution is not Resolution.RESOLVED:
        return ()
    day = dt.datetime.now(dt.timezone.utc).date()
    keep = Keep(default_cache_folder() / "space.sqlite")
    shelf.remember_uploads(keep.load_uploads(day=day))
    shelf.prefetch_uploads(answer.picks)
    keep.save_uploads({name: shelf.uploads(name) for name in answer.picks}, day=day)
    keep.close()
    return find_traps(set_of(question, answer), shelf)


def set_of(question: Question, answer: Answer) -> ResolvedSet:
    """Return a resolved *answer* as the rules look at it."""
    return ResolvedSet(
        requirements=question.requirements,
        python=question.python,
        as_of=question.as_of or dt.datetime.now(dt.timezone.utc).date(),
        picks=answer.picks,
        via=answer.via,
        sdists=answer.sdists,
    )


def _trap_line(finding: Finding) -> str:
    return f"  trap, {finding.weight.value}: {finding.cause.first_line}"


def _question(args: argparse.Namespace) -> Question:
    if args.python not in PYTHON_PATCHES:
        raise UsageError(f"Python {args.python!r} is not one of {', '.join(PYTHON_PATCHES)}")
    major, _, minor = args.glibc.partition(".")
    if major != "2" or not minor.isdigit():
        raise UsageError(f"glibc {args.glibc!r} is not like 2.35")
    today = dt.datetime.now(dt.timezone.utc).date()
    if args.as_of is not None and args.as_of > today:
        raise UsageError(f"{args.as_of} is in the future (today, UTC, is {today})")
    return Question(
        requirements=parse_requirements(args.requirements),
        python=args.python,
        platform=f"{DEFAULT_PLATFORM.rpartition('_')[0]}_{minor}",
        as_of=args.as_of,
    )


def _body(question: Question, answer: Answer, *, resolver: str) -> dict[str, Any]:
    return {
        "requirements": question.requirements,
        "python": question.python,
        "platform": question.platform,
        "as_of": question.as_of.isoformat() if question.as_of else None,
        "resolver": resolver,
        "resolution": answer.resolution.value,
        "set": answer.set_digest,
        "versions": dict(answer.picks),
        "axes": _axes(answer),
        "sdists": answer.sdists,
        "why": answer.why,
        "between": answer.between,
        "duration_s": round(answer.duration_s, 3),
    }


def _axes(answer: Answer) -> dict[str, str]:
    names = ("verl", *(name for name in AXES if name != "verl"))
    return {name: answer.picks[name] for name in names if name in answer.picks}


def _lines(question: Question, answer: Answer) -> Sequence[str]:
    """Return the answer in at most 80 columns where the resolver's words allow it."""
    asked = " ".join(question.requirements)
    day = f", as of {question.as_of}" if question.as_of else ""
    glibc = f"2.{question.platform.rpartition('_')[2]}"
    lines = [
        f"{asked}",
        f"{answer.resolution.value} on Python {question.python}, glibc {glibc}{day}",
    ]
    if answer.resolution is Resolution.RESOLVED:
        lines += [f"  {name:<24} {version}" for name, version in _axes(answer).items()]
        lines.append(f"  and {len(answer.picks) - len(_axes(answer))} more distributions")
    lines += [f"  {sentence}" for sentence in answer.why]
    lines += [f"  built from source: {each}" for each in answer.sdists]
    return lines


def _day(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day like 2026-06-15") from error
