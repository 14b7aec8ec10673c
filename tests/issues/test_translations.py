"""A language is read where it is asked for, and a sentence out of step stays English."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from pytest_verlcompat.errors import CatalogueError, UsageError
from pytest_verlcompat.issues import explain as explain_module
from pytest_verlcompat.issues import render as render_module
from pytest_verlcompat.issues.catalogue import ENTRIES, Stage, load_catalogue, parse_entry
from pytest_verlcompat.issues.explain import Confidence, explain_text
from pytest_verlcompat.issues.language import (
    ENGLISH,
    LANGUAGES,
    SHARED,
    Language,
    Said,
    find_language,
    list_languages,
    load_sentences,
    sentences_of,
    translate,
)
from pytest_verlcompat.issues.render import render_text

LOGS = Path(__file__).parent.parent / "data" / "logs"
CATALOGUE = load_catalogue()
SAMPLES = ("VC001", "VC021", "VC033", "VC099", "VC124", "VC145", "VC178")
UNKNOWN = "Traceback (most recent call last):\nMyError: never seen"
OTHERS = [each for each in list_languages() if each != "en"]
KEPT = re.compile(
    r"[A-Za-z]*\d[\w.+]*|\w*_[\w.*]+|--[\w-]+|\w+\.\w[\w.]+|[A-Z][a-z]+[A-Z]\w+|\b[A-Z]{2,}\b"
)
"""Versions, identifiers, options and abbreviations: what a translation leaves as it is."""


@pytest.fixture
def entries(tmp_path: Path) -> Path:
    """Return a folder with one shipped entry and its translation."""
    for path in (*ENTRIES.glob("VC099-*"), *(ENTRIES / "zh_CN").glob("VC099-*")):
        copy = tmp_path / path.relative_to(ENTRIES)
        copy.parent.mkdir(exist_ok=True)
        copy.write_text(path.read_text("utf-8"), "utf-8")
    return tmp_path


@pytest.mark.parametrize("name", OTHERS)
def test_every_sentence_of_every_entry_is_translated_and_none_besides(name: str) -> None:
    """A changed English sentence is named here with its entry, and so is a stale translation."""
    shared = load_sentences(ENTRIES / name / SHARED)
    problems, used, named = [], set(), {f"{each.id}-{each.slug}" for each in CATALOGUE}
    for entry in CATALOGUE:
        path = ENTRIES / name / f"{entry.id}-{entry.slug}.toml"
        own = load_sentences(path) if path.exists() else {}
        wanted = set(sentences_of(entry))
        used |= wanted
        problems += [f"{path.name}: no [[sentence]] with en = {each!r}"
                     for each in sorted(wanted - set(own) - set(shared))]  # fmt: skip
        problems += [f"{path.name}: {each!r} is not said any more" for each in set(own) - wanted]
    problems += [f"{SHARED}: {each!r} is not said any more" for each in set(shared) - used]
    found = {path.stem for path in (ENTRIES / name).glob("VC*.toml")}
    problems += [f"{each}.toml: there is no such entry" for each in found - named]

    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("name", OTHERS)
def test_translation_keeps_versions_and_names(name: str) -> None:
    """No version, option or identifier of a sentence is lost in its translation."""
    lost = [
        (path.name, token, text)
        for path in sorted((ENTRIES / name).glob("*.toml"))
        for english, text in load_sentences(path).items()
        for token in KEPT.findall(english)
        if token.strip(".") not in text
    ]

    assert lost == []


def test_chinese_is_punctuated_as_chinese() -> None:
    """No comma, colon, semicolon or bracket of ASCII stands beside a Chinese character."""
    sides = r"[\u4e00-\u9fff][,:;()?!]|[,:;()?!][\u4e00-\u9fff]"
    files = [*(ENTRIES / "zh_CN").glob("*.toml"), LANGUAGES / "zh_CN.toml"]
    found = [
        (path.name, text)
        for path in files
        for text in load_sentences(path).values()
        if re.search(sides, text)
    ]

    assert found == []


@pytest.mark.parametrize("name", OTHERS)
def test_language_holds_no_sentence_that_the_code_does_not_say(name: str) -> None:
    """A sentence that was changed in the code is named here."""
    said = {word.value for words in (Stage, Confidence) for word in words}
    for module in (explain_module, render_module):
        tree = ast.parse(Path(str(module.__file__)).read_text("utf-8"))
        said |= {each.value for each in ast.walk(tree) if isinstance(each, ast.Constant)}

    assert set(load_sentences(LANGUAGES / f"{name}.toml")) - said == set()


@pytest.mark.parametrize("name", OTHERS)
def test_explanation_asks_for_no_sentence_that_a_language_lacks(name: str) -> None:
    """Explained, explained in part and unknown failures are shown in that language throughout."""
    lacking = _Lacking(load_sentences(LANGUAGES / f"{name}.toml"))
    language = Language(tag=name, sentences=lacking)
    texts = [(LOGS / f"{each}.log").read_text("utf-8", "replace") for each in SAMPLES]
    texts += ["\n".join(texts), "all is well\n", f"{UNKNOWN}\n(w pid=1) {UNKNOWN}\n"]
    texts += [f"{UNKNOWN}\n" + "ok\n" * 200 + texts[0]]

    for text in texts:
        render_text(explain_text(text, catalogue=CATALOGUE), language=language)

    assert lacking.asked_in_vain == set()


class _Lacking(dict[str, str]):
    """Sentences, and which ones were asked for that are not among them."""

    def __init__(self, sentences: dict[str, str]) -> None:
        super().__init__(sentences)
        self.asked_in_vain: set[str] = set()

    def get(self, key: str, default: str = "") -> str:  # type: ignore[override]  # as it is called
        if key not in self:
            self.asked_in_vain.add(key)
        return super().get(key, default)


def test_translated_entry_keeps_what_is_typed() -> None:
    """Commands, patterns and conditions are those of the English entry."""
    chinese = translate(CATALOGUE, find_language("zh_CN"))

    for english, other in zip(CATALOGUE, chinese, strict=True):
        assert other.title != english.title
        assert other.signatures == english.signatures
        assert [each.do for each in other.remedies] == [each.do for each in english.remedies]
        assert other.precheck.when == english.precheck.when


@pytest.mark.parametrize("name", ["zh_CN", "zh-cn", "ZH", "zh_CN.UTF-8", "zh_CN@pinyin"])
def test_language_is_found_by_the_names_systems_give_it(name: str) -> None:
    """The name of a locale, of HTML, or of the language alone."""
    assert find_language(name).tag == "zh-CN"


@pytest.mark.parametrize("name", ["en", "en_GB.UTF-8", "C", "C.UTF-8", "POSIX"])
def test_locales_without_translation_of_their_own_are_english(name: str) -> None:
    """What is no other language needs no file."""
    assert find_language(name) is ENGLISH


def test_unknown_language_names_those_there_are() -> None:
    """A wrong name is the caller's mistake, said with what could be meant."""
    with pytest.raises(UsageError, match=r"'fr': .* there are en, zh_CN"):
        find_language("fr")


def test_changed_english_stays_english_alone(entries: Path) -> None:
    """Of a changed entry only the changed sentence loses its translation."""
    path = next(entries.glob("VC099-*.toml"))
    text = path.read_text("utf-8").replace("other options can stay", "other options may stay")
    entry = parse_entry(text, path.name)

    (shown,) = translate([entry], find_language("zh_CN"), folder=entries)

    assert shown.remedies[1].cost == "other options may stay"
    assert shown.title == "expandable segments 与 vLLM 的内存池互斥"


def test_catalogue_without_translations_is_left_as_it_is(tmp_path: Path) -> None:
    """Somebody's own folder of entries need not be translated."""
    assert translate(CATALOGUE, find_language("zh_CN"), folder=tmp_path) == CATALOGUE


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[[sentence]\n", "not TOML"),
        ("[[phrase]]\nen = 'a'\ntext = 'b'\n", "nothing else"),
        ("[[sentence]]\nen = 'a'\n", r"sentence\[0\]: must have the keys"),
        ("[[sentence]]\nen = 'a'\ntext = 3\n", r"sentence\[0\]: en and text must be text"),
        ("[[sentence]]\nen = 'a'\ntext = ' '\n", r"sentence\[0\]: en and text must be text"),
        ("[[sentence]]\nen = 'a {b}'\ntext = 'c'\n", "must have the fields of"),
        ("[[sentence]]\nen = 'a'\ntext = 'b'\n" * 2, "stands twice"),
    ],
)
def test_malformed_translation_names_file_and_place(
    tmp_path: Path, text: str, complaint: str
) -> None:
    """A translator sees which sentence is meant."""
    path = tmp_path / "xx.toml"
    path.write_text(text)

    with pytest.raises(CatalogueError, match=f"xx.toml.*{complaint}"):
        load_sentences(path)


def test_values_are_put_in_once_and_not_looked_into() -> None:
    """What a log holds cannot reach another field."""
    said = Said("{a} and {b} and {c}", {"a": "{b}", "b": 2})

    assert str(said) == "{b} and 2 and {c}"
