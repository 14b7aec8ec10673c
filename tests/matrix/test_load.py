"""What is declared loads strictly: every mistake names file, key, what was found, what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.errors import MatrixError
from pytest_verlcompat.matrix.load import load_matrix
from pytest_verlcompat.model.verdict import VerdictKind
from pytest_verlcompat.resolve.lock import load_lock, unmet_pins
from tests.conftest import ROOT
from tests.tiny import MINOR, TinyWorkspace

if TYPE_CHECKING:
    from pathlib import Path

CELL = f"alpha1.0-python{MINOR}-2026-01-01"
GOOD = f"""\
title = "t"
expected = "compatible"
reason = "r"

[values]
alpha = "1.0"
python = "{MINOR}"
as-of = "2026-01-01"
"""


@pytest.fixture
def checkout(tmp_path: Path) -> TinyWorkspace:
    """Return a checkout with axes and one good cell."""
    made = TinyWorkspace(root=tmp_path)
    made.declare_axes()
    made.write(f"matrix/cells/{CELL}.toml", GOOD)
    return made


def test_cell_is_loaded_with_defaults_pins_and_digest(checkout: TinyWorkspace) -> None:
    """A cell knows its values, what to resolve, and for what Python, platform and day."""
    cell = checkout.matrix().cells[CELL]

    assert cell.values["platform"] == "x86_64-manylinux_2_35"
    assert cell.requirements == ("alpha==1.0",)
    assert (cell.python, cell.platform, cell.as_of) == (
        MINOR,
        "x86_64-manylinux_2_35",
        "2026-01-01",
    )
    assert cell.expected is VerdictKind.COMPATIBLE
    assert cell.failing is None


def test_extras_requirements_and_overrides_enter_the_request(checkout: TinyWorkspace) -> None:
    """What a user would type beside the pins is asked for too."""
    checkout.write(
        f"matrix/cells/{CELL}.toml",
        GOOD
        + '[resolve]\nextras = { alpha = "fast geo" }\n'
        + 'requirements = ["beta>=1"]\noverrides = ["beta<2"]',
    )

    cell = checkout.matrix().cells[CELL]

    assert cell.requirements == ("alpha[fast,geo]==1.0", "beta>=1")
    assert cell.overrides == ("beta<2",)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("title", "titel", "title: missing; add it"),
        ('"t"', '"t"\ncolour = "red"', r"colour: unknown key.*Known keys: .*expected"),
        ('"t"', "3", "title: found a number 3; write a quoted string"),
        ('"compatible"', '"fine"', "expected: found 'fine'; write one of compatible, conditional"),
        ("[values]", 'failing = "x"\n[values]', "failing: found 'x'; write a list of quoted"),
        ("[values]", "[values", "is not TOML: "),
        ('"1.0"', '"1.2"', r"values.alpha: '1.2' is not declared; nearest: 1.*axes/alpha.toml"),
        ('"1.0"', "1.0", "values.alpha: found a number 1.0; write it in quotes"),
        ("alpha =", "alhpa =", "values.alhpa: is no axis; there are alpha, as-of, beta"),
        ("as-of", "#", "values: name a value of as-of"),
        ("python =", "#", "values: name a value of python"),
        ("[values]", '[resolve]\nextra = "x"\n[values]', "resolve: extra: unknown key"),
        (
            "[values]",
            '[resolve]\nextras = { beta = "x" }\n[values]',
            "resolve.extras.beta: is no axis of this cell; pin it first",
        ),
        (
            "[values]",
            '[resolve]\nrequirements = ["beta=>2"]\n[values]',
            r"resolve: requirements\[0\]: 'beta=>2' is not PEP 508",
        ),
        (
            "[values]",
            '[resolve]\noverrides = ["beta", "!"]\n[values]',
            r"resolve: overrides\[1\]: '!' is not PEP 508",
        ),
        ('[values]\nalpha = "1.0"', '[values]\nalpha = "1.1"', "values: make this cell 'alpha1.1"),
    ],
)
def test_mistake_in_a_cell_says_where_and_what(
    checkout: TinyWorkspace, old: str, new: str, said: str
) -> None:
    """File, key, what was found and what to do, in one line."""
    assert old in GOOD
    checkout.write(f"matrix/cells/{CELL}.toml", GOOD.replace(old, new, 1))

    with pytest.raises(MatrixError, match=said) as caught:
        checkout.matrix()

    assert str(caught.value).startswith(f"cells/{CELL}.toml: ")


AXIS = """\
kind = "distribution"
place = 5
label = "gamma"
source = "tests"
distribution = "gamma"

[[values]]
value = "1.0"
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("source", "sauce", "source: missing; add it"),
        ('"distribution"', '"magic"', "kind: found 'magic'; write one of distribution, python"),
        ('distribution = "gamma"', "", "distribution: missing; add it"),
        ("place = 5", 'place = "5"', "place: found a string '5'; write a whole number"),
        ("place = 5", "place = 0", "place: 0 is taken by alpha; a cell id needs one order"),
        ('"1.0"', '"one"', r"values\[0\]: value: 'one' is not a PEP 440 version"),
        ('"1.0"', '"v1.0"', r"values\[0\]: value: 'v1.0': write it without a leading 'v'"),
        ('"1.0"', "1.0", r"values\[0\]: value: found a number 1.0; write a quoted string"),
        ('"1.0"', '"1.0"\n[[values]]\nvalue = "1.0"', "values: '1.0' stands there twice"),
        ("place", 'default = "2.0"\nplace', "default: '2.0' is not among the values; add it"),
        ("place", 'color = "red"\nplace', "color: unknown key"),
        ("[[values]]", "[values]", r"values: found a dict; write \[\[values\]\] tables"),
        ('"distribution"\n', '"python"\n', r"value: '1.0' is not a minor version such as '3.12'"),
        ('"distribution"\n', '"date"\n', r"value: '1.0' is not a day written YYYY-MM-DD"),
    ],
)
def test_mistake_in_an_axis_says_where_and_what(
    checkout: TinyWorkspace, old: str, new: str, said: str
) -> None:
    """File, key, what was found and what to do, in one line."""
    assert old in AXIS
    text = AXIS.replace(old, new, 1)
    if new in {'"python"\n', '"date"\n'}:
        text = text.replace('distribution = "gamma"\n', "")
    checkout.write("matrix/axes/gamma.toml", text)

    with pytest.raises(MatrixError, match=said) as caught:
        checkout.matrix()

    assert str(caught.value).startswith("axes/gamma.toml: ")


@pytest.mark.parametrize("day", ["2026-02-30", "2026-1-1", "20260101", "today"])
def test_day_that_is_none_is_refused(checkout: TinyWorkspace, day: str) -> None:
    """Only days that were, written one way, so that equal cells have equal ids."""
    checkout.write_axis("as-of", kind="date", place=30, texts=[day])

    with pytest.raises(MatrixError, match=f"'{day}' is not a day written YYYY-MM-DD"):
        checkout.matrix()


@pytest.mark.parametrize("triple", ["linux", "x86_64-musllinux_1_2", "x86_64-manylinux_2_x", ""])
def test_platform_that_wheels_cannot_be_chosen_for_is_refused(
    checkout: TinyWorkspace, triple: str
) -> None:
    """A platform that the lock could not be made for is said at load, not deep in a resolution."""
    checkout.write_axis("platform", kind="platform", place=20, texts=[triple])

    with pytest.raises(MatrixError, match=r"axes/platform.toml: values\[0\]: value"):
        checkout.matrix()


def test_value_that_follows_from_the_lock_cannot_be_pinned(checkout: TinyWorkspace) -> None:
    """An observed axis is reported and never asked for."""
    checkout.write_axis("cuda", kind="observed", place=40, texts=["12.8"])
    checkout.write(f"matrix/cells/{CELL}.toml", GOOD + 'cuda = "12.8"')

    with pytest.raises(MatrixError, match=r"values\.cuda: follows from the lock.*remove it"):
        checkout.matrix()


def test_file_that_is_no_text_is_refused(checkout: TinyWorkspace) -> None:
    """Bytes that are no UTF-8 are a mistake in that file, not a crash."""
    (checkout.root / f"matrix/cells/{CELL}.toml").write_bytes(b"title = '\xff'")

    with pytest.raises(MatrixError, match=f"cells/{CELL}.toml: is not TOML"):
        checkout.matrix()


def test_folder_without_axes_says_where_to_run(tmp_path: Path) -> None:
    """A command in the wrong folder says what it looked for."""
    with pytest.raises(MatrixError, match=r"no axes/ in it; run this in a checkout .*--root"):
        load_matrix(tmp_path / "matrix")


def test_matrix_of_this_repository_loads_and_every_cell_has_its_lock() -> None:
    """What is committed is whole: each cell's lock was made for it and holds its pins."""
    matrix = load_matrix(ROOT / "matrix")

    assert matrix.cells
    for cell in matrix.cells.values():
        lock = load_lock(cell, folder=ROOT / "matrix" / "locks")

        if cell.expected is not None:
            assert (cell.expected is VerdictKind.UNRESOLVABLE) == (lock.explanation is not None)
        if lock.explanation is None:
            assert unmet_pins(cell, lock) == ()


def test_lock_folders_of_this_repository_all_have_a_cell() -> None:
    """No lock is left over from a cell that is gone."""
    matrix = load_matrix(ROOT / "matrix")

    assert {path.name for path in (ROOT / "matrix" / "locks").iterdir()} == set(matrix.cells)


def test_locks_and_cells_name_no_host() -> None:
    """Whoever builds from a lock uses an index of their own, so no file address is kept."""
    for path in sorted((ROOT / "matrix" / "locks").rglob("*.txt")):
        assert "://" not in path.read_text(), path.name
