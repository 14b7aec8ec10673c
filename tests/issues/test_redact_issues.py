"""What is pasted into an issue names no one and nothing that can be misused."""

from __future__ import annotations

import pytest

from pytest_verlcompat.issues.redact import redact


@pytest.mark.parametrize(
    "secret",
    [
        "hf_" + "a" * 34,
        "0123456789abcdef0123456789abcdef01234567",
        "alice@example.org",
        "10.20.30.40",
        "192.168.1.7",
        "172.20.0.3",
        "/home/alice/run",
        "https://alice:pw12345@host/x",
    ],
)
def test_secret_is_taken_out(secret: str) -> None:
    """Tokens, keys of trackers, people and addresses go."""
    assert secret not in redact(f"worker at ({secret}) failed")


def test_address_of_a_worker_is_taken_out() -> None:
    """An address is known by what stands before it."""
    assert "34.1.2.3" not in redact("(WorkerDict pid=1, ip=34.1.2.3) http://34.1.2.3:8000/v1")


@pytest.mark.parametrize("text", ["opencv 4.11.0.86", "driver 580.65.06", "127.0.0.1:8265"])
def test_versions_and_the_own_machine_stay(text: str) -> None:
    """A version of four numbers is no address."""
    assert redact(text) == text
