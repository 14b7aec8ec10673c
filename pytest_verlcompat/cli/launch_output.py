"""What ``verlcompat launch`` prints, as text and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_verlcompat.checks.config_surface import KeyFinding
    from pytest_verlcompat.checks.launch_judge import LaunchReport
    from pytest_verlcompat.checks.launch_migration import Migration

SCHEMA_VERSION = 1


def as_text(report: LaunchReport, *, path: Path) -> str:
    """Return the report in lines, in the order of the script."""
    lines = [f"{path.name}:{mistake.line}: {mistake.message}" for mistake in report.mistakes]
    for each in report.launches:
        name = each.launch.module or "overrides"
        head = f"{path.name}:{each.launch.line}: {name}"
        if each.schema is None:
            lines.append(f"{head}: not judged: {each.reason}")
            continue
        lines.append(f"{head} with {len(each.launch.overrides)} overrides, by {each.schema.label}")
        lines += [f"  {_key_line(key)}" for key in each.keys]
        lines += [f"  sum: {found.message}" for found in each.sums]
        lines += [
            f"  not judged: {package} comes from a file that this release does not ship"
            for package in each.schema.unread
        ]
    for found in report.settings:
        word = "refused" if found.is_refused else "note"
        lines.append(f"{path.name}:{found.setting.line}: {word}: {found.message}")
    count = sum(len(each.keys) + len(each.sums) for each in report.launches)
    if not count and not report.settings and not report.mistakes:
        lines.append("nothing to say")
    if report.passes_arguments:
        lines.append("the script also passes on its own arguments, which are not known here")
    return "\n".join(lines)


def _key_line(finding: KeyFinding) -> str:
    return f"line {finding.override.line}: {finding.state.value}: {finding.message}"


def migration_text(migration: Migration) -> str:
    """Return the head of the migration, before its diff."""
    lines = [f"{migration.old} -> {migration.new}: {len(migration.changes)} overrides to change"]
    if migration.inherited:
        lines.append(f"  {len(migration.inherited)} of them {migration.old} refused as well")
    lines += [f"  default changed its kind: {text}" for text in migration.defaults]
    lines += [f"  not judged: {text}" for text in migration.notes]
    return "\n".join(lines)


def as_json(report: LaunchReport, migration: Migration | None) -> dict[str, Any]:
    """Return the same as data."""
    found: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "release": report.release,
        "refused": report.is_refused,
        "mistakes": [asdict(mistake) for mistake in report.mistakes],
        "passes_arguments": report.passes_arguments,
        "launches": [
            {
                "module": each.launch.module,
                "line": each.launch.line,
                "configuration": None if each.schema is None else each.schema.label,
                "not_judged": each.reason or None,
                "overrides": len(each.launch.overrides),
                "keys": [_key(key) for key in each.keys],
                "sums": [asdict(sum_) for sum_ in each.sums],
            }
            for each in report.launches
        ],
        "settings": [
            {
                "name": each.setting.name,
                "line": each.setting.line,
                "message": each.message,
                "refused": each.is_refused,
            }
            for each in report.settings
        ],
    }
    if migration is not None:
        found["migration"] = {
            "from": migration.old,
            "to": migration.new,
            "changes": [_key(key) for key in migration.changes],
            "defaults": list(migration.defaults),
            "notes": list(migration.notes),
        }
    return found


def _key(finding: KeyFinding) -> dict[str, Any]:
    return {
        "line": finding.override.line,
        "override": finding.override.text,
        "state": finding.state.value,
        "message": finding.message,
        "replacement": finding.replacement,
    }
