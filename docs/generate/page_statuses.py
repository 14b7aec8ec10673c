"""Render the exit statuses of ``verlcompat``."""

from __future__ import annotations

from as_markdown import code, page, prose, table

from pytest_verlcompat import errors

PATH = "reference/exit-statuses.md"

_VERDICTS = [
    ["0", "yes: every verdict is the expected one, the releases fit, nothing will break"],
    ["1", "no: a verdict is not, something breaks, a log holds a failure nobody has written down"],
]
_OTHERS = [
    ["20", "`explain`: nothing in the log failed"],
    ["130", "interrupted; what was recorded stays"],
    ["141", "whoever read the output went away"],
]


def render() -> str:
    """Return one table, by number."""
    kinds = [each for each in vars(errors).values() if isinstance(each, type)]
    rows = [
        [
            str(each.exit_status),
            f"{prose((each.__doc__ or '').splitlines()[0])} ({code(each.__name__)})",
        ]
        for each in sorted(kinds, key=lambda kind: kind.exit_status)
        if each is not errors.VerlcompatError
    ]
    return page(
        "Exit statuses",
        "0 and 1 are answers; every other number says that there is none. Errors name file and "
        "key, what was found and what to do.",
        table(["status", "meaning"], [*_VERDICTS, *rows, *_OTHERS]),
        "`pytest --verlcompat` ends as pytest does: 0 all passed, 1 something failed, 4 wrong use.",
        source=__name__,
    )
