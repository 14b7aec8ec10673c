"""Mark text for the language switch: a page holds English, a file beside it the Chinese.

A sentence is its own key; ``{0}`` stands for a value in both languages.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from pytest_verlcompat.issues.language import load_sentences
from pytest_verlcompat.report.inert import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

SENTENCES = Path(__file__).parent / "languages" / "zh_CN.toml"
_PLACE = re.compile(r"\{(\d)\}")


def marked(text: str, *values: object) -> Markup:
    """Return *text* as an element that the language switch knows."""
    texts = [printable(str(each)) for each in values]
    filled = _PLACE.sub(lambda found: texts[int(found[1])], text)
    if not values:
        return Markup("<span data-t>{}</span>").format(filled)
    return Markup('<span data-t="{}" data-a="{}">{}</span>').format(
        text, json.dumps(texts, ensure_ascii=False), filled
    )


def load_chinese() -> Mapping[str, str]:
    """Return English to Simplified Chinese for every sentence of the pages."""
    return load_sentences(SENTENCES)
