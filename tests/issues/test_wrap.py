"""Lines fit the terminal, in English and in Chinese."""

from __future__ import annotations

import textwrap

from hypothesis import given
from hypothesis import strategies as st

from pytest_verlcompat.issues.wrap import columns, wrap

CHINESE = "verl 靠 sleep mode 在 rollout 与训练之间共用显存（见下），它断言变量没有启用 segments。"


def test_english_is_wrapped_as_the_standard_library_does() -> None:
    """Nothing changes for text without wide characters."""
    text = "a well-known sentence of some words " * 5

    assert wrap(text, width=30) == textwrap.wrap(text, 30)


def test_chinese_fits_and_no_line_begins_with_a_comma() -> None:
    """A wide character counts twice, and marks stay with the text they close or open."""
    for width in range(12, 60):
        lines = wrap(CHINESE, width=width)

        assert max(map(columns, lines)) <= width
        assert not any(line[0] in "，。）" or line[-1] == "（" for line in lines)


@given(st.text(alphabet="ab 中，（ ", max_size=80), st.integers(8, 40))
def test_nothing_is_lost(text: str, width: int) -> None:
    """Whatever is wrapped, only spaces may go."""
    assert "".join(wrap(text, width=width)).replace(" ", "") == text.replace(" ", "")
