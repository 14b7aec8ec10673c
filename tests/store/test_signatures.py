"""Signatures hold through merges, and hold nothing else: real keys, real ssh-keygen."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.errors import SignatureError, ToolMissingError
from pytest_verlcompat.model.codec import render_line
from pytest_verlcompat.store.jsonl import append
from pytest_verlcompat.store.merge import merge
from pytest_verlcompat.store.signatures import (
    NAMESPACE,
    SIGNED,
    check_batch,
    keep_signature,
    load_signers,
    sign,
    signature_of,
)
from tests.tiny import make_evidence

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="no ssh-keygen")


def make_key(folder: Path, name: str) -> Path:
    """Return a new private key without a passphrase."""
    key = folder / name
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(key)]
    subprocess.run(words, check=True)
    return key


def allow(folder: Path, **keys: Path) -> Path:
    """Return a list of allowed signers: ``alice=key`` may sign as alice@example.org."""
    path = folder / "allowed-signers"
    lines = [
        f'{name}@example.org namespaces="{NAMESPACE}" {key.with_suffix(".pub").read_text()}'
        for name, key in keys.items()
    ]
    path.write_text("".join(lines))
    return path


def _batch(path: Path, *subjects: str) -> Path:
    for subject in subjects:
        append(make_evidence(subject=subject), path=path)
    return path


def test_signature_survives_merging_with_others(tmp_path: Path) -> None:
    """Signed lines are known in the file of their cell, whatever lies between them."""
    key = make_key(tmp_path, "key")
    allowed = allow(tmp_path, alice=key)
    signed = _batch(tmp_path / "in" / "signed.jsonl", "one", "two")
    unsigned = _batch(tmp_path / "in" / "unsigned.jsonl", "another", "two!")
    sign(signed, key=key)
    evidence = tmp_path / "e"

    merge([unsigned, signed], evidence=evidence, cells=["alpha1.0"])
    for path in (signed, unsigned, signed):
        keep_signature(check_batch(path, allowed_signers=allowed), evidence=evidence)

    signers = load_signers(evidence, allowed_signers=allowed)
    assert set(signers.values()) == {"alice@example.org"}
    assert len(signers) == 2
    assert len(list((evidence / SIGNED).iterdir())) == 2  # twice is once, and nothing is left over


def test_order_of_lines_is_not_signed(tmp_path: Path) -> None:
    """The same records in another order, or twice, are the same batch."""
    key = make_key(tmp_path, "key")
    path = _batch(tmp_path / "in.jsonl", "one", "two")
    sign(path, key=key)

    lines = path.read_text().splitlines()
    path.write_text("\n\n".join([*reversed(lines), lines[0]]) + "\n")

    batch = check_batch(path, allowed_signers=allow(tmp_path, alice=key))
    assert batch.signer == "alice@example.org"


@pytest.mark.parametrize("change", ["added", "edited", "taken away"])
def test_changed_records_are_not_what_was_signed(tmp_path: Path, change: str) -> None:
    """One line more, less or other, and the signature does not fit."""
    key = make_key(tmp_path, "key")
    path = _batch(tmp_path / "in.jsonl", "one", "two")
    sign(path, key=key)
    text = path.read_text()
    path.write_text(
        {
            "added": text + render_line(make_evidence(subject="three")),
            "edited": text.replace("1.5", "1.6", 1),
            "taken away": text.splitlines()[0],
        }[change]
    )

    with pytest.raises(SignatureError, match=r"in\.jsonl\.sig: is no signature of these records"):
        check_batch(path, allowed_signers=allow(tmp_path, alice=key))


def test_signer_who_is_not_allowed_is_refused(tmp_path: Path) -> None:
    """A valid signature of a stranger is an error that says what to do."""
    path = _batch(tmp_path / "in.jsonl", "one")
    sign(path, key=make_key(tmp_path, "mallory"))
    allowed = allow(tmp_path, alice=make_key(tmp_path, "alice"))

    with pytest.raises(SignatureError, match=r"a key that may not sign.*maintainer adds it"):
        check_batch(path, allowed_signers=allowed)


def test_signature_for_another_purpose_is_refused(tmp_path: Path) -> None:
    """Who signed a commit with that key did not sign evidence."""
    key = make_key(tmp_path, "key")
    path = _batch(tmp_path / "in.jsonl", "one")
    listed = tmp_path / "list"
    sign(path, key=key)
    allowed = tmp_path / "allowed-signers"
    allowed.write_text(f"alice@example.org {key.with_suffix('.pub').read_text()}")
    listed.write_text("x")
    words = ["ssh-keygen", "-q", "-Y", "sign", "-n", "git", "-f", str(key), str(listed)]
    subprocess.run(words, check=True, capture_output=True)
    signature_of(listed).replace(signature_of(path))

    with pytest.raises(SignatureError, match="is no signature of these records"):
        check_batch(path, allowed_signers=allowed)


@pytest.mark.parametrize("body", [b"", b"hello", b"-----BEGIN SSH SIGNATURE-----" + b"A" * 20_000])
def test_what_is_no_signature_is_refused(tmp_path: Path, body: bytes) -> None:
    """A file of something else, or too large to be one, is not given to ssh-keygen."""
    path = _batch(tmp_path / "in.jsonl", "one")
    signature_of(path).write_bytes(body)

    with pytest.raises(SignatureError, match="is not a signature of SSH"):
        check_batch(path, allowed_signers=None)


def test_unsigned_batch_is_said_to_be_so(tmp_path: Path) -> None:
    """Nobody vouches for it; that is no error here."""
    batch = check_batch(_batch(tmp_path / "in.jsonl", "one"), allowed_signers=None)

    assert (batch.signer, batch.signature) == (None, None)


def test_signer_who_is_taken_off_the_list_vouches_for_nothing(tmp_path: Path) -> None:
    """The list of the day of the report decides; the signature stays and may count again."""
    key = make_key(tmp_path, "key")
    path = _batch(tmp_path / "in.jsonl", "one")
    sign(path, key=key)
    keep_signature(check_batch(path, allowed_signers=allow(tmp_path, alice=key)), evidence=tmp_path)

    allowed = allow(tmp_path, bob=make_key(tmp_path, "bob"))

    assert load_signers(tmp_path, allowed_signers=allowed) == {}
    assert load_signers(tmp_path, allowed_signers=None) == {}


def test_list_that_was_edited_vouches_for_nothing(tmp_path: Path) -> None:
    """Whoever adds a digest to a kept list breaks its signature."""
    key = make_key(tmp_path, "key")
    path = _batch(tmp_path / "in.jsonl", "one")
    sign(path, key=key)
    allowed = allow(tmp_path, alice=key)
    keep_signature(check_batch(path, allowed_signers=allowed), evidence=tmp_path)
    (listed,) = (tmp_path / SIGNED).glob("*.txt")

    listed.write_text(listed.read_text() + "0" * 64 + "\n")

    assert load_signers(tmp_path, allowed_signers=allowed) == {}


def test_key_that_cannot_sign_is_an_error(tmp_path: Path) -> None:
    """A key with a passphrase is not asked for: there may be no terminal."""
    path = _batch(tmp_path / "in.jsonl", "one")
    key = tmp_path / "locked"
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret phrase", "-f", str(key)]
    subprocess.run(words, check=True)

    with pytest.raises(SignatureError, match=r"^locked: cannot sign: .*ssh-agent"):
        sign(path, key=key)
    assert not signature_of(path).exists()


def test_missing_ssh_keygen_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without OpenSSH the error says what to install."""
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(ToolMissingError, match=r"^ssh-keygen: .*OpenSSH"):
        sign(_batch(tmp_path / "in.jsonl", "one"), key=tmp_path / "key")
