"""Which traps each resolved set of the space falls into, remembered by set, day and rules.

``traps/<verl>.jsonl`` beside the ledger holds a line a set: the codes, and the distribution
at fault. The sentences and evidence follow from the rules and are shown by
``verlcompat resolve``; keeping them for every set would be ten times the ledger.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_verlcompat.checks.resolution_set import ResolvedSet
from pytest_verlcompat.checks.resolution_traps import find_traps, rules
from pytest_verlcompat.errors import EvidenceError
from pytest_verlcompat.resolve.lines import append_line, read_lines
from pytest_verlcompat.resolve.question import Resolution
from pytest_verlcompat.resolve.space import PYTHONS, Form, When

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_verlcompat.model.finding import Finding
    from pytest_verlcompat.resolve.keep import Keep
    from pytest_verlcompat.resolve.ledger import Fact
    from pytest_verlcompat.resolve.question import Answer
    from pytest_verlcompat.resolve.resolver import Resolver
    from pytest_verlcompat.resolve.shelf import IndexShelf

FOLDER = "traps"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caught:
    """The traps of one set."""

    set_digest: str
    as_of: dt.date
    rules: str
    """Digest of the rules that were applied."""
    traps: tuple[tuple[str, str, str], ...]
    """Code, weight and distribution with version."""


def rules_digest() -> str:
    """Return 8 hex digits that change when a rule or its data changes."""
    digest = hashlib.sha256()
    for module in rules():
        source = Path(str(module.__file__))
        for path in (source, source.with_suffix(".toml")):
            if path.exists():
                digest.update(path.read_bytes())
    return digest.hexdigest()[:8]


def load_caught(folder: Path) -> dict[tuple[str, dt.date, str], Caught]:
    """Return what is recorded below *folder*, by set, day and rules.

    Raises:
        EvidenceError: If a line is not one of ours.
    """
    found: dict[tuple[str, dt.date, str], Caught] = {}
    for path in sorted((folder / FOLDER).glob("*.jsonl")):
        for number, line in read_lines(path):
            try:
                body = json.loads(line)
                each = Caught(
                    set_digest=body["set"],
                    as_of=dt.date.fromisoformat(body["as_of"]),
                    rules=body["rules"],
                    traps=tuple((code, weight, at) for code, weight, at in body["traps"]),
                )
            except (ValueError, KeyError, TypeError) as error:
                raise EvidenceError(
                    f"not a record of traps: {error!r}", where=f"{path.name}:{number}"
                ) from error
            found[each.set_digest, each.as_of, each.rules] = each
    return found


def catch_all(
    facts: Iterable[Fact], *, folder: Path, resolver: Resolver, shelf: IndexShelf, keep: Keep
) -> Iterator[tuple[Fact, Caught, tuple[Finding, ...] | None]]:
    """Yield the traps of every resolved fact, and the findings where they were made now.

    A set this machine does not hold is asked for again.

    Raises:
        IndexUnavailableError: If the index does not answer.
    """
    digest, known = rules_digest(), load_caught(folder)
    for fact in facts:
        if fact.resolution is not Resolution.RESOLVED or not fact.set_digest or not fact.as_of:
            continue
        key = (fact.set_digest, fact.as_of, digest)
        findings = None
        if key not in known:
            findings = find_again(fact, resolver=resolver, shelf=shelf, keep=keep)
            if not findings and load_or_ask(fact, resolver=resolver, keep=keep) is None:
                continue
            caught = Caught(
                set_digest=fact.set_digest,
                as_of=fact.as_of,
                rules=digest,
                traps=tuple(
                    sorted({(each.code, each.weight.value, each.provider) for each in findings})
                ),
            )
            known[key] = caught
            append_line(folder / FOLDER / f"{fact.cell.verl}.jsonl", _render(caught))
        yield fact, known[key], findings


def find_again(
    fact: Fact, *, resolver: Resolver, shelf: IndexShelf, keep: Keep
) -> tuple[Finding, ...]:
    """Return the findings about a set in full; empty if it cannot be had again.

    Raises:
        IndexUnavailableError: If the index does not answer.
    """
    answer = load_or_ask(fact, resolver=resolver, keep=keep)
    if answer is None:
        return ()
    shelf.prefetch_uploads(answer.picks)
    return find_traps(set_of(fact, answer), shelf)


def load_or_ask(fact: Fact, *, resolver: Resolver, keep: Keep) -> Answer | None:
    """Return the whole set of *fact*; None if it cannot be had again."""
    answer = keep.load_set(fact.set_digest) if fact.set_digest else None
    if answer is None and fact.as_of is not None:
        answer = resolver.ask(fact.cell.question(fact.as_of))
        if answer.set_digest != fact.set_digest:
            return None
        keep.save_set(answer)
    return answer


def set_of(fact: Fact, answer: Answer) -> ResolvedSet:
    """Return the set of *fact* as the rules look at it."""
    return ResolvedSet(
        requirements=fact.cell.requirements,
        python=fact.cell.python,
        as_of=fact.as_of or dt.date.max,
        picks=answer.picks,
        via=answer.via,
        sdists=answer.sdists,
    )


@dataclass(frozen=True, slots=True)
class Tally:
    """How many resolved cells there are, and how many each trap catches, by kind of cell."""

    looked: Counter[str] = field(default_factory=Counter)
    """Cells by Python, by form, by day, and ``all``."""
    caught: dict[str, Counter[str]] = field(default_factory=dict)
    """The same for each trap."""
    examples: dict[str, tuple[Fact, Finding]] = field(default_factory=dict)

    def take(self, fact: Fact, caught: Caught) -> None:
        """Count *fact*."""
        cell = fact.cell
        kinds = ("all", cell.python, cell.form.value, cell.when.value)
        self.looked.update(kinds)
        for code in {code for code, _, _ in caught.traps}:
            self.caught.setdefault(code, Counter()).update(kinds)


_SCOPE = (
    "They are those that were asked about: for every Python, with the extra and bare, as of "
    "release day and today. A cell of a lower glibc that has the same set is not counted twice."
)
_KINDS = ("all", *PYTHONS, *(each.value for each in Form), *(each.value for each in When))


def render_markdown(tally: Tally) -> str:
    """Return the traps as Markdown: how many cells each catches, and one shown in full."""
    lines = [
        "# Traps that a resolver calls success",
        "",
        f"{tally.looked['all']} resolved cells were looked at. {_SCOPE}",
        "",
        f"| trap | {' | '.join(_KINDS)} |",
        "|---" * (1 + len(_KINDS)) + "|",
        f"| (cells) | {' | '.join(str(tally.looked[kind]) for kind in _KINDS)} |",
    ]
    codes = sorted(tally.caught, key=lambda each: (-tally.caught[each]["all"], each))
    for code in codes:
        counts = " | ".join(str(tally.caught[code][kind]) for kind in _KINDS)
        lines.append(f"| {code} | {counts} |")
    lines += ["", "| trap | for example | what is wrong there | evidence |", "|---" * 4 + "|"]
    for code in codes:
        if code not in tally.examples:
            lines.append(f"| {code} | - | - | - |")
            continue
        fact, finding = tally.examples[code]
        where = f"{' '.join(fact.cell.requirements)}, Python {fact.cell.python}, {fact.as_of}"
        detail = finding.cause.detail or "-"
        lines.append(f"| {code} | {where} | {finding.cause.first_line} | {detail} |")
    return "\n".join(lines) + "\n"


def _render(caught: Caught) -> str:
    body = {
        "set": caught.set_digest,
        "as_of": caught.as_of.isoformat(),
        "rules": caught.rules,
        "traps": caught.traps,
    }
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False)
