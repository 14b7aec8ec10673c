"""Ask uv one question and take its answer apart.

How uv is asked, and why:

* Wheels only, plus the few distributions that never had a wheel (``SOURCE_ONLY``): their
  requirements are read from the sdist's text and handed to uv, so nothing is ever built. A
  pin that has no wheel is treated the same way once uv has named it.
* The default index only, with its pages taken from uv's cache for as long as they are newer
  than the day asked about. That is what makes a warm question cost 0.1 s instead of 7 s.
* The output goes to a file of ours that is new each time: uv takes versions from an existing
  output file as preferences.

Source: https://docs.astral.sh/uv/concepts/resolution/ and
https://docs.astral.sh/uv/reference/settings/, uv 0.13.8, read 2026-11-20.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from packaging.utils import canonicalize_name

from pytest_verlcompat.errors import IndexUnavailableError, WheelFormatError
from pytest_verlcompat.process.environ import tool_environ
from pytest_verlcompat.process.run import Ended, Limits, run
from pytest_verlcompat.resolve.explain import is_explanation, parse_explanation
from pytest_verlcompat.resolve.question import PYTHON_PATCHES, Answer, Question, Resolution
from pytest_verlcompat.resolve.uv import find_uv, uv_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pytest_verlcompat.resolve.explain import Explanation
    from pytest_verlcompat.resolve.sdist import SdistMetadata

SOURCE_ONLY = ("antlr4-python3-runtime", "pylatexenc")
"""Never had a wheel in the releases that matter here; refusing their sdists makes uv fall
back to hydra-core 0.11 and omegaconf 1.4."""

_KEPT_SETTINGS = (
    "UV_HTTP_TIMEOUT",
    "UV_HTTP_RETRIES",
    "UV_INSECURE_HOST",
    "UV_KEYRING_PROVIDER",
    "UV_NATIVE_TLS",
    "UV_SYSTEM_CERTS",
)
_PICK = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;]+)(?:\s*;[^#]*)?(?:\s+#\s*via\s+(.*))?$")
_MOST_ATTEMPTS = 8
_LIVE_S = 600
_NO_SOLUTION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What does not change between the questions of one run."""

    program: str
    version: str
    """``uv 0.13.8``."""
    index_url: str
    """May hold credentials; never printed or recorded."""
    cache: Path
    timeout_s: float = 120.0
    """For one start of uv."""
    attempts: int = 3
    """How often an index that fails is asked again."""
    backoff_s: float = 1.0
    """Wait before the second attempt; four times longer before each further one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """How a question is put to uv: grows with what the last answer taught."""

    static: tuple[SdistMetadata, ...] = ()
    """Pins without a wheel, and what their sdists say."""
    refresh: tuple[str, ...] = ()
    """Distributions whose cached page is not to be trusted."""


class Shelf(Protocol):
    """What the index itself lists, seen without uv."""

    def read_sdist(self, name: str, version: str) -> SdistMetadata | None:
        """Return what the sdist of a release without wheels requires; None if unknowable."""

    def is_listed(self, name: str, version: str | None) -> bool:
        """Return whether the index lists the release, or any for None."""

    def needs_build(self, name: str, version: str) -> bool:
        """Return whether the release is there as a source distribution alone."""

    def is_dated(self, name: str) -> bool:
        """Return False if the index lists files of *name* and tells no upload day of any."""

    def remark(self, name: str, version: str) -> str:
        """Return why the release cannot be taken, as the end of a sentence; may be empty."""


class Resolver:
    """Puts questions to uv; safe to share between threads."""

    def __init__(
        self,
        settings: Settings,
        *,
        work: Path,
        shelf: Shelf,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Make a resolver.

        Args:
            settings: See there.
            work: Folder for the files a call needs; the caller removes it.
            shelf: Asked when uv says that something has no wheel or does not exist.
            sleep: Waits that many seconds.
        """
        self.settings = settings
        self._work = work
        self._shelf = shelf
        self._sleep = sleep
        self._environment = _environment(os.environ)

    def ask(self, question: Question) -> Answer:
        """Return the answer; a broken index or resolver is an answer too, never an exception."""
        started = time.monotonic()
        asked, failures = _Asked(), 0
        result: Answer | _Asked = asked
        for _ in range(_MOST_ATTEMPTS):
            ended, output = self._call(question, asked)
            result = self._read(ended, output, asked, is_dated=question.newest is not None)
            if isinstance(result, _Asked):
                asked = result
                continue
            failures += 1
            if result.resolution is not Resolution.ERRORED or failures >= self.settings.attempts:
                break
            self._sleep(self.settings.backoff_s * 4 ** (failures - 1))
        if isinstance(result, _Asked):
            result = Answer(
                resolution=Resolution.NOT_ATTEMPTED,
                why=(f"the pins without wheels did not end after {_MOST_ATTEMPTS} rounds",),
            )
        return replace(result, duration_s=time.monotonic() - started)

    def forget(self, names: Iterable[str]) -> None:
        """Drop what uv keeps about *names*, so that it reads their pages again.

        A page that is newer than the day asked about counts as good to uv, whatever was yanked
        since.
        """
        listed = sorted(names)
        if listed:
            words = [self.settings.program, "cache", "clean", "--no-config", "--quiet"]
            run(
                [*words, "--cache-dir", str(self.settings.cache), *listed],
                env=self._environment,
                cwd=self._work,
                limits=Limits(timeout_s=self.settings.timeout_s, leave_s=0),
            )

    def _read(self, ended: Ended, output: str, asked: _Asked, *, is_dated: bool) -> Answer | _Asked:
        """Return the answer in *output*, or a better way of asking."""
        if ended.exit_status == 0:
            return _resolved(output, asked)
        if ended.timed_out:
            text = f"the resolver gave no answer within {self.settings.timeout_s:g} s"
            return Answer(resolution=Resolution.ERRORED, why=(text,))
        if ended.exit_status != _NO_SOLUTION or not is_explanation(output):
            return Answer(resolution=Resolution.ERRORED, why=(_first_error(output),))
        explanation = parse_explanation(output)
        try:
            undated = self._undated(explanation) if is_dated else None
            if undated is not None:
                text = f"the index gives no upload dates for {undated}: no day can be asked about"
                return Answer(resolution=Resolution.NOT_ATTEMPTED, why=(text,))
            return self._learn(asked, explanation) or Answer(
                resolution=Resolution.UNRESOLVABLE,
                why=(*explanation.sentences, *self._remarks(explanation)),
                between=explanation.distributions,
            )
        except (IndexUnavailableError, WheelFormatError) as error:
            return Answer(resolution=Resolution.ERRORED, why=(_without_addresses(str(error)),))

    def _learn(self, asked: _Asked, explanation: Explanation) -> _Asked | Answer | None:
        """Return a better way of asking, an answer, or None if the explanation stands."""
        known = {(each.name, each.version) for each in asked.static}
        for name, version in explanation.sdist_only:
            if (name, version) in known:
                continue
            metadata = self._shelf.read_sdist(name, version)
            if metadata is not None:
                return replace(asked, static=(*asked.static, metadata))
            if self._shelf.needs_build(name, version):
                text = f"what {name} {version} requires is known only to who builds it"
                return Answer(resolution=Resolution.NOT_ATTEMPTED, why=(text,))
        for name, wanted in explanation.absent:
            if not self._shelf.is_listed(name, wanted):
                continue
            # uv read another page than the index serves now: a cut one stays in its cache.
            if name not in asked.refresh:
                return replace(asked, refresh=(*asked.refresh, name))
        return None

    def _undated(self, explanation: Explanation) -> str | None:
        """Return a distribution that uv saw nothing of because its files carry no dates."""
        names = (*explanation.distributions, *(name for name, _ in explanation.absent))
        return next((name for name in names if not self._shelf.is_dated(name)), None)

    def _remarks(self, explanation: Explanation) -> list[str]:
        """Return what the index knows about pins that uv calls unusable."""
        return [
            f"{name}=={version} {remark}"
            for name, version in explanation.sdist_only
            if (remark := self._shelf.remark(name, version))
        ]

    def _call(self, question: Question, asked: _Asked) -> tuple[Ended, str]:
        with tempfile.TemporaryDirectory(dir=self._work) as folder:
            place = Path(folder)
            asked_for = "\n".join(question.requirements) + "\n"
            (place / "requirements.in").write_text(asked_for, encoding="utf-8")
            (place / "uv.toml").write_text(self._config(question, asked), encoding="utf-8")
            ended = run(
                self._command(question, asked),
                env=self._environment,
                cwd=place,
                limits=Limits(timeout_s=self.settings.timeout_s, leave_s=0),
                log=place / "messages",
                output=place / "set",
            )
            written = "set" if ended.exit_status == 0 else "messages"
            return ended, (place / written).read_text(encoding="utf-8")

    def _command(self, question: Question, asked: _Asked) -> list[str]:
        words = [self.settings.program, "pip", "compile", "requirements.in"]
        words += ["--config-file", "uv.toml", "--cache-dir", str(self.settings.cache)]
        words += ["--no-header", "--annotation-style", "line", "--no-progress"]
        words += ["--python", sys.executable, "--no-python-downloads"]
        words += ["--python-version", PYTHON_PATCHES.get(question.python, question.python)]
        words += ["--python-platform", question.platform, "--only-binary", ":all:"]
        for name in (*SOURCE_ONLY, *(each.name for each in asked.static)):
            words += ["--no-binary", name]
        for name in asked.refresh:
            words += ["--refresh-package", name]
        if question.newest is not None:
            words += ["--exclude-newer", question.newest]
        return words

    def _config(self, question: Question, asked: _Asked) -> str:
        """Return the configuration of one call; JSON strings are TOML strings too."""
        lines = ["[[index]]", f"url = {json.dumps(self.settings.index_url)}", "default = true"]
        control = f'{{ api = "max-age={_page_age_s(question)}", files = "max-age=31536000" }}'
        lines.append(f"cache-control = {control}")
        for name in SOURCE_ONLY:
            lines += ["[[dependency-metadata]]", f'name = "{name}"', "requires-dist = []"]
        for each in asked.static:
            lines += ["[[dependency-metadata]]", f"name = {json.dumps(each.name)}"]
            lines.append(f"version = {json.dumps(each.version)}")
            lines.append(f"requires-dist = {json.dumps(each.requires_dist)}")
            if each.requires_python:
                lines.append(f"requires-python = {json.dumps(each.requires_python)}")
        return "\n".join(lines) + "\n"


def find_settings(*, index_url: str, cache: Path) -> Settings:
    """Return the settings for the uv of this machine.

    Raises:
        ToolMissingError: If there is no uv.
    """
    return Settings(
        program=str(find_uv()), version=f"uv {uv_version()}", index_url=index_url, cache=cache
    )


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return *environ* without what would change the answer of uv."""
    kept = {
        name: value
        for name, value in tool_environ(environ).items()
        if not name.startswith(("UV_", "VIRTUAL_ENV", "PYTHON")) or name in _KEPT_SETTINGS
    }
    return {**kept, "NO_COLOR": "1", "UV_NO_PROGRESS": "1", "LC_ALL": "C.UTF-8"}


def _page_age_s(question: Question) -> int:
    """Return how old a cached page may be: not older than the day that is asked about."""
    if question.newest is None:
        return _LIVE_S
    complete = dt.datetime.fromisoformat(question.newest.replace("Z", "+00:00"))
    return max(0, int((dt.datetime.now(dt.timezone.utc) - complete).total_seconds()))


def _resolved(output: str, asked: _Asked) -> Answer:
    picks: dict[str, str] = {}
    via: dict[str, tuple[str, ...]] = {}
    for line in output.splitlines():
        match = _PICK.match(line.rstrip())
        if match is None:
            continue
        name = canonicalize_name(match[1])
        picks[name] = match[2]
        via[name] = tuple(
            canonicalize_name(each)
            for each in re.split(r",\s*", match[3] or "")
            if each and not each.startswith(("-r ", "-c "))
        )
    static = {canonicalize_name(each.name) for each in asked.static}
    sdists = sorted(
        f"{name}=={picks[name]}" for name in picks if name in static or name in SOURCE_ONLY
    )
    return Answer(
        resolution=Resolution.RESOLVED,
        picks=picks,
        via=via,
        sdists=tuple(sdists),
    )


def _first_error(output: str) -> str:
    """Return the lines that say what failed, without addresses."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"(?:error|cause|Caused by)", line)]
    text = "; ".join(errors[:3] or lines[-2:]) or "the resolver ended without a word"
    return _without_addresses(text)[:500]


def _without_addresses(text: str) -> str:
    """Return *text* fit for a record: which host was asked is nobody's business."""
    return re.sub(r"[a-z]+://[^\s`]+", "<address>", text)
