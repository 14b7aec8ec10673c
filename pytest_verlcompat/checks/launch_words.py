"""Split a shell script into commands and words, with quotes and line numbers.

No shell is started. Expansions are kept as pieces and are given their values by
`launch_script`; substitutions of commands are never run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from pytest_verlcompat.errors import SourceSyntaxError

_SEPARATORS = frozenset("\n;&|()")
_NAME = re.compile(r"[A-Za-z_]\w*|[@*#?\d]")
_PLAIN = re.compile(r"[^\s<>;&|()\\'\"$`]+")
_PLAIN_IN_QUOTES = re.compile(r"[^\"\\$`\n]+")
_LOOKS_PER_CHARACTER = 64
"""How often, on average, brackets and quotes may be looked for at the same place."""
_LOOKS = 10_000
_HEREDOC = re.compile(r"<<-?\s*(['\"]?)([A-Za-z_]\w*)\1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A part of a word."""

    kind: str
    """``text``, ``parameter`` (inside ``${}``), ``arithmetic`` or ``command``."""
    text: str
    quoted: bool


@dataclass(slots=True, kw_only=True)
class Word:
    """A word before expansion."""

    line: int
    pieces: list[Piece] = field(default_factory=list)
    elements: list[Word] | None = None
    """The words of ``name=( ... )``."""

    @property
    def plain(self) -> str:
        """The literal start of the word, up to the first expansion."""
        found = []
        for piece in self.pieces:
            if piece.kind != "text":
                break
            found.append(piece.text)
        return "".join(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """The words between two separators."""

    words: tuple[Word, ...]

    @property
    def line(self) -> int:
        """Line of the first word, from 1."""
        return self.words[0].line


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """Something that a shell would refuse."""

    line: int
    message: str


def split_script(text: str) -> tuple[list[Command], list[Mistake]]:
    """Return the commands of a script; what cannot be parsed is reported, the rest goes on."""
    reader = _Reader(text)
    return reader.commands(), reader.mistakes


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text.replace("\r\n", "\n")
        self.at = 0
        self.line = 1
        self.mistakes: list[Mistake] = []
        self.heredocs: list[str] = []
        self.looks = _LOOKS + _LOOKS_PER_CHARACTER * len(text)

    def commands(self) -> list[Command]:
        found: list[Command] = []
        words: list[Word] = []
        while self.at < len(self.text):
            char = self.text[self.at]
            if char in _SEPARATORS:
                if words:
                    found.append(Command(words=tuple(words)))
                    words = []
                self.step()
                if char == "\n":
                    self.skip_heredocs()
            elif char in " \t":
                self.step()
            elif self.text.startswith("\\\n", self.at):
                self.step(2)
            elif char == "#":
                self.skip_line()
            elif char in "<>":
                self.redirect()
            else:
                words.append(self.word())
        if words:
            found.append(Command(words=tuple(words)))
        return found

    def step(self, count: int = 1) -> None:
        self.line += self.text.count("\n", self.at, self.at + count)
        self.at += count

    def skip_line(self) -> None:
        end = self.text.find("\n", self.at)
        self.at = len(self.text) if end < 0 else end

    def redirect(self) -> None:
        heredoc = _HEREDOC.match(self.text, self.at)
        if heredoc:
            self.heredocs.append(heredoc[2])
            self.step(heredoc.end() - self.at)
            return
        while self.at < len(self.text) and self.text[self.at] in "<>&|":
            self.step()
        while self.at < len(self.text) and self.text[self.at] in " \t":
            self.step()
        if self.at < len(self.text) and self.text[self.at] not in _SEPARATORS:
            self.word()

    def skip_heredocs(self) -> None:
        for name in self.heredocs:
            end = re.compile(rf"^[ \t]*{re.escape(name)}[ \t]*$", re.MULTILINE).search(
                self.text, self.at
            )
            if end is None:
                self.mistakes.append(Mistake(line=self.line, message=f"no end of <<{name}"))
                continue
            self.step(end.end() - self.at)
        self.heredocs.clear()

    def word(self) -> Word:
        word = Word(line=self.line)
        while self.at < len(self.text):
            char = self.text[self.at]
            if char in " \t<>" or char in _SEPARATORS:
                if char == "(" and word.plain.endswith("=") and len(word.pieces) >= 1:
                    word.elements = self.elements()
                break
            if self.text.startswith("\\\n", self.at):
                self.step(2)
                # A word goes on only if the next line continues it without a blank.
                continue
            if char == "\\":
                self.add(word, self.text[self.at + 1 : self.at + 2], quoted=True)
                self.step(2)
            elif char == "'":
                self.single(word)
            elif char == '"':
                self.double(word)
            elif char in "$`":
                self.expansion(word, quoted=False)
            else:
                self.plain(word, _PLAIN, quoted=False)
        return word

    def plain(self, word: Word, pattern: re.Pattern[str], *, quoted: bool) -> None:
        """Take what means itself, one character at the least."""
        found = pattern.match(self.text, self.at)
        text = found[0] if found else self.text[self.at]
        self.add(word, text, quoted=quoted)
        self.step(len(text))

    def add(self, word: Word, text: str, *, quoted: bool, kind: str = "text") -> None:
        last = word.pieces[-1] if word.pieces else None
        if kind == "text" and last and last.kind == "text" and last.quoted is quoted:
            word.pieces[-1] = Piece(kind="text", text=last.text + text, quoted=quoted)
        else:
            word.pieces.append(Piece(kind=kind, text=text, quoted=quoted))

    def elements(self) -> list[Word]:
        start = self.line
        self.step()
        found: list[Word] = []
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == ")":
                self.step()
                return found
            if char in " \t\n":
                self.step()
            elif self.text.startswith("\\\n", self.at):
                self.step(2)
            elif char == "#":
                self.skip_line()
            elif char in _SEPARATORS or char in "<>":
                self.step()
            else:
                found.append(self.word())
        self.mistakes.append(Mistake(line=start, message="( is never closed"))
        return found

    def single(self, word: Word) -> None:
        end = self.text.find("'", self.at + 1)
        if end < 0:
            self.unbalanced(word, "'")
            return
        self.add(word, self.text[self.at + 1 : end], quoted=True)
        self.step(end + 1 - self.at)

    def unbalanced(self, word: Word, quote: str) -> None:
        """Report a quote without its partner and go on after it."""
        self.mistakes.append(Mistake(line=self.line, message=f"{quote} is never closed"))
        self.add(word, "", quoted=True)
        self.step()

    def double(self, word: Word) -> None:
        if self._closing_quote() < 0:
            self.unbalanced(word, '"')
            return
        self.step()
        self.add(word, "", quoted=True)
        while self.at < len(self.text) and self.text[self.at] != '"':
            char = self.text[self.at]
            if char == "\\" and self.text[self.at + 1 : self.at + 2] in {'"', "\\", "$", "`"}:
                self.add(word, self.text[self.at + 1], quoted=True)
                self.step(2)
            elif self.text.startswith("\\\n", self.at):
                self.step(2)
            elif char in "$`":
                self.expansion(word, quoted=True)
            else:
                self.plain(word, _PLAIN_IN_QUOTES, quoted=True)
        self.step()

    def look(self) -> None:
        """Count; a script whose brackets take forever is none."""
        self.looks -= 1
        if self.looks < 0:
            raise SourceSyntaxError(
                f"line {self.line}: brackets and quotes do not close; is it a script of a shell?"
            )

    def _closing_quote(self) -> int:
        at = self.at + 1
        while at < len(self.text):
            self.look()
            if self.text[at] == "\\":
                at += 2
                continue
            if self.text[at] == '"':
                return at
            if self.text.startswith("$(", at) or self.text.startswith("${", at):
                at = self._closing(at + 1)
                continue
            at += 1
        return -1

    def _closing(self, at: int) -> int:
        """Return the place after the bracket that closes the one at *at*."""
        opening = self.text[at]
        closing = {"(": ")", "{": "}"}[opening]
        depth = 0
        while at < len(self.text):
            self.look()
            char = self.text[at]
            if char == "\\":
                at += 1
            elif char == opening:
                depth += 1
            elif char == closing:
                depth -= 1
                if depth == 0:
                    return at + 1
            at += 1
        return len(self.text) + 1

    def expansion(self, word: Word, *, quoted: bool) -> None:
        start = self.at
        if self.text[start] == "`":
            end = self.text.find("`", start + 1)
            end = len(self.text) if end < 0 else end + 1
            self.add(word, self.text[start:end], quoted=quoted, kind="command")
        elif self.text.startswith("$(", start) or self.text.startswith("${", start):
            end = self._closing(start + 1)
            if end > len(self.text):
                self.mistakes.append(
                    Mistake(
                        line=self.line, message=f"{self.text[start : start + 2]} is never closed"
                    )
                )
                end = (
                    len(self.text)
                    if "\n" not in self.text[start:]
                    else self.text.index("\n", start)
                )
            inner = self.text[start + 2 : end - 1]
            kind = "parameter" if self.text[start + 1] == "{" else "command"
            if kind == "command" and inner.startswith("(") and inner.endswith(")"):
                kind, inner = "arithmetic", inner[1:-1]
            self.add(word, inner, quoted=quoted, kind=kind)
        else:
            name = _NAME.match(self.text, start + 1)
            if name is None:
                self.add(word, "$", quoted=quoted)
                end = start + 1
            else:
                self.add(word, name[0], quoted=quoted, kind="parameter")
                end = name.end()
        self.step(end - start)
