"""Take a raw line of a log apart: colours, the process it came from, the logger's mark.

Whatever a log holds, what leaves this module is one line of printable characters.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

_ESCAPE = re.compile(
    r"\x1b\[[0-9;:?]{0,64}[ -/]{0,4}[@-~]"  # colours and cursor movements
    r"|\x1b\][^\x07\x1b]{0,4096}(?:\x07|\x1b\\)?"  # titles and links
    r"|\x1b[PX^_][^\x1b]{0,4096}(?:\x1b\\)?"  # strings to the terminal
    r"|\x1b[ -/]{0,4}[0-~]"
)
_PASTED = re.compile(r"\[(?:0|1|2|4|3[0-7]|9[0-7]|[0-4];[349][0-7]|[34]8;5;\d{1,3})m")
"""Colours whose escape character was lost on the way through a browser."""
_PROCESS = re.compile(
    r"\s{0,4}(?:"
    r"\((?P<ray>[\w.:<>\[\] /+-]{0,120}?(?:pid=\d+)(?:,[^()]{0,120})?)\)"  # Ray, vLLM
    r"|\((?P<daemon>raylet|gcs_server|autoscaler[^()]{0,40}|dashboard)(?:,[^()]{0,80})?\)"
    r"|\[?(?P<rank>(?:rank|default|Rank )\d{1,5})\]:?"  # torchrun
    r"|(?P<compose>[A-Za-z][\w.-]{0,60})\s{1,12}\|(?=\s)"  # docker compose
    r"|(?P<srun>\d{1,5}):(?=\s)"  # srun --label
    r")\s?"
)
_STAMP = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d) "  # a CI's
    r"(?:std(?:out|err) [FP] )?"  # the kubelet's
    r"|\[pod/[^\]\s]{1,200}\] "  # kubectl logs --prefix
    r"|> "  # quoted in an issue or a mail
)
"""What carries a log from one place to another puts before each line."""
_LOGGER = re.compile(
    r"(?:\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.,\d]{0,10}Z?\s{1,4})?"
    r"(?:\[?(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL|FATAL)\]?:?\s{1,4})?"
    r"(?:\d\d-\d\d \d\d:\d\d:\d\d\s{1,4})?"
    r"(?:\[[\w./ -]{1,80}:\d{1,6}\]\s?:?)?"
)
_REPEATED = re.compile(r"\s\[repeated \d+x across cluster\][^\n]{0,200}$")
_PLAIN = re.compile(r"[ -~\t]*")
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_MAX_PREFIXES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line, and who printed it."""

    process: str
    """Names from its prefixes, outermost first; empty where the line has none."""
    text: str
    """Without prefixes and colours; spaces at the start kept."""

    @property
    def message(self) -> str:
        """The text without what a logger puts before it."""
        matched = _LOGGER.match(self.text)
        return self.text[matched.end() :] if matched and matched.end() else self.text

    @property
    def level(self) -> str | None:
        """The level its logger gave it, in capitals; ``None`` where no logger printed it."""
        matched = _LOGGER.match(self.text)
        return matched["level"] if matched else None


def strip_escapes(text: str) -> str:
    """Return *text* without terminal escape sequences, or what a paste left of them."""
    if "\x1b" in text:
        text = _ESCAPE.sub("", text)
    return _PASTED.sub("", text) if "m" in text and "[" in text else text


def parse_line(raw: str) -> Line:
    """Return *raw*, one line without its end, taken apart."""
    text = strip_escapes(raw)
    names = []
    start = 0
    while stamped := _STAMP.match(text, start):
        start = stamped.end()
    for _ in range(_MAX_PREFIXES):
        matched = _PROCESS.match(text, start)
        if matched is None:
            break
        names.append(" ".join(each for each in matched.groups() if each))
        start = matched.end()
    text = text[start:]
    if text.endswith((")", "]")):
        text = _REPEATED.sub("", text)
    return Line(process=" > ".join(names), text=text)


def inert(text: str, *, limit: int = 400) -> str:
    """Return *text* safe to print: no control, no hidden character, at most *limit* long."""
    text = strip_escapes(text)
    if not _PLAIN.fullmatch(text):
        text = "".join(_visible(each) for each in text[: limit * 2])
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _visible(character: str) -> str:
    if character == "\t" or unicodedata.category(character) not in _HIDDEN:
        return character
    return f"\\x{ord(character):02x}"
