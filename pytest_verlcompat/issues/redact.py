"""Take out of a text what should not be pasted into a public issue.

Secrets are replaced by what they were, so a reader sees that one was there. Folders below a
home lose the name of their owner, addresses of machines become ``<address>``.
"""

from __future__ import annotations

import re

_SECRET_NAME = (
    r"[A-Za-z0-9_-]{0,40}(?:TOKEN|SECRET|PASSWORD|PASSWD|API_?KEY|ACCESS_?KEY|CREDENTIAL)S?"
)
_RULES = (
    (re.compile(r"\bhf_[A-Za-z0-9]{20,}"), "<hf token>"),
    (re.compile(r"\b(?:gh[pousr]_|github_pat_)[A-Za-z0-9_]{20,}"), "<github token>"),
    (re.compile(r"\bsk-[A-Za-z0-9_-]{16,}"), "<api key>"),
    (re.compile(r"\bAKIA[0-9A-Z]{16}\b"), "<aws key>"),
    (re.compile(r"\b(?:wandb_v1_)?[0-9a-f]{40}\b(?=['\"\s]|$)"), "<40 hex digits>"),
    (re.compile(r"\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{5,}"), "<jwt>"),
    (re.compile(r"(?i)(\bauthorization['\"]?\s{0,3}[:=]\s{0,3}['\"]?(?:bearer|basic)?\s{0,3})\S+"), r"\1<secret>"),
    (re.compile(rf"(?i)\b({_SECRET_NAME}['\"]?\s{{0,3}}[:=]\s{{0,3}}['\"]?)(?!<)[^\s'\",;&]{{1,400}}"), r"\1<secret>"),
    (re.compile(r"([a-z][a-z0-9+.-]{1,20}://)[^\s/@:]{1,100}:[^\s/@]{1,200}@"), r"\1<user>:<secret>@"),
    (re.compile(r"(?<![\w.])/(home|Users|data/home|data/users)/[^/\s'\":]{1,64}"), r"/\1/<user>"),
    (re.compile(r"(?<![\w./])/root(?=/)"), "~"),
    (re.compile(r"\b[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64}){1,4}\b"), "<mail address>"),
    (re.compile(r"(?<![\w.])(?!127\.0\.0\.1|0\.0\.0\.0)(?:\d{1,3}\.){3}\d{1,3}(?=[:/\s,')\]]|$)"), "<address>"),
)  # fmt: skip


def redact(text: str) -> str:
    """Return *text* without secrets, names of people and addresses of machines."""
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text
