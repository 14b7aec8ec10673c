"""Cut the resolver's explanation down to the premises that decide it.

uv proves that nothing fits by a chain of sentences: premises it read ("A depends on B") and
conclusions it drew from them. A reader needs the premises; they are what somebody could
change.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_SENTENCES = 8
_SENTENCE_CHARACTERS = 320

_HEAD = "No solution found"
_CONCLUSION = re.compile(r",? we can conclude that .*?(?:\.(?=\s|$)|$)", re.DOTALL)
_LIST = re.compile(r"(one of|following versions of \S+):\n((?:[ \t]{8,}\S.*\n)+)")
_START = re.compile(r"^(?:Because|And because|And|Since) ")
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_PREMISE = re.compile(
    r" depends? on | has no |have no | no versions? of | was not found | were not found "
    r"| was yanked| does not satisfy | (?:is|are) available|(?:is|are) incompatible with "
    r"| requires | needs to be downloaded | is unusable|cannot be (?:installed|built)"
)
_PIN_WITHOUT_WHEEL = re.compile(rf"({_NAME})==(\S+?) (?:has|have) no usable wheels?")
_MARKER = re.compile(r"(?<=[\w\]])\{[^{}]*\}")
_NO_RELEASE = re.compile(rf"no versions? of ({_NAME})(?:\[[^\]]*\])?==([^\s,]+)")
_NO_PROJECT = re.compile(rf"({_NAME})(?:\[[^\]]*\])? (?:was|were) not found in")
_BETWEEN = re.compile(
    r" and you require .*| and (?:because )?"
    r"(?=there |only |all |[\w.-]+\S* (?:depends?|has|have|was|were|requires) )"
)
_SIDE = re.compile(rf"^({_NAME})(?:\[[^\]]*\])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why there is no solution."""

    sentences: tuple[str, ...]
    """Premises in the resolver's words, each once."""
    distributions: tuple[str, ...]
    """Names on either side of a premise, in the order of the proof."""
    sdist_only: tuple[tuple[str, str], ...]
    """Pins that fail for want of a wheel: name and version."""
    absent: tuple[tuple[str, str | None], ...]
    """Releases the index is said not to have; None stands for any version."""


def is_explanation(output: str) -> bool:
    """Return whether *output* is a proof that nothing fits, rather than some other failure."""
    return _HEAD in output


def parse_explanation(output: str) -> Explanation:
    """Return the premises in what uv wrote, at most eight."""
    text = output[output.index(_HEAD) + len(_HEAD) :].partition("cause:")[2] or output
    text = _MARKER.sub("", text)
    body, _, _hints = text.partition("\nhint:")
    premises = list(dict.fromkeys(_premises(body)))
    names = tuple(dict.fromkeys(name for each in premises for name in _sides(each)))
    return Explanation(
        sentences=_bounded(premises),
        distributions=names,
        sdist_only=tuple(dict.fromkeys(_PIN_WITHOUT_WHEEL.findall(_flat(body)))),
        absent=tuple(dict.fromkeys(_absent(_flat(body)))),
    )


def _absent(text: str) -> Iterator[tuple[str, str | None]]:
    yield from ((match[1], match[2]) for match in _NO_RELEASE.finditer(text))
    yield from ((match[1], None) for match in _NO_PROJECT.finditer(text))


def _premises(body: str) -> list[str]:
    text = _flat(_LIST.sub(lambda match: _inline(match[1], match[2]), body + "\n"))
    found = []
    for sentence in _CONCLUSION.sub("\n", text).split("\n"):
        rest = _START.sub("", sentence.strip(" ,."))
        for clause in _BETWEEN.split(rest):
            clean = (clause or "").strip(" ,.")
            if clean and _PREMISE.search(f" {clean} ") and not clean.startswith("you require"):
                found.append(clean)
    return found


def _inline(head: str, items: str) -> str:
    """Return an indented list as one phrase; uv breaks long lists over lines.

    The sentence goes on in the first line that is indented less than the items.
    """
    lines = items.splitlines()
    depth = _indent(lines[0])
    ends = next((i for i, line in enumerate(lines) if _indent(line) < depth), len(lines))
    phrase = f"{head} " + " or ".join(line.strip() for line in lines[:ends])
    rest = " ".join(line.strip() for line in lines[ends:])
    return f"{phrase} {rest} " if rest else f"{phrase}\n"


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _flat(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def _sides(premise: str) -> list[str]:
    """Return the distributions on the two sides of a premise."""
    left, _, right = premise.replace(" depend on ", " depends on ").partition(" depends on ")
    sides = [left, right.removeprefix("one of ").strip()] if right else [premise]
    found = []
    for side in sides:
        versions_of = re.search(rf"versions? of ({_NAME})", side)
        match = versions_of or _SIDE.match(side)
        if match and match[1].lower() not in {"python", "the", "there", "only", "all", "no"}:
            found.append(match[1].lower().replace("_", "-"))
    return found


def _bounded(premises: list[str]) -> tuple[str, ...]:
    kept = [each[:_SENTENCE_CHARACTERS] for each in premises]
    if len(kept) <= MOST_SENTENCES:
        return tuple(kept)
    half = MOST_SENTENCES // 2
    left = len(kept) - MOST_SENTENCES
    return (*kept[:half], f"({left} more premises)", *kept[-half:])
