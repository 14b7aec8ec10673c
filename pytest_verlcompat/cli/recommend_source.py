"""Where a recommendation comes from: the index of what is known, and what is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name

from pytest_verlcompat.advise.recommend_index import Index, index_key, load_index, save_index
from pytest_verlcompat.errors import UsageError
from pytest_verlcompat.probes.registry import SCRIPTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_verlcompat.advise.recommend import Ask
    from pytest_verlcompat.execute.workspace import Workspace

_NAME = "recommend.json"
_FEW = 2


def read_index(workspace: Workspace) -> Index:
    """Return what the checkout knows, from the kept index where nothing has changed.

    Raises:
        UsageError: If there is no evidence there.
    """
    if not workspace.evidence.is_dir():
        raise UsageError(
            "holds no reports/evidence; run this in a checkout, or name one with --root",
            where=str(workspace.root),
        )
    path = workspace.local / _NAME
    key = index_key(_sources(workspace))
    kept = load_index(path, key=key)
    return kept or _made(workspace, path, key)


def _made(workspace: Workspace, path: Path, key: str) -> Index:
    from pytest_verlcompat.advise.recommend_build import build_index  # noqa: PLC0415 -- seldom
    from pytest_verlcompat.cli.report_inputs import make_report  # noqa: PLC0415 -- used: costs time
    from pytest_verlcompat.matrix.load import load_matrix  # noqa: PLC0415 -- to import

    report = make_report(workspace, load_matrix(workspace.matrix))
    index = build_index(report, ledger=workspace.evidence / "space")
    save_index(index, path, key=key)
    return index


def _sources(workspace: Workspace) -> Iterator[Path]:
    """Yield the files that the index follows from."""
    yield from workspace.evidence.glob("*.jsonl")
    yield from workspace.evidence.glob("space/**/*.jsonl")
    yield from workspace.matrix.glob("*/*.toml")
    yield from workspace.locks.glob("*/*.txt")
    yield from SCRIPTS.glob("*.py")
    package = SCRIPTS.parent.parent
    yield from package.glob("issues/entries/*.toml")
    for room in ("checks", "wheels"):
        yield from package.joinpath(room).glob("*.py")


def why_not(workspace: Workspace, ask: Ask) -> tuple[str, ...]:
    """Return the resolver's reasons where *ask* pins a verl and an engine that exclude each other.

    Raises:
        EvidenceError: If the ledger is damaged.
    """
    from pytest_verlcompat.resolve.ledger import parse_fact  # noqa: PLC0415 -- used: costs time
    from pytest_verlcompat.resolve.lines import read_lines  # noqa: PLC0415 -- the same
    from pytest_verlcompat.resolve.question import Resolution  # noqa: PLC0415 -- the same

    pins = {
        str(canonicalize_name(want.name)): each.version
        for want in ask.wants
        for each in want.specifier
        if each.operator == "==" and not each.version.endswith("*")
    }
    verl, engine = pins.get("verl"), next((n for n in ("vllm", "sglang") if n in pins), None)
    path = workspace.evidence / "space" / f"{verl}.jsonl"
    if verl is None or engine is None or not path.is_file():
        return ()
    told: dict[tuple[str, ...], str] = {}
    for number, line in read_lines(path):
        if f'"release":"{pins[engine]}"' not in line or f'"engine":"{engine}"' not in line:
            continue
        fact = parse_fact(line, where=f"{path.name}:{number}")
        if fact.why and fact.resolution is Resolution.UNRESOLVABLE:
            told.setdefault(fact.why, f"Python {fact.cell.python}, {fact.cell.when.value}")
    return tuple(f"{'; '.join(why)} ({where})" for why, where in list(told.items())[:_FEW])


def installed_of(python: Path | None, *, report: Path | None) -> dict[str, Any]:
    """Return limits and installed versions of an environment, or of a report about one.

    Raises:
        InterpreterMissingError: If there is no interpreter at *python*.
        UsageError: If *report* is no report of the doctor.
    """
    if report is not None:
        from pytest_verlcompat.advise.recommend_doctor import (  # noqa: PLC0415 -- seldom used
            read_doctor_report,
        )

        told = read_doctor_report(report)
        return {name: getattr(told, name) for name in told.__slots__}
    from pytest_verlcompat.advise.recommend_doctor import capability_of  # noqa: PLC0415 -- seldom
    from pytest_verlcompat.environments.installed import installed_versions  # noqa: PLC0415 -- used
    from pytest_verlcompat.issues.installed import ask_interpreter  # noqa: PLC0415 -- the same
    from pytest_verlcompat.process.inventory import describe_machine  # noqa: PLC0415 -- the same

    assert python is not None  # noqa: S101 -- the caller gives one of the two
    interpreter = ask_interpreter(python)
    machine = describe_machine()
    version = interpreter.version
    return {
        "python": f"{version.major}.{version.minor}" if version else None,
        "glibc": machine.glibc,
        "driver": machine.driver,
        "gpu": machine.gpus[0].compute_capability or capability_of(machine.gpus[0].name)
        if machine.gpus
        else None,
        "installed": installed_versions(interpreter.site_packages),
    }
