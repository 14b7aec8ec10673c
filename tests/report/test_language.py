"""Every sentence of the pages has its Chinese, and no Chinese is left over."""

from __future__ import annotations

import re
from pathlib import Path

from pytest_verlcompat.issues.catalogue import Role, Stage, Verified
from pytest_verlcompat.model.outcome import Rung
from pytest_verlcompat.report import site_cells, site_gpu, site_pages
from pytest_verlcompat.report.language import load_chinese, marked
from pytest_verlcompat.report.site_space import WORDS
from pytest_verlcompat.report.words import MEANINGS

ROOT = Path(site_pages.__file__).parent
IN_TEMPLATE = re.compile(r'(?:_\(|data-t-label=)"([^"]*)"')
IN_SCRIPT = re.compile(r'(?<![\w.])(?:V\.)?t\(\s*"([^"]*)"')
CHOSEN = {
    # what scripts and templates choose by a value
    *("passed", "failed", "partial", "undecided", "untested", "broken", "suspect"),
    "resolved",
    *("extra", "bare", "today", "release day", "on release day", "verl[engine]", "verl, no extra"),
}


def _sentences() -> set[str]:
    found = set(CHOSEN)
    for path in (ROOT / "templates" / "site").iterdir():
        found |= set(IN_TEMPLATE.findall(path.read_text("utf-8")))
    for path in (ROOT / "site").glob("*.js"):
        found |= set(IN_SCRIPT.findall(path.read_text("utf-8")))
    found |= {*WORDS, *MEANINGS.values(), site_pages.ERRORED[2], *(each.value for each in Rung)}
    found |= {name for _, name in site_pages.PAGES}
    found |= {each.value for kind in (Stage, Role, Verified) for each in kind}
    found |= {title for title, _, _ in site_gpu.MEASURES}
    return found | {title for title, _, _ in site_cells.MEASURES}


def test_every_sentence_is_translated_and_no_other() -> None:
    """A new sentence without Chinese, or Chinese that nothing says, is an error."""
    assert set(load_chinese()) == _sentences()


def test_chinese_holds_chinese() -> None:
    """A translation is not the English again, but for names and signs."""
    same = {english for english, chinese in load_chinese().items() if english == chinese}

    assert same == set()


def test_marked_text_is_escaped_with_its_values() -> None:
    """A value is text in the page and in what the language switch fills in again."""
    found = marked("{0} of {1}", '<b>"', 2)

    assert found == (
        '<span data-t="{0} of {1}" data-a="[&#34;&lt;b&gt;\\&#34;&#34;, &#34;2&#34;]">'
        "&lt;b&gt;&#34; of 2</span>"
    )
