"""Index pages of either kind become records; failures are never taken for absence."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.errors import IndexUnavailableError, UsageError, WheelFormatError
from pytest_verlcompat.wheels.cache import MemberCache
from pytest_verlcompat.wheels.index import IndexClient, choose_wheel
from pytest_verlcompat.wheels.settings import find_index_settings
from pytest_verlcompat.wheels.transport import Transport, redact_url

if TYPE_CHECKING:
    from pathlib import Path

    from tests.wheels.conftest import BuildWheel, Site

METADATA = b"Metadata-Version: 2.1\nName: example\nVersion: 1.0\nRequires-Dist: torch==2.8.0\n"
WHEEL = "example-1.0-py3-none-any.whl"
PAGE = b"""<!DOCTYPE html><html><body>
<a href="../../files/example-2.0.tar.gz#sha256=ff">example-2.0.tar.gz</a>
<a href="../../files/example-1.0-py3-none-any.whl#sha256=aa" data-requires-python="&gt;=3.10"
 data-upload-time="2025-10-04T05:06:07.5Z" data-core-metadata="sha256=bb"
 data-yanked="broken">example-1.0-py3-none-any.whl</a>
<a href="../../files/example-1.0.exe">example-1.0.exe</a>
</body></html>"""


def _client(site: Site) -> IndexClient:
    transport = Transport(attempts=2, sleep=lambda _: None)
    return IndexClient([site.address + "/simple/"], transport=transport)


def test_html_page_becomes_records(site: Site) -> None:
    """Date, digest, yank, Python and metadata mark are read; unknown stays None."""
    site.files["/simple/example/"] = PAGE

    wheel, sdist = _client(site).releases("Example")

    assert (wheel.filename, str(wheel.version), wheel.sha256) == (WHEEL, "1.0", "aa")
    assert wheel.url == f"{site.address}/files/{WHEEL}"
    assert wheel.upload_time == datetime(2025, 10, 4, 5, 6, 7, 500_000, tzinfo=timezone.utc)
    assert (wheel.yanked, wheel.has_metadata, wheel.requires_python) == (True, True, ">=3.10")
    assert (sdist.upload_time, sdist.yanked, sdist.is_wheel) == (None, False, False)


def test_kept_page_stands_in_for_an_index_that_is_away(site: Site, tmp_path: Path) -> None:
    """Who asked for it works on without the network, and is told; nobody else is."""
    site.files["/simple/example/"] = PAGE
    cache = MemberCache(tmp_path)
    transport = Transport(attempts=1, sleep=lambda _: None)
    url = site.address.replace("//", "//user:secret@") + "/simple/"

    def client(*, keeps_pages: bool) -> IndexClient:
        return IndexClient([url], transport=transport, cache=cache, keeps_pages=keeps_pages)

    listed = client(keeps_pages=True).releases("example")
    site.failures = [503, 503]
    later = client(keeps_pages=True)

    assert [file.filename for file in later.releases("example")] == [f.filename for f in listed]
    assert "what it listed before is used" in later.notes[0]
    assert "secret" not in later.notes[0]
    with pytest.raises(IndexUnavailableError):
        client(keeps_pages=False).releases("example")


def test_json_page_becomes_the_same_records(site: Site) -> None:
    """The JSON form adds the size and agrees on the rest."""
    page = {
        "meta": {"api-version": "1.1"},
        "name": "example",
        "versions": ["1.0"],
        "files": [
            {
                "filename": WHEEL,
                "url": f"../../files/{WHEEL}",
                "hashes": {"sha256": "aa"},
                "requires-python": ">=3.10",
                "size": 123,
                "upload-time": "2025-10-04T05:06:07.500000Z",
                "yanked": "broken",
                "core-metadata": {"sha256": "bb"},
            }
        ],
    }
    site.files["/simple/example/"] = json.dumps(page).encode()
    from_json = _client(site)
    site.types["/simple/example/"] = "application/vnd.pypi.simple.v1+json"
    (json_file,) = from_json.releases("example")
    site.files["/simple/example/"] = PAGE
    site.types.clear()
    html_file = _client(site).releases("example")[0]

    assert json_file.size_bytes == 123
    assert json_file.upload_time == html_file.upload_time
    assert (json_file.url, json_file.yanked) == (html_file.url, html_file.yanked)


def test_unknown_project_has_no_releases(site: Site) -> None:
    """Not found is an answer."""
    assert _client(site).releases("nothing") == ()


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "text/html"),
        (PAGE[:380], "text/html"),
        (b'<html><a href="/login">Log in</a></html>', "text/html"),
        (b"{", "application/vnd.pypi.simple.v1+json"),
        (b'{"meta": {}}', "application/vnd.pypi.simple.v1+json"),
        (b"\x89PNG", "image/png"),
    ],
    ids=["empty", "truncated", "portal", "half-json", "other-json", "picture"],
)
def test_garbage_is_an_index_error(site: Site, body: bytes, kind: str) -> None:
    """A page that is no list of packages is the index failing, not a project without files."""
    site.files["/simple/example/"] = body
    site.types["/simple/example/"] = kind

    with pytest.raises(IndexUnavailableError, match="/simple/example/"):
        _client(site).releases("example")


@pytest.mark.parametrize("failures", [[500, 500], [0, 0], [403]], ids=["down", "cut", "forbidden"])
def test_failing_server_is_an_index_error(site: Site, failures: list[int]) -> None:
    """After the last attempt the reason is said."""
    site.files["/simple/example/"] = PAGE
    site.failures = failures

    with pytest.raises(IndexUnavailableError):
        _client(site).releases("example")


def test_silent_server_is_an_index_error() -> None:
    """Nobody listens on port 1."""
    client = IndexClient(
        ["http://127.0.0.1:1/simple"], transport=Transport(attempts=2, sleep=lambda _: None)
    )

    with pytest.raises(IndexUnavailableError, match="2 attempts"):
        client.releases("example")


def test_published_metadata_is_read_and_kept(site: Site, tmp_path: Path) -> None:
    """The PEP 658 file is enough, and is not asked for twice."""
    site.files["/simple/example/"] = PAGE
    site.files[f"/files/{WHEEL}.metadata"] = METADATA
    cache = MemberCache(tmp_path)
    client = IndexClient([site.address + "/simple"], cache=cache)
    file = client.releases("example")[0]

    first = client.metadata(file)
    second = client.metadata(file)
    cache.close()

    assert [str(item) for item in first.requires_dist or []] == ["torch==2.8.0"]
    assert second.requires_dist == first.requires_dist
    assert [path for path, _ in site.seen] == ["/simple/example/", f"/files/{WHEEL}.metadata"]


def test_metadata_comes_from_the_wheel_where_it_is_not_published(
    site: Site, build_wheel: BuildWheel
) -> None:
    """An announced but missing file falls back to a range of the wheel."""
    site.files["/simple/example/"] = PAGE
    site.files[f"/files/{WHEEL}"] = build_wheel({"a.py": b""}).read_bytes()
    client = _client(site)

    assert client.metadata(client.releases("example")[0]).name == "example"


def test_source_distribution_without_metadata_is_not_built(site: Site) -> None:
    """Nothing is executed to learn what an sdist needs."""
    site.files["/simple/example/"] = PAGE
    client = _client(site)

    with pytest.raises(WheelFormatError, match="not built here"):
        client.metadata(client.releases("example")[1])


def test_file_index_is_read_and_the_first_index_wins(
    site: Site, build_wheel: BuildWheel, tmp_path: Path
) -> None:
    """A local index adds files; a name that both serve comes from the first."""
    site.files["/simple/example/"] = PAGE
    folder = tmp_path / "local" / "example"
    folder.mkdir(parents=True)
    wheel = build_wheel({"a.py": b""}, filename="example-3.0-py3-none-any.whl")
    (folder / "index.html").write_text(
        f'<a href="{wheel.as_uri()}">{wheel.name}</a><a href="{wheel.as_uri()}">{WHEEL}</a>'
    )
    client = IndexClient([site.address + "/simple", (tmp_path / "local").as_uri()])

    found = {file.filename: file for file in client.releases("example")}

    assert found[WHEEL].url.startswith(site.address)
    assert client.metadata(found[wheel.name]).name == "example"
    assert client.releases("absent") == ()


@pytest.mark.parametrize(
    ("platform", "expected"),
    [
        ("manylinux_2_35_x86_64", "ex-1.0-cp38-abi3-manylinux_2_31_x86_64.whl"),
        ("manylinux_2_28_x86_64", "ex-1.0-cp38-abi3-manylinux1_x86_64.whl"),
        ("manylinux_2_35_aarch64", None),
    ],
)
def test_chosen_wheel_is_the_newest_the_platform_takes(
    site: Site, platform: str, expected: str | None
) -> None:
    """Floors of glibc rank the wheels as an installer ranks them."""
    names = [
        "ex-1.0-cp38-abi3-manylinux1_x86_64.whl",
        "ex-1.0-cp38-abi3-manylinux_2_31_x86_64.whl",
        "ex-2.0-cp38-abi3-manylinux1_x86_64.whl",
        "ex-1.0.tar.gz",
    ]
    page = "".join(f'<a href="{name}">{name}</a>' for name in names)
    site.files["/simple/ex/"] = page.encode()
    files = _client(site).releases("ex")

    chosen = choose_wheel(files, version="1.0", python="3.12", platform=platform)

    assert (chosen.filename if chosen else None) == expected


def test_index_settings_follow_uv_then_pip(tmp_path: Path) -> None:
    """The environment wins over files, uv wins over pip, and every extra is kept."""
    (tmp_path / "uv.toml").write_text(
        '[[index]]\nname = "more"\nurl = "https://uv.example/more"\n'
        '[[index]]\nurl = "https://uv.example/main"\ndefault = true\n'
        '[[index]]\nname = "x"\nurl = "https://uv.example/explicit"\nexplicit = true\n'
    )
    home = {"HOME": str(tmp_path), "PIP_CONFIG_FILE": str(tmp_path / "pip.conf")}
    (tmp_path / "pip.conf").write_text(
        "[global]\nindex-url = https://pip.example/main\nextra-index-url =\n  file:///a\n"
    )

    def urls(**environ: str) -> tuple[str, ...]:
        settings = find_index_settings(home | environ, cwd=tmp_path)
        return tuple(url for url in settings.urls if "example" in url or url == "file:///a")

    assert urls() == ("https://uv.example/main", "https://uv.example/more", "file:///a")
    assert urls(UV_DEFAULT_INDEX="m=https://env.example/s")[0] == "https://env.example/s"
    assert urls(UV_NO_CONFIG="1") == ("https://pip.example/main", "file:///a")
    assert urls(UV_NO_CONFIG="1", PIP_INDEX_URL="https://p.example/s")[0] == "https://p.example/s"


def test_broken_settings_file_is_named(tmp_path: Path) -> None:
    """A file that is no TOML is the user's to mend."""
    (tmp_path / "uv.toml").write_text("index = [")

    with pytest.raises(UsageError, match=r"uv\.toml"):
        find_index_settings({"HOME": str(tmp_path)}, cwd=tmp_path)


def test_redacted_address_keeps_host_and_path() -> None:
    """What is left still tells the reader which server and file it was."""
    redacted = redact_url("https://user:pw@index.example:8443/simple/x.whl?sig=1#sha256=2")

    assert redacted == "https://index.example:8443/simple/x.whl"
