"""What a host lacks is told from what is wrong with a stack, by words seen in real runs."""

from __future__ import annotations

import pytest

from pytest_verlcompat.probes.host import find_lack


@pytest.mark.parametrize(
    ("text", "lack"),
    [
        (
            "ImportError: libcuda.so.1: cannot open shared object file: No such file or directory",
            "libcuda.so.1 (NVIDIA driver)",
        ),
        ("RuntimeError: Found no NVIDIA driver on your system. Please check", "an NVIDIA driver"),
        ("RuntimeError: No CUDA GPUs are available", "a CUDA device"),
        ("OSError: [Errno 28] No space left on device: '/tmp/x'", "disk space"),
        ("OSError: [Errno 12] Cannot allocate memory", "memory"),
        ("terminate called after throwing an instance of 'std::bad_alloc'", "memory"),
        (
            "HarmonyError: error downloading or loading vocab file: failed to download",
            "network (openai_harmony fetches its vocabulary file)",
        ),
        (
            "HTTPSConnectionPool(host='huggingface.co', port=443): Max retries exceeded with url",
            "network",
        ),
        (
            "OSError: We couldn't connect to 'https://huggingface.co' to load the files",
            "network",
        ),
        ("socket.gaierror: [Errno -2] Name or service not known", "network"),
    ],
)
def test_lack_of_the_host_is_named(text: str, lack: str) -> None:
    """None of these says anything about the stack."""
    assert find_lack(text) == lack


@pytest.mark.parametrize(
    "text",
    [
        "ModuleNotFoundError: No module named 'tiktoken'",
        (
            "ValueError: Converting from SentencePiece and Tiktoken failed, if a converter for "
            "SentencePiece is available, provide a model path with a SentencePiece tokenizer.model"
        ),
        "ImportError: x.so: undefined symbol: _ZNSt9bad_allocC1Ev",
        "ImportError: libgomp.so.1: cannot allocate memory in static TLS block",
        "ImportError: libcudart.so.12: cannot open shared object file: No such file or directory",
        "hydra.errors.InstantiationException: Failed to resolve interpolation 'actor.x'",
        "RuntimeError: There is no current event loop in thread 'MainThread'.",
        "ImportError: cannot import name 'AutoModelForVision2Seq' from 'transformers'",
        "",
    ],
)
def test_failure_of_the_stack_is_never_excused(text: str) -> None:
    """A message that only resembles a lack of the host stays a failure."""
    assert find_lack(text) is None
