"""Find the few lines of a log worth reading, however long it is.

The text is read in blocks and searched as bytes for a handful of words; only the lines that
hold one of them are decoded. A block carries a piece of what came before and after it, so a
line can be seen among its neighbours. Memory does not grow with the text.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_verlcompat.issues.text import Line, parse_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO

BLOCK_BYTES = 4 << 20
MARGIN_BYTES = 512 << 10
"""How far around a line its neighbours are looked for."""
LINE_BYTES = 16 << 10
"""More of one line is not looked at: that much before and after the word found."""

TRACEBACK = "Traceback (most recent call last)"
WORDS = (
    "rror", "ERROR", "xception", "undefined symbol", "No module named", "but you have",
    "unsatisfiable", "annot ", "ould not ", "depends on", "not found", TRACEBACK,
)  # fmt: skip
"""Words one of which stands in almost every line that shows a failure.

The text is searched for these; what a signature asks for is looked at only in lines that hold
one. A signature whose line holds none is searched for by itself, which costs one more pass.
"""

_UTF16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_SINGLE_BYTES = re.compile(rb"[\t\n\r -~]{48}")
"""No text of UTF-16 has a run like this, but by a chance of one in thousands of blocks."""
_BEFORE_LINES = 80
_AFTER_LINES = 200
_ENDS = (b"\n", b"\r")


@dataclass(slots=True, kw_only=True)
class Hit:
    """A line that holds one of the words, in its block; taken apart when first asked for."""

    block: Block
    start: int
    """Offset of the line in the block."""
    number: int
    """1-based number of the line in the text; carriage returns do not count."""
    raw: bytes
    """The line as it is, bounded."""
    _line: Line | None = None

    @property
    def line(self) -> Line:
        """The line without colours, told apart from its process."""
        if self._line is None:
            self._line = parse_line(_decode(self.raw))
        return self._line

    @property
    def shape(self) -> bytes:
        """The line without its digits, which is alike for what a program prints again and again."""
        return self.raw.translate(None, b"0123456789")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A piece of the text with margins."""

    data: bytes
    start: int
    """Offset of the first byte that is this block's own."""
    stop: int
    first_line: int
    """Number of the line at `start`."""


def search_words(needles: Iterable[str]) -> tuple[bytes, ...]:
    """Return the words to search so that no line with one of *needles* is missed."""
    rest = {each for each in needles if not any(word in each for word in WORDS)}
    return tuple(sorted(each.encode() for each in {*rest, *WORDS}))


def find_hits(stream: BinaryIO, words: tuple[bytes, ...]) -> Iterator[Hit]:
    """Yield the lines of *stream* that hold one of *words*, in order."""
    for block in read_blocks(stream):
        lines: dict[int, int] = {}
        for word in words:
            _mark(block, word, lines=lines)
        number, counted = block.first_line, block.start
        for start in sorted(lines):
            number += block.data.count(b"\n", counted, start)
            counted = start
            raw = block.data[start : line_stop(block, lines[start])]
            yield Hit(block=block, start=start, number=number, raw=raw)


def read_blocks(stream: BinaryIO) -> Iterator[Block]:
    """Yield the text of *stream* in blocks that overlap by their margins."""
    chunks = _chunks(stream)
    before, current, first_line = b"", next(chunks, b""), 1
    while current:
        following = next(chunks, b"")
        data = before + current + following[:MARGIN_BYTES]
        start = len(before)
        stop = start + len(current)
        yield Block(data=data, start=start, stop=stop, first_line=first_line)
        first_line += current.count(b"\n")
        before, current = (before + current)[-MARGIN_BYTES:], following


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    """Yield *stream* in pieces of text of single bytes, whatever several programs wrote into it.

    Text that is UTF-16 from its start is decoded. Where a log changes from one to the other, which
    a Windows terminal does that appends to it, dropping the zero bytes leaves all that is ASCII.
    """
    chunk = stream.read(BLOCK_BYTES)
    encoding = _UTF16.get(chunk[:2])
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace") if encoding else None
    while chunk:
        if decoder is not None and _SINGLE_BYTES.search(chunk):
            decoder = None
        if decoder is not None:
            chunk = decoder.decode(chunk).encode()
        elif b"\0" in chunk:
            chunk = chunk.translate(None, b"\0")
        yield chunk or b" "
        chunk = stream.read(BLOCK_BYTES)


def _mark(block: Block, word: bytes, *, lines: dict[int, int]) -> None:
    """Add each line of the block's own that holds *word*: its start, and where the word is."""
    data, position = block.data, block.start
    find = data.find
    while (position := find(word, position, min(block.stop + len(word), len(data)))) >= 0:
        start = line_start(block, position)
        if position < block.stop:
            lines[start] = max(position, lines.get(start, 0))
        position = max(position + 1, line_stop(block, position))


def line_start(block: Block, position: int) -> int:
    """Return the offset of the line that holds *position*, bounded for endless lines."""
    lowest = max(0, position - LINE_BYTES)
    return max(*(block.data.rfind(end, lowest, position) for end in _ENDS), lowest - 1) + 1


def line_stop(block: Block, position: int) -> int:
    """Return the offset where the line that holds *position* ends, bounded likewise."""
    highest = min(len(block.data), position + LINE_BYTES)
    newline = block.data.find(b"\n", position, highest)
    highest = newline if newline >= 0 else highest
    returned = block.data.find(b"\r", position, highest)
    return returned if returned >= 0 else highest


def lines_before(hit: Hit, limit: int = _BEFORE_LINES) -> list[str]:
    """Return up to *limit* lines of the same process before *hit*, in order."""
    lowest = max(0, hit.start - MARGIN_BYTES // 4)
    piece = hit.block.data[lowest : hit.start]
    found: list[str] = []
    for raw in reversed(_split(piece)):
        line = parse_line(raw)
        if line.process == hit.line.process:
            found.append(line.text)
            if len(found) == limit:
                break
    return found[::-1]


def lines_after(hit: Hit, limit: int = _AFTER_LINES) -> list[str]:
    """Return up to *limit* lines of the same process after *hit*, in order."""
    begin = line_stop(hit.block, hit.start)
    piece = hit.block.data[begin : begin + MARGIN_BYTES // 2]
    found: list[str] = []
    for raw in _split(piece)[1:]:
        line = parse_line(raw)
        if line.process == hit.line.process:
            found.append(line.text)
            if len(found) == limit:
                break
    return found


def _split(piece: bytes) -> list[str]:
    text = _decode(piece).replace("\r\n", "\n").replace("\r", "\n")
    return [each[:LINE_BYTES] for each in text.split("\n")]


def _decode(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
