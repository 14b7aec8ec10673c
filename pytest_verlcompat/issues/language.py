"""Say in another language what is written here in English.

A translation is a TOML file of sentences, each beside the English one it translates. A sentence
whose English was changed finds no translation and stays English, so what is out of step is
never wrong, only foreign. Nothing here is read before a language is asked for.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_verlcompat.errors import CatalogueError, UsageError
from pytest_verlcompat.issues.catalogue import ENTRIES

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_verlcompat.issues.catalogue import Entry

LANGUAGES = Path(__file__).with_name("languages")
"""One file of sentences a language, ``zh_CN.toml``: those of this room."""

SHARED = "shared.toml"
"""Beside the translated entries: sentences that several of them hold."""

_ENGLISH = ("en", "c", "posix")
_FIELD = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence and what stands in it, kept apart so that it can be said in any language."""

    sentence: str
    values: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        return _fill(self.sentence, self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """English, or English sentences and what they are in another language."""

    tag: str
    """As HTML writes it: ``zh-CN``."""
    sentences: Mapping[str, str]
    """What is missing stays English."""

    @property
    def name(self) -> str:
        """As files and locales write it: ``zh_CN``."""
        return self.tag.replace("-", "_")

    def say(self, sentence: str, **values: object) -> str:
        """Return *sentence* in this language, ``{name}`` replaced by the value of that name."""
        return _fill(self.sentences.get(sentence, sentence), values)

    def render(self, said: Said) -> str:
        """Return *said* in this language."""
        return self.say(said.sentence, **said.values)


ENGLISH = Language(tag="en", sentences={})


def _fill(sentence: str, values: Mapping[str, object]) -> str:
    """Put *values* in; whatever else is in braces stays, and values are not looked into."""
    return _FIELD.sub(lambda found: str(values.get(found[1], found[0])), sentence)


def list_languages(folder: Path = LANGUAGES) -> tuple[str, ...]:
    """Return the names of the languages there are: ``("en", "zh_CN")``."""
    return ("en", *sorted(path.stem for path in folder.glob("*.toml")))


def find_language(name: str, *, folder: Path = LANGUAGES) -> Language:
    """Return the language that *name* means: ``zh_CN``, ``zh-cn``, ``zh`` or ``zh_CN.UTF-8``.

    Raises:
        UsageError: If there is none.
        CatalogueError: If its file is malformed.
    """
    wanted = re.split(r"[.@]", name.strip())[0].replace("-", "_").lower()
    if wanted.split("_")[0] in _ENGLISH:
        return ENGLISH
    known = [each for each in list_languages(folder) if each != "en"]
    fitting = [each for each in known if each.lower() == wanted]
    fitting = fitting or [each for each in known if each.lower().split("_")[0] == wanted]
    if len(fitting) != 1:
        raise UsageError(
            f"there is no such language; there are {', '.join(['en', *known])}", where=repr(name)
        )
    return Language(
        tag=fitting[0].replace("_", "-"), sentences=load_sentences(folder / f"{fitting[0]}.toml")
    )


def load_sentences(path: Path) -> dict[str, str]:
    """Return English to translation of every sentence in the file *path*.

    Raises:
        CatalogueError: If the file is malformed, holds a sentence twice, or a translation has
            other fields than its sentence.
    """
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CatalogueError(f"not TOML: {error}", where=path.name) from error
    rows = table.get("sentence")
    if set(table) != {"sentence"} or not isinstance(rows, list):
        raise CatalogueError("holds [[sentence]] tables and nothing else", where=path.name)
    found: dict[str, str] = {}
    for number, row in enumerate(rows):
        english, text = _sentence(row, where=f"{path.name}: sentence[{number}]")
        if english in found:
            raise CatalogueError(f"{english!r} stands twice", where=path.name)
        found[english] = text
    return found


def _sentence(row: Any, *, where: str) -> tuple[str, str]:  # noqa: ANN401 -- whatever TOML holds
    if not isinstance(row, dict) or set(row) != {"en", "text"}:
        raise CatalogueError("must have the keys en and text and no other", where=where)
    english, text = row["en"], row["text"]
    if not all(isinstance(each, str) and each.strip() for each in (english, text)):
        raise CatalogueError(f"en and text must be text, found {row!r}", where=where)
    if sorted(_FIELD.findall(english)) != sorted(_FIELD.findall(text)):
        raise CatalogueError(f"{text!r} must have the fields of {english!r}", where=where)
    return english.strip(), text.strip()


def translate(
    catalogue: Iterable[Entry], language: Language, *, folder: Path = ENTRIES
) -> tuple[Entry, ...]:
    """Return the entries with title, cause, costs and notes in *language*.

    Args:
        folder: Where the entries were read; translations stand below it, in a folder named as
            the language, each in a file named as its entry.
    """
    beside = folder / language.name
    if not beside.is_dir():
        return tuple(catalogue)
    shared = load_sentences(beside / SHARED) if (beside / SHARED).exists() else {}
    return tuple(_translated(each, beside=beside, shared=shared) for each in catalogue)


def _translated(entry: Entry, *, beside: Path, shared: Mapping[str, str]) -> Entry:
    path = beside / f"{entry.id}-{entry.slug}.toml"
    own = load_sentences(path) if path.exists() else {}

    def say(text: str) -> str:
        return own.get(text) or shared.get(text) or text

    return replace(
        entry,
        title=say(entry.title),
        cause=say(entry.cause),
        remedies=tuple(replace(each, cost=say(each.cost)) for each in entry.remedies),
        precheck=replace(entry.precheck, note=say(entry.precheck.note)),
    )


def sentences_of(entry: Entry) -> tuple[str, ...]:
    """Return every English sentence of *entry* that a reader sees, each once."""
    texts = [entry.title, entry.cause, *(each.cost for each in entry.remedies), entry.precheck.note]
    return tuple(dict.fromkeys(each for each in texts if each))
