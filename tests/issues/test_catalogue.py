"""The catalogue is read strictly: an error names file and key."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from packaging.version import Version

from pytest_verlcompat.errors import CatalogueError
from pytest_verlcompat.issues.catalogue import (
    ENTRIES,
    Stage,
    Verified,
    load_catalogue,
    parse_entry,
)
from pytest_verlcompat.issues.scan import WORDS
from pytest_verlcompat.wheels.index import IndexClient

if TYPE_CHECKING:
    from pathlib import Path

ENTRY = """
id = "VC900"
title = "A thing breaks another"
stage = "import"
cause = "One. {name} is two."
verified = "source"

[[signature]]
contains = ["rror"]
pattern = 'Error: (?P<name>x+)'

[[affected]]
torch = ">=2"

[[remedy]]
do = "pip install 'torch<2'"
cost = "downgrade"

[precheck]
affected = true

[[source]]
url = "index:torch==2.0.0"
date = "2026-11-20"
"""
NAME = "VC900-thing.toml"


def test_entry_with_every_table_is_read() -> None:
    """What is in the file is in the record."""
    entry = parse_entry(ENTRY, NAME)

    assert (entry.id, entry.slug, entry.stage) == ("VC900", "thing", Stage.IMPORT)
    assert entry.precheck.when == ({"torch": ">=2"},)
    assert entry.signatures[0].contains == ("rror",)


@pytest.mark.parametrize(
    ("change", "where", "message"),
    [
        (('stage = "import"', 'stage = "later"'), "stage", "resolve, install, import"),
        (('cost = "downgrade"', 'costs = "x"'), "remedy[0]: costs", "unknown key"),
        (('cost = "downgrade"', ""), "remedy[0]: cost", "must be text"),
        (('torch = ">=2"', 'torch = "at least 2"'), "affected[0].torch", "PEP 440"),
        (('torch = ">=2"', 'Torch = ">=2"'), "affected[0].Torch", "must be written torch"),
        (('torch = ">=2"', '"env:A" = "1"'), "affected[0].env:A", "'= VALUE'"),
        (('torch = ">=2"', '"module:apex" = "*"'), "affected[0].module:apex", "present or absent"),
        (("(?P<name>x+)", "(x"), "signature[0]", "unterminated"),
        (("{name}", "{other}"), "cause", "no named group"),
        (('"2026-11-20"', '"today"'), "source[0]: date", "YYYY-MM-DD"),
        (("index:torch==2.0.0", "index:torch"), "source[0]: url", "index:NAME==VERSION"),
        (('id = "VC900"', 'id = "VC901"'), "id", "must be named"),
        (('title = "A', 'titel = "A'), "titel", "unknown key"),
        (('contains = ["rror"]', "contains = []"), "signature[0]: contains", "list of texts"),
        (('contains = ["rror"]', 'contains = ["x"]\nword = "x"'), "signature[0]: word", "one of"),
        (("affected = true", "affected = 1"), "precheck: affected", "true or false"),
        (("[precheck]", "[prechecks]"), "prechecks", "unknown key"),
        (("[[remedy]]", "[[remedies]]"), "remedies", "unknown key"),
    ],
)
def test_malformed_entry_is_refused_by_key(
    change: tuple[str, str], where: str, message: str
) -> None:
    """The error says which key of which file, and what it should have been."""
    old, new = change
    assert old in ENTRY

    with pytest.raises(CatalogueError, match=re.escape(message)) as raised:
        parse_entry(ENTRY.replace(old, new), NAME)

    assert NAME in str(raised.value)
    assert where in str(raised.value)


def test_silent_entry_needs_a_rule_and_no_signature() -> None:
    """What prints nothing is found by its rule alone, and nothing else may do without a sample."""
    silent = ENTRY.replace('verified = "source"', 'verified = "source"\nrole = "silent"')
    without = silent.replace(ENTRY[ENTRY.index("[[signature]]") : ENTRY.index("[[affected]]")], "")

    with pytest.raises(CatalogueError, match="a silent failure has a rule"):
        parse_entry(silent, NAME)
    with pytest.raises(CatalogueError, match="no named group"):
        parse_entry(without, NAME)

    assert parse_entry(without.replace("{name}", "It"), NAME).signatures == ()


def test_source_that_nobody_read_again_says_why() -> None:
    """The mark is in the record with its reason; a source without it was read."""
    unread = ENTRY + 'unchecked = "the page is gone"\n'

    assert parse_entry(ENTRY, NAME).sources[0].unchecked is None
    assert parse_entry(unread, NAME).sources[0].unchecked == "the page is gone"
    with pytest.raises(CatalogueError, match="unchecked: must be text"):
        parse_entry(ENTRY + 'unchecked = ""\n', NAME)


def test_text_that_is_not_toml_is_refused() -> None:
    """A syntax error is an error of the file, not a traceback."""
    with pytest.raises(CatalogueError, match="not TOML"):
        parse_entry("id = ", NAME)


def test_two_files_with_one_id_are_refused(tmp_path: Path) -> None:
    """An id is never given twice."""
    (tmp_path / NAME).write_text(ENTRY)
    (tmp_path / "VC900-other.toml").write_text(ENTRY)

    with pytest.raises(CatalogueError, match="also that of"):
        load_catalogue(tmp_path)


def test_shipped_catalogue_is_large_and_gapless() -> None:
    """There are at least 120 entries, and no id is skipped."""
    entries = load_catalogue()

    assert len(entries) >= 120
    assert [each.id for each in entries] == [f"VC{n:03}" for n in range(1, len(entries) + 1)]
    assert sum(each.verified is Verified.REPRODUCED for each in entries) >= 40


def test_shipped_entries_are_written_as_agreed() -> None:
    """Every entry has two sentences of cause, a source with a link, and a rule or a reason."""
    for entry in load_catalogue():
        assert 1 <= len(re.findall(r"[.?](?:\s|$)", entry.cause)) <= 4, entry.id
        assert all(each.url.startswith(("https://", "index:")) for each in entry.sources), entry.id
        assert entry.precheck.when or entry.precheck.note, entry.id
        assert not entry.title.endswith("."), entry.id


def test_scan_needs_few_passes_for_the_shipped_catalogue() -> None:
    """Most signatures stand in lines with one of the common words; each other costs a pass."""
    own = {
        needle
        for entry in load_catalogue()
        for signature in entry.signatures
        for needle in signature.contains
        if signature.word is None and not any(word in needle for word in WORDS)
    }

    assert len(own) <= 20


@pytest.mark.network
def test_released_files_that_sources_name_are_on_the_index() -> None:
    """Every ``index:NAME==VERSION`` is a release there, so a fact can be read again."""
    client = IndexClient.configured()
    named: dict[str, set[Version]] = {}
    for entry in load_catalogue():
        for source in entry.sources:
            if source.url.startswith("index:"):
                name, _, version = source.url.removeprefix("index:").partition("==")
                named.setdefault(name, set()).add(Version(version))

    missing = [
        f"{name}=={version}"
        for name, versions in sorted(named.items())
        for version in versions - {file.version for file in client.releases(name)}
    ]

    assert missing == []


def test_entries_are_shipped_beside_the_code() -> None:
    """The folder is inside the package, so the wheel has it."""
    assert ENTRIES.parent.name == "issues"
    assert len(list(ENTRIES.glob("*.toml"))) == len(load_catalogue())
