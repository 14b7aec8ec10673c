"""What of a launch script needs a network: servers it names, and steps that download.

This is the one examination that asks anything outside the machine, and only what the script
itself would ask.
"""

from __future__ import annotations

import re
import shlex
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_verlcompat.advise.advice import Advice, Level
from pytest_verlcompat.advise.examine_launch import is_offline, names_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_verlcompat.advise.inventory import Inventory
    from pytest_verlcompat.advise.launch import Launch

_ADDRESS = re.compile(r"https?://(?![^\s/]{0,200}@)[\w.:\[\]-]{1,200}(?:/[\w./-]{0,200})?")
"""Without a user: what carries a password is neither asked nor shown."""
_CONFIGURED = re.compile(r".*\.(?:tool_config_path|interaction_config_path)")
_ANSWER_S = 0.4
"""All servers together; a training would wait longer, but a person should not."""
_MOST = 8
_CONFIG_BYTES = 1 << 20
_DOWNLOADS = re.compile(
    r"(?:sudo )?(?:(?:hf|huggingface-cli) download|(?:uv )?pip3? (?:install|download)"
    r"|uv (?:sync|add)|python3? -m pip install|conda install|(?:wget|curl|aria2c|axel) "
    r"|git (?:clone|lfs pull|pull)|apt(?:-get)? (?:update|install)|modelscope download|docker pull)"
)


def examine(inventory: Inventory) -> Iterator[Advice]:
    """Yield the servers that do not answer, and the steps that will want the network."""
    if inventory.launch is None:
        return
    yield from _servers(inventory.launch)
    yield from _downloads(inventory.launch, offline=is_offline(inventory))


def _servers(launch: Launch) -> Iterator[Advice]:
    asked = _addresses(launch)[:_MOST]
    answered = _answering(asked)
    silent = [each for each in asked if each not in answered]
    for address in silent:
        yield Advice(
            code="launch-server",
            level=Level.RISK,
            title="A server that the script names does not answer",
            detail=f"{address}, asked for {_ANSWER_S} s from this machine",
            remedies=(f"curl -sS -m 5 -o /dev/null -w '%{{http_code}}' {shlex.quote(address)}",),
            costs=("none: shows what it answers",),
        )
    if asked and not silent:
        yield Advice(
            code="launch-servers-answer",
            level=Level.FINE,
            title="Every server that the script names answers",
            detail=", ".join(asked),
        )


def _addresses(launch: Launch) -> list[str]:
    """Return the servers in options named for an address, and in tool configurations."""
    found: dict[str, None] = {}
    for key, value in launch.options.items():
        texts = [value] if re.search(r"(?i)url|address|endpoint|server|host", key) else []
        if _CONFIGURED.fullmatch(key):
            texts += [_text(name) for name in names_in(value)]
        found |= dict.fromkeys(each for text in texts for each in _ADDRESS.findall(text))
    return list(found)


def _text(name: str) -> str:
    try:
        with Path(name).expanduser().open("rb") as file:
            return file.read(_CONFIG_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""  # that it is not there is said elsewhere


def _answering(addresses: Sequence[str]) -> frozenset[str]:
    """Return those of *addresses* that answer anything in time, asked side by side."""
    answered: list[str] = []

    def ask(address: str) -> None:
        if _answers(address):
            answered.append(address)

    threads = [threading.Thread(target=ask, args=(each,), daemon=True) for each in addresses]
    for thread in threads:
        thread.start()
    end = time.monotonic() + _ANSWER_S  # looking a name up is bounded by nothing else
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    return frozenset(answered)


def _answers(address: str) -> bool:
    import urllib.error  # noqa: PLC0415 -- with the next, costs more than all else here
    import urllib.request  # noqa: PLC0415 -- the same

    try:
        with urllib.request.urlopen(address, timeout=_ANSWER_S):  # noqa: S310 -- only http by the pattern
            return True
    except urllib.error.HTTPError:
        return True  # it answered, with an error of its own
    except (OSError, ValueError):
        return False


def _downloads(launch: Launch, *, offline: bool) -> Iterator[Advice]:
    steps = [shlex.join(words) for words in launch.commands if _DOWNLOADS.match(" ".join(words))]
    if steps:
        yield Advice(
            code="launch-downloads",
            level=Level.BREAKS if offline else Level.RISK,
            title=f"{len(steps)} step(s) of the script download something"
            + (", and HF_HUB_OFFLINE is set" if offline else ""),
            detail="; ".join(steps[:4]),
            remedies=(steps[0],),
            costs=("run it once where there is a network, and take it out of the script",),
        )
