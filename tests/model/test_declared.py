"""A declared table says where a mistake is, what was found and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.errors import MatrixError, UsageError
from pytest_verlcompat.model.declared import Table

if TYPE_CHECKING:
    from collections.abc import Callable


def _table(**body: object) -> Table:
    return Table(body, where="cells/x.toml")


def test_values_are_returned_as_declared() -> None:
    """Every kind of value is read, defaults where a key may be missing."""
    table = _table(
        text="a", number=3, texts=["a", "b"], words={"a": "b"}, inner={"c": "d"}, rows=[{"e": "f"}]
    )

    assert table.text("text") == "a"
    assert table.number("number") == 3
    assert table.texts("texts") == ("a", "b")
    assert table.text_map("words") == {"a": "b"}
    assert table.table("inner").text("c") == "d"
    assert [row.text("e") for row in table.tables("rows")] == ["f"]
    assert table.text("missing", default="") == ""
    assert table.optional_text("missing") is None
    assert table.texts("missing") == ()
    assert table.text_map("missing") == {}
    assert table.tables("missing") == []
    assert not table.has("missing")
    table.close()


@pytest.mark.parametrize(
    ("read", "said"),
    [
        (lambda table: table.text("absent"), "cells/x.toml: absent: missing; add it"),
        (lambda table: table.number("absent"), "cells/x.toml: absent: missing; add it"),
        (lambda table: table.text("number"), "number: found a number 3; write a quoted string"),
        (lambda table: table.text("empty"), "empty: found a string ''; write a quoted string"),
        (lambda table: table.number("flag"), "flag: found a boolean True; write a whole number"),
        (lambda table: table.number("text"), "text: found a string 'a'; write a whole number"),
        (lambda table: table.texts("text"), "text: found 'a'; write a list of quoted strings"),
        (lambda table: table.texts("mixed"), "mixed: found .*; write a list of quoted strings"),
        (lambda table: table.text_map("text"), "text: found a string; write a table"),
        (lambda table: table.text_map("words"), "words.a: found a number 3.5; write it in quotes"),
        (lambda table: table.table("text"), "cells/x.toml: text: found a string; write a table"),
        (lambda table: table.tables("text"), r"text: found a string; write \[\[text\]\] tables"),
        (lambda table: table.tables("mixed"), r"mixed\[0\]: found a string; write a table"),
    ],
)
def test_mistake_names_file_key_and_what_was_found(
    read: Callable[[Table], object], said: str
) -> None:
    """The reader of an error can open the file and mend it without asking."""
    table = _table(
        text="a", number=3, empty="", flag=True, mixed=["a", 1], words={"a": 3.5}, inner={}
    )

    with pytest.raises(MatrixError, match=said):
        read(table)


def test_key_nobody_took_is_an_error_with_the_nearest() -> None:
    """A misspelt key is not silently without effect."""
    table = _table(titel="x", title="y")
    table.text("title")

    with pytest.raises(MatrixError, match=r"titel: unknown key; did you mean 'title'\?.*title"):
        table.close()


def test_unknown_key_without_a_near_one_lists_the_known() -> None:
    """Where nothing is near, the reader is told what there is."""
    table = _table(zzz=1, title="y")
    table.text("title")

    with pytest.raises(MatrixError, match=r"zzz: unknown key\. Known keys: title$"):
        table.close()


def test_remaining_takes_what_is_left() -> None:
    """Facts of discovery may have any key, and none is reported as unknown."""
    table = _table(value="1", yanked=False)
    table.text("value")

    assert table.remaining() == {"yanked": False}
    table.close()


def test_error_class_is_the_callers() -> None:
    """Other rooms raise their own error with the same words."""
    with pytest.raises(UsageError, match="x: found a list; write a table"):
        Table([], where="x", error=UsageError)
