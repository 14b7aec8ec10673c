"""What the catalogue of known failures says of a failed probe; imported once one has failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_verlcompat.issues.catalogue import load_catalogue
from pytest_verlcompat.issues.record import LOG_BYTES, explain_record, render_brief

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pytest_verlcompat.issues.catalogue import Entry
    from pytest_verlcompat.model.evidence import Evidence


def explained(
    record: Evidence,
    *,
    log: Path | None,
    versions: Mapping[str, str],
    catalogue: Sequence[Entry] = (),
) -> list[str]:
    """Return the explanation of *record* in lines, id and title first; none where none is known.

    Args:
        catalogue: Known failures; those that are shipped if none are given.
    """
    found = explain_record(record, _text(log), catalogue or load_catalogue(), versions=versions)
    return list(render_brief(found)) if found is not None else []


def _text(log: Path | None) -> str | None:
    if log is None or not log.is_file():
        return None
    with log.open("rb") as file:
        return file.read(LOG_BYTES).decode("utf-8", "replace")
