"""Read a training launch script: which trainer it starts, with which overrides and settings.

The script is read from top to bottom and never run. A variable that is assigned in several
branches keeps its first value; what only a shell could know stays unknown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

import yaml

from pytest_verlcompat.checks.launch_words import Command, Mistake, Piece, Word, split_script
from pytest_verlcompat.checks.shell_arithmetic import UNKNOWN, arithmetic
from pytest_verlcompat.errors import SourceSyntaxError
from pytest_verlcompat.wheels.yaml_text import check_brackets

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_ASSIGNMENT = re.compile(r"^([A-Za-z_]\w*)(\+?)=")
_OVERRIDE = re.compile(
    r"^(?P<sign>\+\+|\+|~|)(?P<key>[A-Za-z_][\w./@-]*)(?:=(?P<value>.*))?$", re.DOTALL
)
_DECLARES = frozenset({"export", "declare", "local", "readonly", "typeset"})
_OPENS = frozenset({"if", "for", "while", "until", "case"})
_CLOSES = frozenset({"fi", "done", "esac"})
_KEYWORDS = _OPENS | _CLOSES | {"then", "else", "elif", "do", "in", "{", "}", "!", "time", "exec"}
_MOST_BYTES = 256 << 10
_MOST_OVERRIDES = 10_000
_MOST_EXPANDED = 2 << 20
"""Characters that variables may become in one script."""
_STARTERS = re.compile(r"(^|/)(python[\d.]*|torchrun|accelerate|deepspeed|uv)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """One ``key=value`` of a command line."""

    sign: str
    """Empty, ``+``, ``++`` or ``~``."""
    key: str
    value: str | None
    """``None`` where it depends on what only a shell knows."""
    line: int

    @property
    def text(self) -> str:
        """The override as it would be typed."""
        value = "…" if self.value is None else self.value
        return f"{self.sign}{self.key}" if self.sign == "~" else f"{self.sign}{self.key}={value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """An environment variable that the script sets."""

    name: str
    value: str | None
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One start of a trainer."""

    module: str | None
    """``None`` for a bare list of overrides."""
    line: int
    config_name: str | None
    overrides: tuple[Override, ...]
    nproc: int | None = None
    """Processes per node that ``torchrun`` starts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What a launch file holds."""

    launches: tuple[Launch, ...]
    settings: tuple[Setting, ...]
    mistakes: tuple[Mistake, ...]
    passes_arguments: bool
    """Whether ``$@`` lets the caller add overrides."""


def load_script(path: Path) -> Script:
    """Return what the launch file *path* holds: a shell script, a YAML file or a list.

    Raises:
        SourceSyntaxError: If it cannot be read at all.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise SourceSyntaxError(
                f"is larger than {_MOST_BYTES >> 10} KiB; is it a launch script?", where=str(path)
            )
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SourceSyntaxError(f"cannot be read: {error.strerror}", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise SourceSyntaxError(
            f"byte {error.start} is not UTF-8; save the script as UTF-8", where=str(path)
        ) from error
    try:
        if path.suffix in {".yaml", ".yml"}:
            return _from_yaml(text, where=str(path))
        return parse_script(text)
    except RecursionError as error:
        raise SourceSyntaxError("is nested too deep to be read", where=str(path)) from error
    except SourceSyntaxError as error:
        raise SourceSyntaxError(error.message, where=error.where or str(path)) from error


def parse_script(text: str) -> Script:
    """Return what a shell script or a list of overrides holds."""
    commands, mistakes = split_script(text)
    reader = _Interpreter()
    for command in commands:
        reader.run(command)
    launches = reader.launches
    if not launches and reader.loose:
        launches = [Launch(module=None, line=1, config_name=None, overrides=tuple(reader.loose))]
    return Script(
        launches=tuple(launches),
        settings=tuple(reader.settings),
        mistakes=tuple(mistakes),
        passes_arguments=reader.passes_arguments,
    )


def _from_yaml(text: str, *, where: str) -> Script:
    try:
        check_brackets(text)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except ValueError as error:
        raise SourceSyntaxError(str(error), where=where) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = where if mark is None else f"{where}:{mark.line + 1}"
        raise SourceSyntaxError(str(error).splitlines()[0], where=place) from error
    leaves = _leaves(root, "") if root is not None else iter(())
    overrides = tuple(islice(leaves, _MOST_OVERRIDES + 1))
    if len(overrides) > _MOST_OVERRIDES:  # names of nodes can make little text very much
        raise SourceSyntaxError(f"holds more than {_MOST_OVERRIDES} values", where=where)
    launch = Launch(module=None, line=1, config_name=None, overrides=overrides)
    return Script(launches=(launch,), settings=(), mistakes=(), passes_arguments=False)


def _leaves(node: Any, prefix: str) -> Iterator[Override]:  # noqa: ANN401 - a YAML node
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        path = f"{prefix}{key.value}"
        if path in {"defaults", "hydra"}:
            continue
        if isinstance(value, yaml.MappingNode) and value.value:
            yield from _leaves(value, f"{path}.")
        else:
            scalar = value.value if isinstance(value, yaml.ScalarNode) else yaml.serialize(value)
            line = key.start_mark.line + 1
            yield Override(sign="", key=path, value=str(scalar).strip(), line=line)


@dataclass(slots=True)
class _Interpreter:
    """Follows assignments and collects launches."""

    values: dict[str, list[str]] = field(default_factory=dict)
    lines: dict[str, list[int]] = field(default_factory=dict)
    """Where each element of a value stands."""
    depth: int = 0
    launches: list[Launch] = field(default_factory=list)
    settings: list[Setting] = field(default_factory=list)
    loose: list[Override] = field(default_factory=list)
    passes_arguments: bool = False
    left: int = _MOST_EXPANDED

    def spend(self, count: int) -> None:
        """Count what variables become; a few lines can make one another grow without end."""
        self.left -= count
        if self.left < 0:
            raise SourceSyntaxError("its variables become more than anybody would type")

    def run(self, command: Command) -> None:
        words = list(command.words)
        while words and words[0].plain in _KEYWORDS and len(words[0].pieces) == 1:
            keyword = words.pop(0).plain
            self.depth += (keyword in _OPENS) - (keyword in _CLOSES)
        exported = bool(words) and words[0].plain in _DECLARES
        if exported:
            kind = words.pop(0).plain
            exported = kind == "export"
            words = [word for word in words if not word.plain.startswith("-")]
        prefix: list[Word] = []
        while words and _ASSIGNMENT.match(words[0].plain):
            prefix.append(words.pop(0))
        if not words or exported:
            for word in prefix:
                self.assign(word, exported=exported)
            return
        for word in prefix:
            self.set_environment(word)
        self.call(words, command.line)

    def assign(self, word: Word, *, exported: bool) -> None:
        match = _ASSIGNMENT.match(word.plain)
        if match is None:
            return
        name, append = match[1], bool(match[2])
        found = self.value_of(word, match.end())
        texts, lines = [text for text, _ in found], [line for _, line in found]
        if append:
            self.values[name] = [*self.values.get(name, []), *texts]
            self.lines[name] = [*self.lines.get(name, []), *lines]
        elif self.depth == 0 or name not in self.values:
            self.values[name], self.lines[name] = texts, lines
        if exported or name.isupper():
            self.set_environment(word, exported=exported)

    def set_environment(self, word: Word, *, exported: bool = True) -> None:
        match = _ASSIGNMENT.match(word.plain)
        if match is None or not exported:
            return
        value = " ".join(text for text, _ in self.value_of(word, match.end()))
        known = None if UNKNOWN in value else value
        self.settings.append(Setting(name=match[1], value=known, line=word.line))

    def value_of(self, word: Word, skip: int) -> list[tuple[str, int]]:
        """Return the value of an assignment with its lines, several words for an array."""
        if word.elements is not None:
            return [each for element in word.elements for each in self.expand(element)]
        return [("".join(self.piece(piece) for piece in word.pieces)[skip:], word.line)]

    def expand(self, word: Word) -> list[tuple[str, int]]:
        """Return the words that *word* becomes, each with the line it is written on."""
        if len([piece for piece in word.pieces if piece.text or piece.kind != "text"]) == 1:
            for piece in word.pieces:
                listed = self.listed(piece)
                if listed is not None:
                    return listed
        return [(text, word.line) for text in self.words(word)]

    def words(self, word: Word) -> list[str]:
        """Return the words that *word* becomes; an unquoted list is split at blanks."""
        found = [""]
        for piece in word.pieces:
            listed = self.listed(piece)
            if listed is not None:
                found[-1] += " ".join(text for text, _ in listed)
                continue
            text = self.piece(piece)
            if piece.kind == "parameter" and not piece.quoted and re.search(r"\s", text):
                parts = text.split()
                found[-1] += parts[0] if parts else ""
                found += parts[1:]
            else:
                found[-1] += text
        return [text for text in found if text]

    def listed(self, piece: Piece) -> list[tuple[str, int]] | None:
        """Return the elements of ``${name[@]}`` and of ``$@``; ``None`` for other pieces."""
        if piece.kind != "parameter":
            return None
        if piece.text in {"@", "*"} or re.match(r"^[@*]:|^@", piece.text):
            self.passes_arguments = True
            return []
        match = re.match(r"^(\w+)\[[@*]\]", piece.text)
        if match is None:
            return None
        name = match[1]
        found = self.values.get(name, [])
        self.spend(sum(map(len, found)) + len(found))
        return list(zip(found, self.lines.get(name, []), strict=False))

    def piece(self, piece: Piece) -> str:
        if piece.kind == "text":
            return piece.text
        if piece.kind == "parameter":
            return self.parameter(piece.text)
        if piece.kind == "arithmetic":
            return arithmetic(piece.text, self.parameter)
        return UNKNOWN

    def parameter(self, text: str) -> str:
        """Return the value of what stands inside ``${}``."""
        match = re.match(r"^(\w+)(?:(:?[-=])(.*))?$", text, re.DOTALL)
        if match is None:
            return UNKNOWN
        known = self.values.get(match[1])
        if known and (known != [""] or not match[2]):
            self.spend(sum(map(len, known)) + len(known))
            return " ".join(known)
        if match[2] is None:
            return UNKNOWN
        self.spend(len(match[3]))
        commands, _ = split_script(match[3])
        words = [word for command in commands for word in command.words]
        return " ".join("".join(self.piece(piece) for piece in word.pieces) for word in words)

    def call(self, words: Sequence[Word], line: int) -> None:
        expanded = [each for word in words for each in self.expand(word)]
        start = _entry_of([text for text, _ in expanded])
        if start is None:
            if len(words) == len(expanded):
                self.loose += [
                    found for found in (_override(text, at) for text, at in expanded) if found
                ]
            return
        module, after = start
        rest = expanded[after:]
        name = None
        overrides = []
        for index, (text, at) in enumerate(rest):
            following = rest[index + 1][0] if index + 1 < len(rest) else ""
            if text.startswith("-"):
                name = _config_name(text, following) or name
                continue
            found = _override(text, at)
            if found is not None:
                overrides.append(found)
        nproc = _nproc([text for text, _ in expanded[:after]])
        self.launches.append(
            Launch(
                module=module,
                line=line,
                config_name=name,
                overrides=tuple(overrides),
                nproc=nproc,
            )
        )


def _entry_of(words: Sequence[str]) -> tuple[str, int] | None:
    """Return the module that a command starts and where its arguments begin."""
    if not any(_STARTERS.search(word) for word in words):
        return None
    for index, word in enumerate(words):
        if word == "-m" and index + 1 < len(words):
            module = words[index + 1]
            if module in {"pip", "torch.distributed.run", "torch.distributed.launch", "uv"}:
                continue
            return module, index + 2
        if word.endswith(".py") and index and "=" not in word:
            path = word.removeprefix("./").removesuffix(".py")
            return path.lstrip("/").replace("/", "."), index + 1
    return None


def _config_name(word: str, following: str) -> str | None:
    for option in ("--config-name", "-cn"):
        if word.startswith(f"{option}="):
            return word.partition("=")[2]
        if word == option:
            return following
    return None


def _nproc(words: Sequence[str]) -> int | None:
    for index, word in enumerate(words):
        name, _, value = word.partition("=")
        if name in {"--nproc_per_node", "--nproc-per-node"}:
            text = value or (words[index + 1] if index + 1 < len(words) else "")
            return int(text) if text.isdigit() else None
    return None


def _override(text: str, line: int) -> Override | None:
    match = _OVERRIDE.match(text)
    if match is None or (match["value"] is None and match["sign"] != "~"):
        return None
    value = match["value"]
    if value is None or UNKNOWN in value:
        value = None
    return Override(sign=match["sign"], key=match["key"], value=value, line=line)
