"""Finds which package indexes the client on this machine is configured with.

uv's settings win over pip's, the environment wins over files, and where nobody says
anything the default of the client library holds. No host name is written here.

Source: https://docs.astral.sh/uv/concepts/configuration-files/ and
https://pip.pypa.io/en/stable/topics/configuration/, both read 2026-11-20.
"""

from __future__ import annotations

import configparser
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_verlcompat.errors import UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexSettings:
    """The indexes to ask, in the order in which they are asked."""

    urls: tuple[str, ...]
    """Simple-repository roots; may hold credentials, never print one unredacted."""
    source: str
    """Which variable or file the first one comes from, or ``built-in default``."""


def find_index_settings(environ: Mapping[str, str], *, cwd: Path | None = None) -> IndexSettings:
    """Return the indexes that *environ* and the configuration files name.

    Args:
        environ: The environment to read, usually ``os.environ``.
        cwd: Where the search for a project's ``uv.toml`` starts; the current directory.

    Raises:
        UsageError: If a configuration file cannot be parsed.
    """
    from pypi_simple import PYPI_SIMPLE_ENDPOINT

    primary: tuple[str, str] | None = None
    extras: list[str] = []
    for source, default, more in _layers(environ, cwd or Path.cwd()):
        if primary is None and default:
            primary = (default, source)
        extras.extend(more)
    first, source = primary or (PYPI_SIMPLE_ENDPOINT, "built-in default")
    return IndexSettings(urls=tuple(dict.fromkeys([first, *extras])), source=source)


def _layers(
    environ: Mapping[str, str], cwd: Path
) -> Iterator[tuple[str, str | None, tuple[str, ...]]]:
    """Yield source, default index and further indexes, strongest first."""
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL"):
        if environ.get(name):
            yield name, _without_name(environ[name]), ()
    for name in ("UV_INDEX", "UV_EXTRA_INDEX_URL"):
        named = tuple(map(_without_name, environ.get(name, "").split()))
        yield name, None, named
    if "UV_NO_CONFIG" not in environ:
        for path in _uv_files(environ, cwd):
            yield str(path), *_read_uv(path)
    if environ.get("PIP_INDEX_URL"):
        yield "PIP_INDEX_URL", environ["PIP_INDEX_URL"], ()
    yield "PIP_EXTRA_INDEX_URL", None, tuple(environ.get("PIP_EXTRA_INDEX_URL", "").split())
    for path in _pip_files(environ):
        yield str(path), *_read_pip(path)


def _without_name(value: str) -> str:
    """Return the address of uv's ``name=address`` form."""
    name, mark, address = value.partition("=")
    return address if mark and "/" not in name else value


def _uv_files(environ: Mapping[str, str], cwd: Path) -> Iterator[Path]:
    chosen = environ.get("UV_CONFIG_FILE")
    if chosen:
        yield from _existing([Path(chosen)])
        return
    yield from list(_existing(folder / "uv.toml" for folder in [cwd, *cwd.parents]))[:1]
    config = environ.get("XDG_CONFIG_HOME") or str(_home(environ) / ".config")
    yield from _existing([Path(config, "uv", "uv.toml"), Path("/etc/uv/uv.toml")])


def _read_uv(path: Path) -> tuple[str | None, tuple[str, ...]]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise UsageError(f"cannot be read as TOML ({error}); mend it", where=str(path)) from error
    default: str | None = None
    extras: list[str] = []
    for table in (content, content.get("pip", {})):
        default = default or _text(table.get("index-url"))
        extras.extend(map(str, table.get("extra-index-url", ())))
    for index in content.get("index", ()):
        address = _text(index.get("url"))
        if address is None or index.get("explicit"):
            continue
        if index.get("default"):
            default = address
        else:
            extras.append(address)
    return default, tuple(extras)


def _pip_files(environ: Mapping[str, str]) -> Iterator[Path]:
    chosen = environ.get("PIP_CONFIG_FILE")
    home = _home(environ)
    config = environ.get("XDG_CONFIG_HOME") or str(home / ".config")
    candidates = [
        Path(sys.prefix, "pip.conf"),
        Path(config, "pip", "pip.conf"),
        home / ".pip" / "pip.conf",
        Path("/etc/xdg/pip/pip.conf"),
        Path("/etc/pip.conf"),
    ]
    if chosen:
        candidates.insert(0, Path(chosen))
    yield from _existing(candidates)


def _read_pip(path: Path) -> tuple[str | None, tuple[str, ...]]:
    parser = configparser.RawConfigParser()
    try:
        parser.read(path, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as error:
        raise UsageError(
            f"cannot be read as pip's configuration ({type(error).__name__}); mend it",
            where=str(path),
        ) from error
    default: str | None = None
    extras: list[str] = []
    for section in ("install", "global"):
        default = default or parser.get(section, "index-url", fallback=None)
        extras.extend(parser.get(section, "extra-index-url", fallback="").split())
    return default, tuple(extras)


def _home(environ: Mapping[str, str]) -> Path:
    return Path(environ["HOME"]) if environ.get("HOME") else Path.home()


def _existing(paths: Iterable[Path]) -> Iterator[Path]:
    return (path for path in paths if path.is_file())


def _text(value: Any) -> str | None:  # noqa: ANN401 - a TOML value of any type
    return value if isinstance(value, str) and value else None
