"""Pages of the documentation as blocks: files that they show, and commands that they run.

A block with ``title="NAME"`` is a file of that name; one of ``console`` holds commands after ``$``
and what they print, ``…`` standing for anything. Comments before a block say where it runs
(``<!-- in: checkout -->``) and what it needs (``<!-- needs: index -->``).
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

DOCS = ROOT / "docs"
NEEDS = ("", "index", "stack")
"""What a block may need; ``""`` for nothing beyond a tiny workspace."""
PLACES = ("project", "checkout", "clone")

_COMMENT = re.compile(r"^<!-- (in|needs): ([\w-]+) -->$")
_TITLE = re.compile(r'^```(\w+) title="([^"]+)"$')
_STATUS = re.compile(r"  # (may exit|exits) with (\d+)$")
_MARK = "\x01"


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    kind: str
    """``console``, ``python``, ``toml``."""
    title: str
    """Name of the file that it is, or empty."""
    body: str
    place: str
    needs: str
    where: str
    """``extend/probe.md:12``."""


@dataclass(frozen=True)
class Command:
    """One command and what the page says of it."""

    words: str
    printed: str
    statuses: frozenset[int]


def list_pages() -> list[Path]:
    """Return every page that is written by hand."""
    return sorted(path for path in DOCS.rglob("*.md"))


def blocks(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks of *page* in order."""
    about: dict[str, str] = {}
    opened: tuple[str, str, int] | None = None
    body: list[str] = []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if opened is not None:
            if line != "```":
                body.append(line)
                continue
            kind, title, first = opened
            yield Block(
                kind=kind,
                title=title,
                body="".join(f"{each}\n" for each in body),
                place=about.get("in", "project"),
                needs=about.get("needs", ""),
                where=f"{page.relative_to(DOCS).as_posix()}:{first}",
            )
            about, opened, body = {}, None, []
        elif found := _COMMENT.match(line):
            about[found[1]] = found[2]
        elif line.startswith("```"):
            titled = _TITLE.match(line)
            opened = (titled[1], titled[2], number) if titled else (line[3:], "", number)


def commands(block: Block) -> Iterator[Command]:
    """Yield the commands of a ``console`` block."""
    words, printed = "", ""
    for line in block.body.splitlines():
        if line.startswith("$ "):
            if words:
                yield _command(words, printed)
            words, printed = line[2:], ""
        else:
            printed += f"{line}\n"
    yield _command(words, printed)


def _command(words: str, printed: str) -> Command:
    found = _STATUS.search(words)
    statuses = {0}
    if found:
        statuses = {int(found[2])} | ({0} if found[1] == "may exit" else set())
    return Command(words=_STATUS.sub("", words), printed=printed, statuses=frozenset(statuses))


def run_block(block: Block, *, folder: Path, env: Mapping[str, str], limit_s: float) -> None:
    """Do in *folder* what *block* says; fail unless it ends and prints as the page shows."""
    if block.title:
        path = folder / block.title
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.body, encoding="utf-8")
    if block.kind != "console":
        return
    steps = list(commands(block))
    script = "".join(f"{each.words}\nprintf '\\n\\001%s\\n' $?\n" for each in steps)
    ended = subprocess.run(
        ["/bin/bash", "-c", script],
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=limit_s,
        check=False,
    )
    rest = ended.stdout
    for step in steps:
        printed, _, rest = rest.partition(f"\n{_MARK}")
        status, _, rest = rest.partition("\n")
        said = f"{block.where}: {step.words}\n{printed}"
        assert status.isdigit(), said
        assert int(status) in step.statuses, f"{said}\nexit status {status}"
        assert _pattern(step.printed).fullmatch(printed.strip()), said


def _pattern(printed: str) -> re.Pattern[str]:
    """Return what the output must look like; nothing shown is nothing printed."""
    parts = (re.escape(part) for part in printed.strip().split("…"))
    return re.compile(".*".join(parts), re.DOTALL)
