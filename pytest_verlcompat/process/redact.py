"""Take secrets, home directories and user names out of a line of text."""

from __future__ import annotations

import getpass
import os
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from pytest_verlcompat.process.environ import NAMED_VARIABLES, is_secret_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

_SHAPES = re.compile(
    r"hf_[A-Za-z0-9]{20,}"  # Hugging Face
    r"|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}"  # GitHub
    r"|glpat-[A-Za-z0-9_-]{20,}"  # GitLab
    r"|sk-[A-Za-z0-9_-]{20,}"  # several model services
    r"|A(?:KIA|SIA)[A-Z0-9]{16}"  # AWS access key ids
    r"|AIza[A-Za-z0-9_-]{35}"  # Google
    r"|pypi-[A-Za-z0-9_-]{20,}"  # package index
    r"|xox[abprs]-[A-Za-z0-9-]{10,}"  # Slack
    r"|eyJ[A-Za-z0-9_-]{10,4096}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{5,}"  # JSON web tokens
)
_NAMES = r"(?:TOKEN|SECRET|PASSWORD|PASSWD|API[_-]?KEY|ACCESS[_-]?KEY)"
_NAMED = re.compile(
    rf"(\b[A-Z0-9_]*{_NAMES}\"?'?\s*[=:]\s*\"?'?"  # name=value, "name": "value"
    rf"|--[A-Z0-9-]*{_NAMES}\s+"  # --name value
    r"|\bauthorization\"?'?\s*[=:]\s*\"?'?(?:(?:basic|bearer|digest|token)\s+)?"
    r"|\bbearer\s+)"
    r"[^\s\"',;]{6,}",
    re.IGNORECASE,
)
_HINTS = ("token", "secret", "passw", "key", "authorization", "bearer")
# Schemes are short; without a limit a long dotted line would take quadratic time.
_URL_USER = re.compile(r"(\b[a-z][a-z0-9+.-]{0,20}://)[^/\s@]+@", re.IGNORECASE)
_CREDENTIALS = re.compile(r"://([^/\s@]+)@")
_HOMES = re.compile(r"/(?:home|Users)/[^/\s:\"']+|(?<![\w/])/root(?=/|\b)")
_TORN = re.compile(
    r"(?:\b(?:hf_|gh[pousr]_|github_pat_|glpat-|sk-|A[KS]IA|AIza|pypi-|xox[abprs]-|eyJ)[\w.-]{4,}"
    r"|(?<=://)[^/\s@:]{1,200}:(?!\d{0,5}$)[^/\s@]*)$",
    re.IGNORECASE,
)
_TORN_CHARACTERS = 100
"""A text that long may have been cut before it came here, and a secret with it."""
_MIN_VALUE = 6
_TOKEN_CHARACTERS = 16
_HIDDEN = "<redacted>"


def make_redactor(
    environ: Mapping[str, str], *, places: Mapping[str, Path] | None = None
) -> Callable[[str], str]:
    """Return a function that makes one line fit to be kept.

    It hides the values of secret-looking variables of *environ*, passwords in URLs that its
    variables hold, tokens by their shape, ``name=value`` pairs whose name is a
    secret's, users in URLs, home directories and the user's name in paths.

    Args:
        places: Word to directory: occurrences of the directory become ``<word>``.
    """
    secrets = sorted(_secrets(environ), key=len, reverse=True)
    swaps = [(value, _HIDDEN) for value in secrets]
    named = sorted((places or {}).items(), key=lambda item: len(str(item[1])), reverse=True)
    swaps += [(str(path), f"<{word}>") for word, path in named if len(str(path)) > 1]
    home = os.path.expanduser("~")  # noqa: PTH111 -- Path.home raises where there is none
    if len(home) > 1:
        swaps.append((home, "<home>"))
    user = _user_path()
    torn = tuple(f"://{each}{colon}" for each in _users(environ) for colon in ("", ":"))

    def redact(line: str) -> str:
        for found, word in swaps:
            if found in line:
                line = line.replace(found, word)
        if "://" in line:
            line = _URL_USER.sub(rf"\1{_HIDDEN}@", line)
        line = _SHAPES.sub(_HIDDEN, line)
        lowered = line.lower()  # the pattern is slow, and most lines hold none of its words
        if any(word in lowered for word in _HINTS):
            line = _NAMED.sub(rf"\1{_HIDDEN}", line)
        line = _HOMES.sub("<home>", line)
        if len(line) >= _TORN_CHARACTERS:
            line = _TORN.sub(_HIDDEN, _without_start_of(secrets, line))
            if line.endswith(torn):  # of what is cut there, no password is left to know it by
                line = line[: line.rindex("://") + 3] + _HIDDEN
        return user.sub(r"\1<user>", line) if user else line

    return redact


def _secrets(environ: Mapping[str, str]) -> set[str]:
    """Return the values of secret-looking variables, and the passwords of URLs in the others."""
    named = {name.strip() for name in environ.get(NAMED_VARIABLES, "").split(",")}
    found = {value for name, value in environ.items() if is_secret_name(name) or name in named}
    for value in environ.values():
        for user, _, password in (each.partition(":") for each in _CREDENTIALS.findall(value)):
            # A user without a password may be a token, or an ordinary word such as `deploy`.
            alone = user if not password and len(user) >= _TOKEN_CHARACTERS else ""
            found.update({password, unquote(password), alone})
    return {each for each in found if len(each) >= _MIN_VALUE}


def _users(environ: Mapping[str, str]) -> set[str]:
    """Return the users of URLs that the variables of *environ* hold."""
    found = (each.partition(":")[0] for v in environ.values() for each in _CREDENTIALS.findall(v))
    return {each for each in found if each}


def _without_start_of(secrets: Iterable[str], line: str) -> str:
    """Return *line* without the first part of a secret at its end."""
    for secret in secrets:
        start = line.rfind(secret[:_MIN_VALUE], -len(secret))
        if start >= 0 and secret.startswith(line[start:]):
            return line[:start] + _HIDDEN
    return line


def _user_path() -> re.Pattern[str] | None:
    """Return a pattern for the user's name as a part of a path, if the name is telling."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        return None
    return re.compile(rf"(/){re.escape(name)}(?=[/\s]|$)") if name != "root" else None


def redact_values(value: Any, redact: Callable[[str], str]) -> Any:  # noqa: ANN401 -- JSON values
    """Return the JSON *value* with every string in it made fit to be kept."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {redact(str(key)): redact_values(each, redact) for key, each in value.items()}
    if isinstance(value, list):
        return [redact_values(each, redact) for each in value]
    return value
