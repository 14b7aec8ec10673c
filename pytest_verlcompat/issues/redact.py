"""Take out of a text what should not be pasted into a public issue."""

from __future__ import annotations

import os
import re

from pytest_verlcompat.process.redact import make_redactor

_REST = r"(?:\.\d{1,3}){2,3}(?![\w.])"  # a version may have four numbers, so context decides
_RULES = (
    (re.compile(r"(?<![\w-])[0-9a-f]{40}(?![\w-])"), "<40 hex digits>"),
    (re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64}){1,4}"), "<mail address>"),
    (re.compile(rf"(?<![\w.])(?:10|192\.168|172\.(?:1[6-9]|2\d|3[01])){_REST}"), "<address>"),
    (
        re.compile(rf"(?<=//)(?!127\.)\d{{1,3}}{_REST}|(?<=ip=)(?!127\.)\d{{1,3}}{_REST}"),
        "<address>",
    ),
)


def redact(text: str) -> str:
    """Return *text* without secrets, homes, people and addresses of machines.

    Digests of 40 hex digits go as well, because keys of trackers look like that.
    """
    hide = make_redactor(os.environ)
    text = "\n".join(hide(line) for line in text.split("\n"))
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text
