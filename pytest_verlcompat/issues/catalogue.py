"""Read the catalogue of known failures: one TOML file each, under ``entries/``.

Unknown keys, missing keys and conditions that cannot be read are errors that name the file
and the key. Patterns are compiled on first use, because reading a log needs few of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_verlcompat.errors import CatalogueError
from pytest_verlcompat.issues.facts import condition_problem
from pytest_verlcompat.issues.scan import WORDS
from pytest_verlcompat.model.toml_text import parse_toml

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ENTRIES = Path(__file__).with_name("entries")
"""Folder of the entries that are shipped."""

Condition = dict[str, str]


class Stage(Enum):
    """When a failure shows, in the order of a day."""

    RESOLVE = "resolve"
    INSTALL = "install"
    IMPORT = "import"
    START = "start"
    TRAIN = "train"


class Role(Enum):
    """What the text of an entry means for the run that printed it."""

    FAILURE = "failure"
    """It ends the run."""
    CONSEQUENCE = "consequence"
    """It follows from another failure, which is the one to look for."""
    WARNING = "warning"
    """The run goes on, and is worse for it."""
    SILENT = "silent"
    """It prints nothing; only its rule shows it."""


class Verified(Enum):
    """How the facts of an entry were checked."""

    REPRODUCED = "reproduced"
    """The failure was made to happen and its text was copied from that run."""
    SOURCE = "source"
    """Text and range of versions were read in the released files."""
    REPORT = "report"
    """Taken from a report upstream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """How one line of a log shows a failure."""

    contains: tuple[str, ...]
    """The pattern is tried only on lines that contain one of these."""
    word: str | None
    """A word of the scan that stands in the same line, where `contains` holds none."""
    pattern: str
    """Regular expression searched in one line, without colours and process prefixes."""
    near: tuple[str, ...] = ()
    """Expressions that must all be found in the lines around, of the same process."""
    seen: tuple[str, ...] = ()
    """Expressions that must all be found there or in the first lines of the text."""
    absent: tuple[str, ...] = ()
    """Expressions none of which may be found in the lines around."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """One way out."""

    do: str
    """Lines of a shell, or options of the trainer; ``{name}`` stands for a named group."""
    cost: str
    """What is given up or risked by it."""
    when: Condition
    """Offered only where this does not fail to hold."""

    @property
    def is_option(self) -> bool:
        """Whether it goes on the command line of the trainer, rather than into a shell."""
        return is_option(self.do)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a fact was read."""

    url: str
    """An address, or ``index:NAME==VERSION`` for a released file."""
    date: str
    """Day it was read, ``YYYY-MM-DD``; with `unchecked` the day that was tried."""
    unchecked: str | None = None
    """Why it was not read to see that it says what the entry does; ``None`` where it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Precheck:
    """How a failure can be seen before it happens."""

    when: tuple[Condition, ...]
    """It is coming where one of these holds; empty where nothing shows it."""
    certain: bool
    """It will break, rather than may."""
    note: str
    """What to look at, or why nothing can be seen beforehand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One known failure."""

    id: str
    """Stable, ``VC001``; never given to another failure. Those of others begin otherwise."""
    slug: str
    title: str
    stage: Stage
    role: Role
    ambiguous: bool
    """The same text has other causes too, so versions must agree."""
    signatures: tuple[Signature, ...]
    affected: tuple[Condition, ...]
    """Alternatives; inside one, all keys hold."""
    cause: str
    """Two sentences; ``{name}`` stands for a named group of the pattern."""
    remedies: tuple[Remedy, ...]
    """Best first."""
    since: str | None
    until: str | None
    verified: Verified
    sources: tuple[Source, ...]
    precheck: Precheck


_ENTRY = {
    "id", "title", "stage", "role", "ambiguous", "signature", "affected", "cause", "remedy",
    "since", "until", "verified", "source", "precheck",
}  # fmt: skip
_NAME = re.compile(r"(?P<id>[A-Z]{2,8}\d{3})-(?P<slug>[a-z0-9]+(?:-[a-z0-9]+)*)\.toml")
_FIELD = re.compile(r"\{(\w+)\}")
_OPTIONS = re.compile(
    r"(?:\+{0,2}[a-z]\w*(?:\.[\w{}]+)+=(?:\$\([\w ]{1,60}\)|\S)+ ?)+|\+\+\{\w+\}=\S+"
)
_ADDRESS = re.compile(
    r"https://[\w.-]+\.[a-z]{2,}/[^\s]*|index:[a-z0-9]+(?:-[a-z0-9]+)*==\d[\w.!+]*"
)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def is_option(text: str) -> bool:
    """Return whether *text* is options of the trainer, rather than lines of a shell."""
    return _OPTIONS.fullmatch(text) is not None


@lru_cache(maxsize=2048)
def compiled(pattern: str) -> re.Pattern[str]:
    """Return *pattern* compiled, once."""
    return re.compile(pattern)


@lru_cache(maxsize=4)
def load_catalogue(folder: Path = ENTRIES) -> tuple[Entry, ...]:
    """Return every entry of *folder* in the order of its ids.

    Raises:
        CatalogueError: If a file is malformed, or two have one id.
    """
    own = folder == ENTRIES  # their patterns are proved by the tests; compiling takes its time
    entries = [
        parse_entry(path.read_text("utf-8"), path.name, prove=not own) for path in _files(folder)
    ]
    seen: dict[str, str] = {}
    for entry in entries:
        if entry.id in seen:
            raise CatalogueError(
                f"id {entry.id} is also that of {seen[entry.id]}", where=entry.slug
            )
        seen[entry.id] = entry.slug
    return tuple(entries)


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.toml"))


def parse_entry(text: str, name: str, *, prove: bool = True) -> Entry:
    """Return the entry in *text*, the content of the file *name*.

    Args:
        prove: Compile its patterns, and see that every field of its cause is one of their groups.

    Raises:
        CatalogueError: If a key is unknown, missing or cannot be read.
    """
    try:
        table = parse_toml(text)
    except ValueError as error:
        raise CatalogueError(f"not TOML: {error}", where=name) from error
    matched = _NAME.fullmatch(name)
    if matched is None or matched["id"] != table.get("id"):
        raise CatalogueError("the file must be named <id>-<slug>.toml", where=f"{name}: id")
    reader = _Reader(table=table, where=name)
    reader.only(_ENTRY)
    silent = table.get("role") == Role.SILENT.value
    entry = Entry(
        id=reader.text("id"),
        slug=matched["slug"],
        title=reader.text("title"),
        stage=reader.word("stage", Stage),
        role=reader.word("role", Role, default=Role.FAILURE),
        ambiguous=reader.flag("ambiguous"),
        signatures=tuple(_signature(each) for each in reader.tables("signature", optional=silent)),
        affected=tuple(each.condition() for each in reader.tables("affected")),
        cause=reader.text("cause"),
        remedies=tuple(_remedy(each) for each in reader.tables("remedy")),
        since=reader.text("since", optional=True) or None,
        until=reader.text("until", optional=True) or None,
        verified=reader.word("verified", Verified),
        sources=tuple(_source(each) for each in reader.tables("source")),
        precheck=_precheck(reader.table_at("precheck"), reader),
    )
    if silent is bool(entry.signatures) or (silent and not entry.precheck.when):
        raise CatalogueError(
            "a silent failure has a rule and no signature, any other has a signature",
            where=f"{name}: signature",
        )
    if prove:
        _check_patterns(entry, name)
    return entry


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """Takes typed values out of one table and knows where it is."""

    table: Mapping[str, Any]
    where: str

    def only(self, known: set[str]) -> None:
        for key in self.table:
            if key not in known:
                raise CatalogueError(
                    f"unknown key; known are {', '.join(sorted(known))}", where=self.at(key)
                )

    def at(self, key: str) -> str:
        return f"{self.where}: {key}"

    def text(self, key: str, *, optional: bool = False) -> str:
        value = self.table.get(key, "" if optional else None)
        if not isinstance(value, str) or not (value.strip() or optional):
            raise CatalogueError(f"must be text, found {value!r}", where=self.at(key))
        return value.strip()

    def texts(self, key: str, *, optional: bool = False) -> tuple[str, ...]:
        value = self.table.get(key, [] if optional else None)
        fine = isinstance(value, list) and all(isinstance(each, str) and each for each in value)
        if not fine or not (value or optional):
            raise CatalogueError(f"must be a list of texts, found {value!r}", where=self.at(key))
        return tuple(value or ())

    def flag(self, key: str, *, default: bool = False) -> bool:
        value = self.table.get(key, default)
        if not isinstance(value, bool):
            raise CatalogueError(f"must be true or false, found {value!r}", where=self.at(key))
        return value

    def word(self, key: str, words: type[Any], *, default: Any = None) -> Any:  # noqa: ANN401 -- a member of whichever enum was asked for
        value = self.table.get(key, default.value if default else None)
        try:
            return words(value)
        except ValueError as error:
            choices = ", ".join(str(each.value) for each in words)
            raise CatalogueError(
                f"must be one of {choices}, found {value!r}", where=self.at(key)
            ) from error

    def table_at(self, key: str) -> _Reader:
        value = self.table.get(key)
        if not isinstance(value, dict):
            raise CatalogueError("must be a table", where=self.at(key))
        return _Reader(table=value, where=self.at(key))

    def tables(self, key: str, *, optional: bool = False) -> Sequence[_Reader]:
        value = self.table.get(key, [] if optional else None)
        if not isinstance(value, list) or not (value or optional):
            raise CatalogueError("must be at least one table", where=self.at(key))
        return [
            _Reader(table=each, where=f"{self.at(key)}[{index}]")
            for index, each in enumerate(value)
        ]

    def condition(self) -> Condition:
        for key, value in self.table.items():
            if problem := condition_problem(key, value):
                raise CatalogueError(problem, where=f"{self.where}.{key}")
        return dict(self.table)


def _signature(reader: _Reader) -> Signature:
    reader.only({"contains", "word", "pattern", "near", "seen", "absent"})
    if (word := reader.table.get("word")) is not None and word not in WORDS:
        raise CatalogueError(f"must be one of {', '.join(WORDS)}", where=reader.at("word"))
    return Signature(
        contains=reader.texts("contains"),
        word=word,
        pattern=reader.text("pattern"),
        near=reader.texts("near", optional=True),
        seen=reader.texts("seen", optional=True),
        absent=reader.texts("absent", optional=True),
    )


def _remedy(reader: _Reader) -> Remedy:
    reader.only({"do", "cost", "when"})
    when = reader.table_at("when").condition() if "when" in reader.table else {}
    return Remedy(do=reader.text("do"), cost=reader.text("cost"), when=when)


def _source(reader: _Reader) -> Source:
    reader.only({"url", "date", "unchecked"})
    unchecked = reader.text("unchecked") if "unchecked" in reader.table else None
    date = reader.text("date")
    if not _DATE.fullmatch(date):
        raise CatalogueError(f"must be YYYY-MM-DD, found {date!r}", where=reader.at("date"))
    url = reader.text("url")
    if not _ADDRESS.fullmatch(url):
        raise CatalogueError(
            f"must be https://… or index:NAME==VERSION, found {url!r}", where=reader.at("url")
        )
    return Source(url=url, date=date, unchecked=unchecked)


def _precheck(reader: _Reader, entry: _Reader) -> Precheck:
    reader.only({"when", "affected", "certain", "note"})
    own = [each.condition() for each in reader.tables("when", optional=True)]
    if reader.flag("affected"):
        own += [each.condition() for each in entry.tables("affected")]
    return Precheck(
        when=tuple(own),
        certain=reader.flag("certain"),
        note=reader.text("note", optional=bool(own)),
    )


def group_names(entry: Entry) -> frozenset[str]:
    """Return the named groups of the patterns of *entry*, of those for neighbours too."""
    return frozenset(
        word
        for each in entry.signatures
        for pattern in (each.pattern, *each.near)
        for word in compiled(pattern).groupindex
    )


def unfilled(entry: Entry, text: str) -> str:
    """Return *text* of *entry* for where no log filled its fields: ``<name>`` stands there."""
    names = group_names(entry)
    return _FIELD.sub(lambda found: f"<{found[1]}>" if found[1] in names else found[0], text)


def _check_patterns(entry: Entry, name: str) -> None:
    for index, signature in enumerate(entry.signatures):
        for pattern in (signature.pattern, *signature.near, *signature.seen, *signature.absent):
            try:
                re.compile(pattern)
            except re.error as error:
                where = f"{name}: signature[{index}]"
                raise CatalogueError(f"{pattern!r}: {error}", where=where) from error
    wanted = set(_FIELD.findall(entry.cause))
    for word in sorted(wanted - group_names(entry)):
        raise CatalogueError(
            f"{{{word}}} is no named group of a pattern of this entry", where=f"{name}: cause"
        )
