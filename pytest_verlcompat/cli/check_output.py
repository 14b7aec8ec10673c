"""What ``verlcompat check`` prints, as text and as JSON."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from pytest_verlcompat.checks.import_evidence import state_of, undecided_in
from pytest_verlcompat.model.codec import encode
from pytest_verlcompat.model.finding import Finding, Weight

if TYPE_CHECKING:
    from pytest_verlcompat.checks.import_surface import CellSurface
    from pytest_verlcompat.cli.check_loads import Loaded
    from pytest_verlcompat.cli.check_resolve import Resolved

_WIDTH = 96
SCHEMA_VERSION = 1


def verdict_of(surface: CellSurface, resolved: Resolved, loaded: Loaded) -> str:
    """Return the verdict's word; imports that cannot be decided leave it conditional."""
    if resolved.state == "failed":
        return "unresolvable"
    if surface.is_broken or loaded.state == "failed":
        return "incompatible"
    if undecided_in(surface):
        return "conditional"
    return "compatible"


def as_json(surface: CellSurface, resolved: Resolved, loaded: Loaded) -> dict[str, Any]:
    """Return the verdict, its rungs and every finding."""
    return {
        "schema_version": SCHEMA_VERSION,
        "consumer": surface.consumer.label,
        "providers": [facts.label for facts in surface.providers],
        "verdict": verdict_of(surface, resolved, loaded),
        "rungs": {
            "resolves": {"state": resolved.state, "reason": resolved.reason},
            "imports": {
                "state": _imports_state(surface),
                "roles": {role.role.name: state_of(role) for role in surface.roles},
            },
            "loads": {"state": loaded.state, "reason": loaded.reason},
        },
        "findings": [encode(finding) for finding in (*surface.findings, *loaded.findings)],
        "problems": [
            problem
            for facts in (surface.consumer, *surface.providers)
            for problem in facts.problems
        ],
    }


def _imports_state(surface: CellSurface) -> str:
    if surface.is_broken:
        return "failed"
    return "unknown" if undecided_in(surface) else "passed"


def as_text(surface: CellSurface, resolved: Resolved, loaded: Loaded, *, everything: bool) -> str:
    """Return the verdict in lines, the first missing name first."""
    beside = ", ".join(facts.label for facts in surface.providers)
    names = f"{surface.consumer.label} with {beside}" if beside else surface.consumer.label
    lines = [f"{names}: {verdict_of(surface, resolved, loaded)}", ""]
    lines += _rung("resolves", resolved.state, resolved.reason)
    for role in surface.roles:
        lines += _rung("imports", state_of(role), f"{role.role.name}: {role.role.title}")
    lines += _rung("loads", loaded.state, loaded.reason)
    for weight in (Weight.BROKEN, Weight.UNKNOWN, Weight.SUSPECT):
        chosen = [each for each in (*surface.findings, *loaded.findings) if each.weight is weight]
        if weight is Weight.BROKEN or everything:
            for finding in chosen:
                lines += ["", *render_finding(finding)]
        elif chosen:
            word = "undecided" if weight is Weight.UNKNOWN else "suspect"
            lines += [
                "",
                f"{len(chosen)} {word}: --all lists {'it' if len(chosen) == 1 else 'them'}",
            ]
    for facts in (surface.consumer, *surface.providers):
        lines += [f"not read: {problem}" for problem in facts.problems]
    return "\n".join(lines)


def _rung(name: str, state: str, reason: str) -> list[str]:
    head = f"  {name:9} {state:9}"
    if not reason:
        return [head.rstrip()]
    return textwrap.wrap(
        reason, _WIDTH, initial_indent=f"{head} ", subsequent_indent=" " * len(head) + " "
    )


def render_finding(finding: Finding) -> list[str]:
    """Return a finding with both sides."""
    cause = finding.cause
    lines = [f"{finding.weight.value}: {cause}"]
    if cause.frame is not None:
        lines += _side(finding.consumer, str(cause.frame), cause.frame.source)
    if cause.provider is not None:
        lines += _side(finding.provider, str(cause.provider), cause.provider.source)
    if finding.since is not None and finding.until is not None:
        name = finding.provider.partition(" ")[0]
        span = (
            finding.since
            if finding.since == finding.until
            else f"{finding.since} to {finding.until}"
        )
        lines.append(f"  in {name} {span}")
    if cause.detail:
        lines += textwrap.wrap(cause.detail, _WIDTH, initial_indent="  ", subsequent_indent="  ")
    return lines


def _side(who: str, where: str, source: str | None) -> list[str]:
    lines = [f"  {who:14} {where}"]
    if source:
        lines.append(f"  {'':14} {source}")
    return lines
