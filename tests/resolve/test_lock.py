"""A cell becomes a lock by a real resolution over tiny wheels; one that does not fit is named."""

from __future__ import annotations

import dataclasses
import hashlib
import sys
from typing import TYPE_CHECKING

import packaging.tags
import pytest

from pytest_verlcompat.errors import IndexUnavailableError, LockError
from pytest_verlcompat.resolve.lock import (
    load_lock,
    make_lock,
    render_explanation,
    target_tags,
    unmet_pins,
)
from tests.tiny import MINOR, NO_SUCH_MINOR, TinyIndex, make_cell

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_verlcompat.model.cell import Cell


def _pins(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith("#")]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def cell(tiny_index: TinyIndex) -> Cell:
    """Return a cell that asks for ``alpha``, which wants a ``beta`` below 2."""
    tiny_index.add("alpha", "1.0", requires=["beta<2"])
    tiny_index.add("beta", "1.0")
    tiny_index.add("beta", "2.0")
    return make_cell()


def test_lock_holds_one_hashed_line_a_distribution(
    cell: Cell, tiny_index: TinyIndex, tmp_path: Path
) -> None:
    """The solution is the resolver's, and each line has the digest of the one file it means."""
    lock = make_lock(cell, folder=tmp_path / "locks")

    text = lock.path.read_text()
    alpha = tiny_index.folder / "alpha-1.0-py3-none-any.whl"
    beta = tiny_index.folder / "beta-1.0-py3-none-any.whl"
    assert _pins(text) == [
        f"alpha==1.0 --hash=sha256:{_digest(alpha)}",
        f"beta==1.0 --hash=sha256:{_digest(beta)}",
    ]
    assert lock.versions == {"alpha": "1.0", "beta": "1.0"}
    assert lock.explanation is None
    assert lock.resolver.startswith("uv ")
    assert lock.sha256 == _digest(lock.path)
    assert lock == load_lock(cell, folder=tmp_path / "locks")


def test_lock_names_its_command_and_no_place(cell: Cell, tmp_path: Path) -> None:
    """The file opens with the command that writes it, and says nothing about this machine."""
    text = make_lock(cell, folder=tmp_path / "locks").path.read_text()

    assert text.startswith("# written by: verlcompat lock alpha1.0\n# inputs-sha256: ")
    assert "://" not in text
    assert str(tmp_path) not in text


def test_same_cell_gives_the_same_bytes(cell: Cell, tmp_path: Path) -> None:
    """A second resolution changes nothing, so a diff means that something changed."""
    first = make_lock(cell, folder=tmp_path / "one").path.read_bytes()

    assert make_lock(cell, folder=tmp_path / "two").path.read_bytes() == first


def test_override_replaces_what_metadata_says(cell: Cell, tmp_path: Path) -> None:
    """An override wins over a bound of the metadata, as users write it."""
    forced = dataclasses.replace(cell, overrides=("beta>=2",))

    lock = make_lock(forced, folder=tmp_path / "locks")

    assert lock.versions["beta"] == "2.0"
    assert "# overrides: beta>=2\n" in lock.path.read_text()


def test_conflict_becomes_the_resolvers_explanation(cell: Cell, tmp_path: Path) -> None:
    """Where there is no solution the resolver's own words are kept, a sentence a line."""
    conflict = dataclasses.replace(cell, requirements=("alpha==1.0", "beta==2.0"))

    lock = make_lock(conflict, folder=tmp_path / "locks")

    assert lock.versions == {}
    assert lock.explanation is not None
    first, *rest = lock.explanation.splitlines()
    assert first.startswith("Because all versions of alpha depend on beta<2")
    assert rest == [
        (
            "And because you require beta==2.0, we can conclude that your requirements are "
            "unsatisfiable."
        )
    ]
    assert lock.path.name == "unresolvable.txt"


def test_new_answer_replaces_the_old_of_the_other_kind(cell: Cell, tmp_path: Path) -> None:
    """A cell has a lock or an explanation, never both."""
    conflict = dataclasses.replace(cell, requirements=("alpha==1.0", "beta==2.0"))
    for each in (cell, conflict, cell):
        lock = make_lock(each, folder=tmp_path)

        assert [path.name for path in (tmp_path / cell.id).iterdir()] == [lock.path.name]


def test_conflict_is_found_for_a_python_that_is_not_here(cell: Cell, tmp_path: Path) -> None:
    """To resolve for a Python nothing of it is needed, and nothing is downloaded."""
    conflict = dataclasses.replace(
        cell, requirements=("alpha==1.0", "beta==2.0"), python=NO_SUCH_MINOR
    )

    lock = make_lock(conflict, folder=tmp_path)

    assert lock.explanation is not None
    assert lock.explanation.startswith("Because ")


def test_distribution_the_index_does_not_have_is_no_solution(cell: Cell, tmp_path: Path) -> None:
    """A release that does not exist is the metadata's answer, not a failure of the index."""
    absent = dataclasses.replace(cell, requirements=("alpha==9.0",))

    lock = make_lock(absent, folder=tmp_path)

    assert lock.explanation is not None
    assert "alpha==9.0" in lock.explanation


def test_index_that_cannot_be_reached_leaves_the_old_lock(
    cell: Cell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an answer nothing is written: neither a lock nor a false "no solution"."""
    before = make_lock(cell, folder=tmp_path / "locks").path.read_bytes()
    monkeypatch.delenv("UV_NO_INDEX")
    monkeypatch.delenv("UV_FIND_LINKS")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")

    with pytest.raises(IndexUnavailableError, match="could not be asked about alpha"):
        make_lock(cell, folder=tmp_path / "locks")

    assert load_lock(cell, folder=tmp_path / "locks").path.read_bytes() == before


def test_offline_without_a_cache_is_not_called_unresolvable(
    cell: Cell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A resolver that may not ask the network says nothing about the stack."""
    monkeypatch.delenv("UV_NO_INDEX")
    monkeypatch.delenv("UV_FIND_LINKS")
    monkeypatch.setenv("UV_OFFLINE", "1")

    with pytest.raises(IndexUnavailableError):
        make_lock(cell, folder=tmp_path / "locks")

    assert not (tmp_path / "locks" / cell.id / "unresolvable.txt").exists()


def test_requirement_uv_cannot_read_is_a_lock_error(cell: Cell, tmp_path: Path) -> None:
    """What is neither yes nor no is told with uv's last line."""
    broken = dataclasses.replace(cell, requirements=("alpha==1.0", "not a requirement"))

    with pytest.raises(LockError, match=r"alpha1\.0: uv ended with 2: "):
        make_lock(broken, folder=tmp_path)


def test_wheel_is_chosen_as_installers_choose(cell: Cell, tiny_index: TinyIndex) -> None:
    """The most specific tag wins, then the highest build number; other machines' never do."""
    tagged = {
        "1.5-py3-none-any": "any",
        "1.5-cp312-cp312-manylinux_2_17_x86_64": "old glibc",
        "1.5-1-cp312-cp312-manylinux_2_28_x86_64": "build 1",
        "1.5-10a-cp312-cp312-manylinux_2_28_x86_64": "build 10",
        "1.5-9-cp312-cp312-manylinux_2_28_x86_64": "build 9",
        "1.5-99-cp312-cp312-manylinux_2_39_x86_64": "newer glibc",
        "1.5-99-cp313-cp313-manylinux_2_28_x86_64": "other Python",
        "1.5-99-cp312-cp312-manylinux_2_28_aarch64": "other machine",
        "1.5-99-cp312-cp312-win_amd64": "other system",
    }
    for stem, words in tagged.items():
        _, _, tags = stem.partition("-")
        path = tiny_index.add("gamma", "1.5", tags=tags, files={"gamma/why.txt": words})
        assert path.name == f"gamma-{stem}.whl"
    asked = dataclasses.replace(cell, requirements=("gamma==1.5",), python="3.12")

    lock = make_lock(asked, folder=tiny_index.folder.parent / "locks")

    chosen = tiny_index.folder / "gamma-1.5-10a-cp312-cp312-manylinux_2_28_x86_64.whl"
    assert _pins(lock.path.read_text()) == [f"gamma==1.5 --hash=sha256:{_digest(chosen)}"]


def test_release_for_other_machines_only_is_not_locked(
    cell: Cell, tiny_index: TinyIndex, tmp_path: Path
) -> None:
    """A release without a file for the target never gets a lock that cannot be installed."""
    tiny_index.add("gamma", "1.5", tags="cp312-cp312-win_amd64")
    asked = dataclasses.replace(cell, requirements=("gamma==1.5",), python="3.12")

    lock = make_lock(asked, folder=tmp_path / "locks")

    assert lock.explanation is not None
    assert "gamma" in lock.explanation


def test_local_version_is_kept(cell: Cell, tiny_index: TinyIndex, tmp_path: Path) -> None:
    """``2.8.0+cu128`` is another build than ``2.8.0``, and its file name is understood."""
    tiny_index.add("gamma", "2.8.0+cu128")
    asked = dataclasses.replace(cell, requirements=("gamma==2.8.0",))

    lock = make_lock(asked, folder=tmp_path / "locks")

    assert lock.versions == {"gamma": "2.8.0+cu128"}
    assert unmet_pins(asked, lock) == ()


@pytest.mark.skipif(sys.platform != "linux", reason="compares with the tags of a Linux machine")
def test_tags_of_a_target_are_those_of_packaging() -> None:
    """For this interpreter and its C library, order and content agree with packaging.tags."""
    here = list(packaging.tags.sys_tags())
    newest = next(tag.platform for tag in here if tag.platform.startswith("manylinux_2_"))
    _, _, minor, architecture = newest.split("_", 3)

    made = target_tags(MINOR, f"{architecture}-manylinux_2_{minor}")

    # Releases of packaging differ in where the bare "linux" tag stands; installers never meet it.
    assert set(made) == set(here)
    assert [tag for tag in sorted(made, key=made.__getitem__) if "-linux_" not in str(tag)] == [
        tag for tag in here if "-linux_" not in str(tag)
    ]


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        (
            (
                "error: No solution found when resolving dependencies\n"
                "  cause: Because a==1 depends on b<2 and you require\n"
                "         a==1, we can conclude that you require b<2.\n"
                "         And because you require b==2, we can conclude that your requirements\n"
                "         are unsatisfiable.\n"
            ),
            (
                "Because a==1 depends on b<2 and you require a==1, we can conclude that you "
                "require b<2.\n"
                "And because you require b==2, we can conclude that your requirements are "
                "unsatisfiable."
            ),
        ),
        (
            (
                "  \u00d7 No solution found when resolving dependencies:\n"
                "  ╰─▶ Because a==1.0.0. depends on b<2\n"
                "      and you require a, we are done.\n"
            ),
            "Because a==1.0.0. depends on b<2 and you require a, we are done.",
        ),
    ],
)
def test_explanation_is_freed_of_its_frame(messages: str, text: str) -> None:
    """Both ways in which uv frames its words give the same plain sentences."""
    assert render_explanation(messages) == text


def test_hint_of_the_resolver_stands_on_its_own_line() -> None:
    """What uv suggests is not glued to what it concluded."""
    said = (
        "error: No solution found when resolving dependencies\n"
        "  cause: Because only a<2 is available, we can conclude that it fails.\n\n"
        "hint: Pre-releases are available for a.\n"
    )

    assert render_explanation(said).splitlines() == [
        "Because only a<2 is available, we can conclude that it fails.",
        "hint: Pre-releases are available for a.",
    ]


@pytest.fixture
def locks(tmp_path: Path) -> Path:
    """Return a folder with the lock of `make_cell`, written by hand."""
    folder = tmp_path / "locks"
    path = folder / "alpha1.0" / "requirements.txt"
    path.parent.mkdir(parents=True)
    head = f"# written by: verlcompat lock alpha1.0\n# inputs-sha256: {make_cell().inputs_sha256}\n"
    path.write_text(f"{head}# resolver: uv 1\nal_pha==1.0 --hash=sha256:00\n")
    return folder


def test_missing_lock_says_how_to_get_it(tmp_path: Path) -> None:
    """A cell without a lock names the command that writes it."""
    with pytest.raises(LockError, match=r"^locks/alpha1\.0: missing; run: verlcompat lock alpha1"):
        load_lock(make_cell(), folder=tmp_path)


def test_lock_of_other_inputs_says_how_to_renew_it(locks: Path) -> None:
    """A cell that was edited after its lock was made is not probed under the old one."""
    edited = make_cell(as_of="2026-02-01")

    with pytest.raises(LockError, match=r"requirements\.txt: was made for other inputs.*run: verl"):
        load_lock(edited, folder=locks)


def test_lock_without_a_header_is_refused(locks: Path) -> None:
    """A file that was not written by us is not taken for a lock."""
    (locks / "alpha1.0" / "requirements.txt").write_text("alpha==1.0\n")

    with pytest.raises(LockError, match="other inputs"):
        load_lock(make_cell(), folder=locks)


def test_lock_without_pins_is_refused(locks: Path) -> None:
    """An emptied lock would build an empty environment, so it is an error."""
    path = locks / "alpha1.0" / "requirements.txt"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")

    with pytest.raises(LockError, match="holds no pins; run: verlcompat lock alpha"):
        load_lock(make_cell(), folder=locks)


def test_lock_that_is_no_text_is_refused(locks: Path) -> None:
    """Damage is said with the file's name."""
    (locks / "alpha1.0" / "requirements.txt").write_bytes(b"\xff\xfe")

    with pytest.raises(LockError, match=r"locks/alpha1\.0/requirements\.txt: cannot be read"):
        load_lock(make_cell(), folder=locks)


def test_names_in_a_lock_are_normalized(locks: Path) -> None:
    """``al_pha`` and ``al-pha`` are one distribution."""
    assert load_lock(make_cell(), folder=locks).versions == {"al-pha": "1.0"}


def test_pins_the_lock_does_not_hold_are_named(locks: Path) -> None:
    """A lock that was edited by hand does not pass for the cell's."""
    lock = load_lock(make_cell(), folder=locks)
    cell = make_cell(requirements=("al.pha==1.0", "al-pha>=2", "beta==1.0"))

    assert unmet_pins(cell, lock) == ("al-pha>=2", "beta==1.0")
