"""Every README says the same: commands, headings and links of the English one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pytest_verlcompat.issues.language import list_languages, load_sentences
from pytest_verlcompat.model.verdict import VerdictKind
from pytest_verlcompat.report import render_markdown, words
from pytest_verlcompat.report.words import TRANSLATIONS

ROOT = Path(__file__).parent.parent.parent
ENGLISH = (ROOT / "README.md").read_text("utf-8")
OTHERS = [name.replace("_", "-") for name in list_languages(TRANSLATIONS) if name != "en"]


def _without_table(text: str) -> str:
    """Return *text* without what ``verlcompat report`` writes into it."""
    return re.sub(r"(?s)<!-- table: .*<!-- end of table -->", "", text)


def _commands(text: str) -> list[str]:
    """Return the lines of every fenced block, without their comments."""
    blocks = re.findall(r"(?s)^```\w*\n(.*?)^```$", text, flags=re.MULTILINE)
    lines = [line for block in blocks for line in block.splitlines()]
    return [re.sub(r"\s+# .*", "", line).rstrip() for line in lines]


def _headings(text: str) -> list[int]:
    """Return the level of every heading in order."""
    outside = re.sub(r"(?ms)^```.*?^```$", "", text)
    return [len(each) for each in re.findall(r"^(#+) ", outside, flags=re.MULTILINE)]


@pytest.fixture(params=OTHERS)
def other(request: pytest.FixtureRequest) -> str:
    """Return the README in another language, without its table."""
    text = (ROOT / f"README.{request.param}.md").read_text("utf-8")
    return _without_table(text)


def test_commands_and_headings_are_those_of_the_english_readme(other: str) -> None:
    """Whoever changes a command or a section changes it everywhere."""
    english = _without_table(ENGLISH)

    assert _commands(other) == _commands(english)
    assert _headings(other) == _headings(english)


def test_names_of_commands_options_and_files_are_all_there(other: str) -> None:
    """What stands between backticks is typed, and so is the same in every language."""
    typed = re.compile(r"`([^`\n]+)`")
    missing = set(typed.findall(_without_table(ENGLISH))) - set(typed.findall(other))
    links = re.compile(r"\]\(([^)]+)\)")

    assert missing == set()
    assert {each for each in links.findall(ENGLISH) if "zh-CN" not in each} <= set(
        links.findall(other)
    )


def test_exit_statuses_are_those_of_the_english_readme(other: str) -> None:
    """Numbers of the section on exit statuses, in order."""
    sections = [_without_table(text).split("\n## ") for text in (ENGLISH, other)]
    (place,) = [at for at, each in enumerate(sections[0]) if each.startswith("Exit statuses\n")]

    english, translated = (re.findall(r"\d+", each[place].partition("\n")[2]) for each in sections)

    assert translated == english
    assert len(english) > 10


@pytest.mark.parametrize("name", OTHERS)
def test_readme_in_another_language_has_the_table(name: str) -> None:
    """Its marks are there, and what stands between them is in that language."""
    text = (ROOT / f"README.{name}.md").read_text("utf-8")
    sentences = load_sentences(TRANSLATIONS / f"{name.replace('-', '_')}.toml")

    rows = text.partition("<!-- table: written by verlcompat report -->")[2].splitlines()
    assert sentences["verdict"] in rows[1]
    assert any(sentences["compatible"] in row for row in rows)


@pytest.mark.parametrize("name", OTHERS)
def test_words_of_the_table_are_all_translated_and_none_besides(name: str) -> None:
    """A sentence that was changed in the code is named here."""
    sentences = load_sentences(TRANSLATIONS / f"{name.replace('-', '_')}.toml")
    said = {kind.value for kind in VerdictKind}
    for module in (words, render_markdown):
        source = Path(str(module.__file__)).read_text("utf-8")
        said |= {each for each in sentences if f'"{each}"' in source}

    assert set(sentences) == said


@pytest.mark.parametrize("name", OTHERS)
def test_verdict_has_one_word_wherever_it_is_shown(name: str) -> None:
    """Table, page and README say the same, whichever file the word comes from."""
    files = (ROOT / "pytest_verlcompat").rglob(f"{name.replace('-', '_')}.toml")
    said = [load_sentences(path) for path in files]

    for kind in VerdictKind:
        assert len({each[kind.value] for each in said if kind.value in each}) == 1
