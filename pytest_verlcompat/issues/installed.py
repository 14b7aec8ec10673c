"""Read what is installed for an interpreter from its site-packages, importing none of it.

The interpreter itself is asked only where its site-packages are, without running ``site``, so
neither ``.pth`` files nor ``sitecustomize`` of the environment are executed.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from packaging.utils import canonicalize_name

from pytest_verlcompat.errors import InterpreterMissingError, ToolMissingError
from pytest_verlcompat.issues.facts import Facts, parse_version
from pytest_verlcompat.process.run import Limits, run

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from packaging.version import Version

_ASK_S = 10.0
_HEADERS_BYTES = 256 << 10
_SCRIPT = """
import json, os, site, sys, sysconfig
folder = os.path.dirname(os.path.abspath(sys.executable))
prefixes, system = [sys.prefix], True
for place in (folder, os.path.dirname(folder)):
    config = os.path.join(place, "pyvenv.cfg")
    if os.path.isfile(config):
        with open(config, encoding="utf-8") as lines:
            text = lines.read().lower()
        system = "include-system-site-packages = true" in text
        prefixes = [place] + ([sys.base_prefix] if system else [])
        break
print(json.dumps({
    "version": "%d.%d.%d" % sys.version_info[:3],
    "implementation": sys.implementation.name,
    "site_packages": site.getsitepackages(prefixes),
    "user_site": site.getusersitepackages() if system else None,
    "headers": os.path.isfile(os.path.join(sysconfig.get_path("include"), "Python.h")),
}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """A Python and where it looks for what is installed."""

    path: Path
    version: Version | None
    implementation: str
    site_packages: tuple[Path, ...]
    user_site: Path | None
    """The user's own folder where it exists and this interpreter looks there."""
    headers: bool | None
    """Whether ``Python.h`` is there; ``None`` where it could not be asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """One installed distribution, as its metadata says."""

    name: str
    """Normalized."""
    version: str
    location: Path
    """The site-packages folder it was found in."""
    requires: tuple[str, ...]
    """``Requires-Dist`` lines as they are."""
    requires_python: str | None
    installer: str | None
    origin: str | None
    """Address it was installed from, where that is no index; a commit stands after ``@``."""
    editable: bool
    metadata: Path
    """Its ``.dist-info`` or ``.egg-info``."""


def ask_interpreter(python: Path) -> Interpreter:
    """Return where *python* looks, asked of itself or, where it does not run, of its folders.

    Raises:
        InterpreterMissingError: If there is nothing at *python* that looks like a Python.
    """
    reply = _reply(python)
    if reply is None:
        return _from_folders(python)
    user = Path(reply["user_site"]) if reply["user_site"] else None
    return Interpreter(
        path=python,
        version=parse_version(reply["version"]),
        implementation=reply["implementation"],
        site_packages=tuple(Path(each) for each in reply["site_packages"] if Path(each).is_dir()),
        user_site=user if user is not None and user.is_dir() else None,
        headers=reply["headers"],
    )


def _reply(python: Path) -> dict[str, Any] | None:
    try:
        ended = run(
            [python, "-I", "-S", "-c", _SCRIPT],
            env={},
            cwd=Path("/"),
            limits=Limits(timeout_s=_ASK_S, leave_s=0.0),
        )
        reply = json.loads(ended.tail.strip().splitlines()[-1])
    except (ToolMissingError, ValueError, IndexError):
        return None
    return reply if isinstance(reply, dict) else None


def _from_folders(python: Path) -> Interpreter:
    prefix = python if python.is_dir() else python.parent.parent
    found = sorted(prefix.glob("lib/python3*/site-packages"))
    if not found:
        raise InterpreterMissingError(
            "does not run, and there is no lib/python3*/site-packages beside it", where=str(python)
        )
    return Interpreter(
        path=python,
        version=parse_version(found[-1].parent.name.removeprefix("python")),
        implementation="cpython",
        site_packages=(found[-1],),
        user_site=None,
        headers=None,
    )


def find_distributions(folders: Iterable[Path]) -> Iterator[Distribution]:
    """Yield what is installed in *folders*, in their order; of a name the first one counts."""
    for folder in folders:
        try:
            entries = sorted(folder.iterdir())
        except OSError:
            continue
        for entry in entries:
            if entry.suffix in {".dist-info", ".egg-info"}:
                found = _distribution(entry, folder)
                if found is not None:
                    yield found


def _distribution(entry: Path, folder: Path) -> Distribution | None:
    headers = _headers(entry)
    name, version = headers.get("name"), headers.get("version")
    if not name or not version:
        return None
    direct = _direct_url(entry)
    return Distribution(
        name=str(canonicalize_name(name[0])),
        version=version[0],
        location=folder,
        requires=tuple(headers.get("requires-dist", ())),
        requires_python=next(iter(headers.get("requires-python", ())), None),
        installer=_text(entry / "INSTALLER").strip() or None,
        origin=_origin(direct),
        editable=bool(direct.get("dir_info", {}).get("editable")),
        metadata=entry,
    )


def _headers(entry: Path) -> Mapping[str, list[str]]:
    text = _text(entry / "METADATA") or _text(entry / "PKG-INFO")
    if not text and entry.is_file():
        text = _text(entry)
    headers: dict[str, list[str]] = {}
    for line in text.partition("\n\n")[0].splitlines():
        key, separator, value = line.partition(":")
        if separator and not line.startswith((" ", "\t")):
            headers.setdefault(key.lower(), []).append(value.strip())
    return headers


def _direct_url(entry: Path) -> dict[str, Any]:
    try:
        body = json.loads(_text(entry / "direct_url.json") or "{}")
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _origin(direct: Mapping[str, Any]) -> str | None:
    url = direct.get("url")
    if not isinstance(url, str):
        return None
    commit = direct.get("vcs_info", {}).get("commit_id")
    if not commit and url.startswith("file://"):
        commit = checked_out_commit(Path(unquote(url.removeprefix("file://"))))
    return f"{url}@{commit}" if commit else url


def checked_out_commit(folder: Path) -> str | None:
    """Return the first 12 digits of the commit that is checked out in *folder*, read from ``.git``.

    ``None`` where *folder* is no checkout; git itself is not asked, for it may not be there.
    """
    place = folder / ".git"
    if place.is_file():  # a worktree, or a submodule
        place = folder / _text(place).removeprefix("gitdir:").strip()
    head = _text(place / "HEAD").strip()
    reference = head.removeprefix("ref:").strip()
    if reference != head:
        common = place / (_text(place / "commondir").strip() or ".")
        packed = re.search(
            rf"^([0-9a-f]{{40,64}}) {re.escape(reference)}$",
            _text(common / "packed-refs"),
            re.MULTILINE,
        )
        head = _text(common / reference).strip() or (packed[1] if packed else "")
    return head[:12] if re.fullmatch(r"[0-9a-f]{40,64}", head) else None


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_HEADERS_BYTES).decode("utf-8", "replace").replace("\r\n", "\n")
    except OSError:
        return ""


def has_module(folders: Iterable[Path], name: str) -> bool:
    """Return whether a top-level module *name* lies in one of *folders*."""
    return any(
        (folder / name).is_dir()
        or (folder / f"{name}.py").is_file()
        or next(folder.glob(f"{name}.*.so"), None) is not None
        for folder in folders
    )


def installed_facts(python: Path) -> Facts:
    """Return versions and modules of *python*'s environment, enough to fit remedies to it.

    Raises:
        InterpreterMissingError: If there is nothing at *python* that looks like a Python.
    """
    interpreter = ask_interpreter(python)
    return Facts(
        versions=first_versions(find_distributions(interpreter.site_packages)),
        complete=True,
        numbers={"python": interpreter.version} if interpreter.version else {},
    )


def first_versions(distributions: Iterable[Distribution]) -> dict[str, Version]:
    """Return the version of each name that is imported: that of the first folder."""
    versions: dict[str, Version] = {}
    for each in distributions:
        if (version := parse_version(each.version)) is not None:
            versions.setdefault(each.name, version)
    return versions
