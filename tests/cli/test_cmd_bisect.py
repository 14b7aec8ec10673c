"""``verlcompat bisect`` builds real environments and names what broke the stack."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.resolve.lock import make_lock
from tests.resolve.simple_site import SimpleSite, serve, use_alone
from tests.tiny import MINOR, TinyWorkspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BREAKS_AT = "1.5"
PROBE = f"""
    from importlib.metadata import version
    if tuple(map(int, version("alpha").split("."))) >= {tuple(map(int, BREAKS_AT.split(".")))}:
        raise RuntimeError("alpha is too new")
    return {{}}
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleSite]:
    """Yield an index with ten releases of alpha, one a day, and beta that takes any."""
    with serve(tmp_path / "files") as found:
        use_alone(found, monkeypatch, scratch=tmp_path)
        for minor in range(10):
            found.add("alpha", f"1.{minor}", uploaded=f"2025-03-{minor + 1:02d}")
        found.add("beta", "1.0", requires=["alpha"], uploaded="2025-01-01")
        yield found


@pytest.fixture
def stack(site: SimpleSite, tmp_path: Path) -> tuple[TinyWorkspace, str]:
    """Return a checkout and a cell that is locked to the newest alpha of 2025-03-10."""
    workspace = TinyWorkspace(root=tmp_path / "checkout")
    for place, (name, texts) in enumerate({"alpha": ["1.0"], "beta": ["1.0"]}.items()):
        workspace.write_axis(name, kind="distribution", place=place, texts=texts, distribution=name)
    triple = "x86_64-manylinux_2_35"
    workspace.write_axis("python", kind="python", place=10, texts=[MINOR], label="python")
    workspace.write_axis("platform", kind="platform", place=20, texts=[triple], default=triple)
    workspace.write_axis("as-of", kind="date", place=30, texts=["2025-03-10"], label="")
    cell_id = f"beta1.0-python{MINOR}-2025-03-10"
    workspace.write(
        f"matrix/cells/{cell_id}.toml",
        'title = "t"\nexpected = "compatible"\nreason = "r"\n[values]\nbeta = "1.0"\n'
        f'python = "{MINOR}"\nas-of = "2025-03-10"\n',
    )
    workspace.write_probe("works", PROBE, DISTRIBUTIONS=("beta",))
    make_lock(workspace.matrix().cells[cell_id], folder=workspace.workspace.locks)
    return workspace, cell_id


def bisect(workspace: TinyWorkspace, *words: str) -> subprocess.CompletedProcess[str]:
    """Return how ``verlcompat bisect`` ended in that checkout."""
    return subprocess.run(
        workspace.command("bisect", *words), capture_output=True, text=True, check=False
    )


def test_release_that_broke_it_is_found(stack: tuple[TinyWorkspace, str]) -> None:
    """First bad, last good, what changed, and no more builds than promised."""
    workspace, cell_id = stack

    ended = bisect(workspace, cell_id, "--axis", "alpha", "--good", "1.0", "--probe", "works")

    assert ended.returncode == 0, ended.stderr
    assert f"alpha {BREAKS_AT} is the first bad\nlast good: 1.4" in ended.stdout
    assert "cause: RuntimeError: alpha is too new" in ended.stdout
    assert "changed between: alpha 1.4 -> 1.5" in ended.stdout
    built = int(ended.stdout.rpartition("\n\n")[2].split(" environments built")[0].split()[-1])
    assert built <= 4
    left = workspace.workspace.local.glob("bisect/*/environments/*/pyvenv.cfg")
    assert not list(left)


def test_day_that_broke_it_is_found_and_equal_sets_are_built_once(
    stack: tuple[TinyWorkspace, str],
) -> None:
    """On most days nothing comes out, so their sets are those of other days."""
    workspace, cell_id = stack
    words = ("--axis", "date", "--good", "2025-03-01", "--bad", "2025-12-31", "--probe", "works")

    ended = bisect(workspace, cell_id, *words)

    assert ended.returncode == 0, ended.stderr
    assert "date 2025-03-06 is the first bad\nlast good: 2025-03-05" in ended.stdout
    assert "changed between: alpha 1.4 -> 1.5" in ended.stdout
    assert "the same set as" in ended.stdout or "alpha is too new" in ended.stdout
    log = next(workspace.workspace.local.glob("bisect/*/log.jsonl"))
    looks = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    sets = [look["versions"]["alpha"] for look in looks if look["built"]]
    assert len(sets) == len(set(sets))


def test_second_call_builds_nothing(stack: tuple[TinyWorkspace, str]) -> None:
    """What was found out is on the disk; --log shows it and --reset forgets it."""
    workspace, cell_id = stack
    words = (cell_id, "--axis", "alpha", "--good", "1.0", "--probe", "works")
    bisect(workspace, *words)

    again = bisect(workspace, *words)
    log = bisect(workspace, *words, "--log")
    reset = bisect(workspace, *words, "--reset")
    empty = bisect(workspace, *words, "--log")

    assert "0 points looked at now" in again.stdout
    assert f"alpha {BREAKS_AT} is the first bad" in again.stdout
    assert "# bad: alpha 1.5  RuntimeError: alpha is too new" in log.stdout
    assert (reset.returncode, empty.stdout) == (0, "")


def test_release_that_cannot_be_built_is_skipped(
    stack: tuple[TinyWorkspace, str], site: SimpleSite
) -> None:
    """It stands between the answers, and is named."""
    workspace, cell_id = stack
    site.pages["alpha"] = [entry for entry in site.pages["alpha"] if "1.4" not in entry.filename]
    site.add_sdist("alpha", "1.4", files={"pyproject.toml": "[build-system]\nrequires = 3\n"})

    ended = bisect(workspace, cell_id, "--axis", "alpha", "--good", "1.0", "--probe", "works")

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "[1.4] is skip" in ended.stdout
    assert "is 1.5, or one of those that had to be skipped: 1.4" in ended.stdout


def test_points_built_side_by_side_find_the_same(stack: tuple[TinyWorkspace, str]) -> None:
    """Two at once cost builds and no answer."""
    workspace, cell_id = stack
    words = ("--axis", "alpha", "--good", "1.0", "--probe", "works", "--jobs", "2")

    ended = bisect(workspace, cell_id, *words)

    assert ended.returncode == 0, ended.stderr
    assert f"alpha {BREAKS_AT} is the first bad\nlast good: 1.4" in ended.stdout


def test_script_judges_by_its_exit_status(stack: tuple[TinyWorkspace, str], tmp_path: Path) -> None:
    """As ``git bisect run`` has it: 0 good, 125 skip, others bad."""
    workspace, cell_id = stack
    script = tmp_path / "judge.py"
    script.write_text(
        "import sys\nfrom importlib.metadata import version\nminor = int(version('alpha')[2:])\n"
        "sys.exit({5: 125}.get(minor, 3 if minor > 5 else 0))\n"
    )

    ended = bisect(
        workspace, cell_id, "--axis", "alpha", "--good", "1.2", "--bad", "1.8", "--run", str(script)
    )

    assert ended.returncode == 0, ended.stderr
    assert "is 1.6, or one of those that had to be skipped: 1.5" in ended.stdout


def test_nothing_bad_between_ends_with_1(stack: tuple[TinyWorkspace, str]) -> None:
    """Then it fails for another reason."""
    workspace, cell_id = stack

    ended = bisect(
        workspace, cell_id, "--axis", "alpha", "--good", "1.0", "--bad", "1.3", "--probe", "works"
    )

    assert ended.returncode == 1
    assert "Nothing is bad up to alpha 1.3" in ended.stdout


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ("--axis alpha --good 1.0 --probe wrks", 2, "no probe 'wrks'"),
        ("--axis gamma --good 1.0 --probe works", 2, "is not in the lock"),
        ("--axis alpha --good 0.9 --probe works", 2, "the index has no alpha 0.9"),
        ("--axis alpha --good 1.0 --bad 1.0 --probe works", 2, "same release"),
        ("--axis alpha --good one --probe works", 2, "is not a version"),
        ("--axis date --good yesterday --probe works", 2, "is not a day"),
        ("--axis ../x --good 1.0 --probe works", 2, "neither 'date' nor"),
        ("--axis alpha --good 1.0", 2, "say what fails"),
        ("--axis alpha --good 1.0 --run nothing.py", 2, "is no file"),
    ],
)
def test_wrong_question_is_refused(
    words: str, status: int, said: str, stack: tuple[TinyWorkspace, str]
) -> None:
    """Nothing is built for a question that makes no sense."""
    workspace, cell_id = stack

    ended = bisect(workspace, cell_id, *words.split())

    assert ended.returncode == status
    assert said in ended.stderr


def test_python_that_is_not_here_is_named(stack: tuple[TinyWorkspace, str]) -> None:
    """What was found out stays; the status is that of a missing Python."""
    workspace, cell_id = stack
    lock = workspace.workspace.locks / cell_id / "requirements.txt"
    text = lock.read_text("utf-8").replace(f"Python {MINOR}", "Python 3.99")
    path = workspace.write("mine.txt", text)

    ended = bisect(
        workspace, "--lock", str(path), "--axis", "alpha", "--good", "1.0", "--probe", "works"
    )

    assert ended.returncode == 6, ended.stdout + ended.stderr
    assert "uv python install 3.99" in ended.stderr
