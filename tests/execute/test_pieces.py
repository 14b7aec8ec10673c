"""Cutting and joining, whatever the sizes."""

from __future__ import annotations

import hashlib
import io
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_verlcompat.execute.pieces import PieceReader, PieceWriter


@settings(max_examples=50, deadline=None)
@given(
    writes=st.lists(st.binary(max_size=50), max_size=20),
    piece_bytes=st.integers(1, 40),
    buffer_bytes=st.integers(1, 64),
)
def test_what_is_cut_is_joined_again(
    writes: list[bytes], piece_bytes: int, buffer_bytes: int
) -> None:
    """However it is written and read, the same bytes come out; all pieces but the last are full."""
    data = b"".join(writes)
    with tempfile.TemporaryDirectory() as folder:
        with PieceWriter(Path(folder), piece_bytes=piece_bytes) as target:
            for each in writes:
                target.write(each)
        paths = [Path(folder, piece.name) for piece in target.pieces]
        joined = io.BufferedReader(PieceReader(paths), buffer_bytes).read()

    assert joined == data
    assert target.sha256 == hashlib.sha256(data).hexdigest()
    assert all(piece.bytes == piece_bytes for piece in target.pieces[:-1])
    assert sum(piece.bytes for piece in target.pieces) == len(data)
    assert all(piece.bytes for piece in target.pieces)
