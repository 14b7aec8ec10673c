"""Remote wheels are read by range, in few requests, and whole when nothing else works."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.errors import IndexUnavailableError, WheelFormatError
from pytest_verlcompat.wheels.cache import MemberCache
from pytest_verlcompat.wheels.remote import RemoteWheel
from pytest_verlcompat.wheels.transport import Transport

if TYPE_CHECKING:
    from pathlib import Path

    from tests.wheels.conftest import BuildWheel, Site

BIG = os.urandom(3 << 20)


def _publish(site: Site, path: Path) -> str:
    site.files["/w/example.whl"] = path.read_bytes()
    return site.address + "/w/example.whl"


def test_hundreds_of_members_cost_few_requests(build_wheel: BuildWheel, site: Site) -> None:
    """Neighbours come in one request, the last with the directory; the big one is skipped."""
    sources = {f"pkg/m{number:03}.py": b"x = %d\n" % number * 100 for number in range(300)}
    members = dict(list(sources.items())[:150]) | {"pkg/big.so": BIG} | sources
    url = _publish(site, build_wheel(members))

    with RemoteWheel(url) as wheel:
        read = wheel.read_many(sources)

        assert read == sources
        assert wheel.transport.requests_sent == len(site.seen) == 2
        assert wheel.transport.bytes_read < 300_000
        assert wheel.fallback is None


def test_prefix_of_a_big_member_is_not_the_whole_member(
    build_wheel: BuildWheel, site: Site
) -> None:
    """Reading the start costs the start, and asking for more does not begin anew."""
    url = _publish(site, build_wheel({"pkg/big.so": BIG, "tail.py": os.urandom(100_000)}))

    with RemoteWheel(url) as wheel:
        assert wheel.read_prefix("pkg/big.so", 4096) == BIG[:4096]
        after_first = wheel.transport.bytes_read
        assert wheel.read_prefix("pkg/big.so", 1 << 20) == BIG[: 1 << 20]

        assert after_first < 300_000
        assert wheel.transport.bytes_read < 2_000_000
        assert wheel.read_prefix("pkg/big.so", 9 << 20) == BIG


def test_server_without_ranges_falls_back_and_says_so(
    build_wheel: BuildWheel, site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """The whole wheel is read once, from disk afterwards, with the same results."""
    site.ranges = False
    url = _publish(site, build_wheel({"a.py": b"a = 1\n", "big.so": BIG}))

    with RemoteWheel(url) as wheel:
        assert wheel.read("a.py") == b"a = 1\n"
        assert wheel.read_prefix("big.so", 10) == BIG[:10]
        assert "a.py" in wheel.names()
        assert wheel.fallback is not None
        assert "no byte ranges" in caplog.text
        assert wheel.transport.requests_sent == 2


def test_server_without_suffix_ranges_is_read_by_range(build_wheel: BuildWheel, site: Site) -> None:
    """Where the end cannot be asked for, the size is asked first."""
    site.suffix_ranges = False
    url = _publish(site, build_wheel({"a.py": b"a = 1\n", "big.so": BIG}))

    with RemoteWheel(url, transport=Transport(sleep=lambda _: None)) as wheel:
        assert wheel.read("a.py") == b"a = 1\n"
        assert wheel.fallback is None
        assert wheel.transport.bytes_read < 300_000


def test_second_reader_sends_no_request(
    build_wheel: BuildWheel, site: Site, tmp_path: Path
) -> None:
    """Directory and members are kept under the digest, also for another process."""
    path = build_wheel({"a.py": b"a = 1\n", "b.py": b"b = 2\n"})
    url = _publish(site, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    first = MemberCache(tmp_path / "cache")
    RemoteWheel(url, digest=digest, cache=first).read_many(["a.py", "b.py"])
    first.close()
    site.seen.clear()

    second = MemberCache(tmp_path / "cache")
    wheel = RemoteWheel(url, digest=digest, cache=second)
    read = wheel.read_many(["a.py", "b.py"])
    names = wheel.names()
    second.close()

    assert read == {"a.py": b"a = 1\n", "b.py": b"b = 2\n"}
    assert list(names) == ["a.py", "b.py", "example-1.0.dist-info/METADATA"]
    assert site.seen == []


def test_damaged_cache_is_put_aside(tmp_path: Path) -> None:
    """A cache file of garbage costs time, not the run."""
    (tmp_path / "wheel-members.sqlite").write_bytes(b"garbage" * 1000)

    cache = MemberCache(tmp_path)
    cache.save("d", {"a": b"1"})

    assert cache.load("d", "a") == b"1"
    assert (tmp_path / "wheel-members.damaged").exists()
    cache.close()


def test_bad_member_is_told_and_the_others_read(build_wheel: BuildWheel, site: Site) -> None:
    """One flipped byte hides one member."""
    path = build_wheel({"a.py": b"answer = 42\n", "b.py": b"b = 2\n"}, stored=True)
    url = _publish(site, path)
    damaged = site.files["/w/example.whl"].replace(b"answer = 42", b"answer = 43")
    site.files["/w/example.whl"] = damaged
    told: list[WheelFormatError] = []

    read = RemoteWheel(url).read_many(["a.py", "b.py", "gone.py"], on_error=told.append)

    assert read == {"b.py": b"b = 2\n"}
    assert sorted(str(error) for error in told) == [
        "example.whl: a.py: its content does not have the declared CRC",
        "example.whl: gone.py: no such member",
    ]


def test_truncated_remote_wheel_is_a_wheel_error(build_wheel: BuildWheel, site: Site) -> None:
    """What the server holds is broken; that is not the server being away."""
    url = _publish(site, build_wheel({"a.py": os.urandom(90_000)}))
    site.files["/w/example.whl"] = site.files["/w/example.whl"][:-50]

    with pytest.raises(WheelFormatError, match="may be truncated"):
        RemoteWheel(url).names()


def test_missing_file_is_named_without_credentials(site: Site) -> None:
    """Neither user nor password of the address reach the message."""
    address = site.address.replace("http://", "http://user:secret@")

    with pytest.raises(IndexUnavailableError) as caught:
        RemoteWheel(address + "/gone.whl?token=secret").names()

    assert "secret" not in str(caught.value)
    assert "user" not in str(caught.value)
    assert str(caught.value).endswith("not there")


def test_passing_failures_are_retried(build_wheel: BuildWheel, site: Site) -> None:
    """A busy server and a body that breaks off are asked again, after a growing pause."""
    url = _publish(site, build_wheel({"a.py": b"a = 1\n"}))
    site.failures = [503, 429]
    pauses: list[float] = []

    wheel = RemoteWheel(url, transport=Transport(sleep=pauses.append))

    assert wheel.read("a.py") == b"a = 1\n"
    assert pauses == [0.5, 1.0]
