"""Tools get what they need, probes get next to nothing, and neither gets a secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_verlcompat.errors import UsageError
from pytest_verlcompat.process.environ import is_secret_name, probe_environ, tool_environ

SECRETS = {"HF_TOKEN": "canary", "WANDB_API_KEY": "canary", "AWS_SECRET_ACCESS_KEY": "canary"}


def _probe_environ(environ: dict[str, str], *, keep_stack: bool = False) -> dict[str, str]:
    return probe_environ(
        environ, home=Path("/empty"), scratch=Path("/scratch"), keep_stack=keep_stack
    )


def test_probe_gets_an_empty_home_and_no_hub() -> None:
    """A probe neither reads the caller's configuration nor asks a hub."""
    environ = _probe_environ({"HOME": "/home/jane", "PATH": "/bin", "EDITOR": "vi", **SECRETS})

    assert environ["HOME"] == "/empty"
    assert environ["TMPDIR"] == "/scratch"
    assert environ["HF_HUB_OFFLINE"] == "1"
    assert environ["PATH"] == "/bin"
    assert "EDITOR" not in environ
    assert "canary" not in environ.values()


def test_stack_settings_reach_an_installed_environment_only() -> None:
    """A cell is judged bare; what is installed is judged as it is configured, without secrets."""
    given = {"VLLM_USE_V1": "1", "PYTHONPATH": "/mine", "VLLM_API_KEY": "canary", **SECRETS}

    bare = _probe_environ(given)
    kept = _probe_environ(given, keep_stack=True)

    assert "VLLM_USE_V1" not in bare
    assert "PYTHONPATH" not in bare
    assert kept["VLLM_USE_V1"] == "1"
    assert kept["PYTHONPATH"] == "/mine"
    assert "canary" not in kept.values()


def test_variable_that_is_named_reaches_the_probe() -> None:
    """Credentials are passed where the caller says so, by name; no others come with them."""
    given = {"VERLCOMPAT_PASS_ENV": "HF_TOKEN, HF_HUB_OFFLINE", "HF_HUB_OFFLINE": "0", **SECRETS}

    environ = _probe_environ(given)

    assert (environ["HF_TOKEN"], environ["HF_HUB_OFFLINE"]) == ("canary", "0")
    assert "WANDB_API_KEY" not in environ


def test_named_variable_that_is_not_set_is_an_error() -> None:
    """A run that would lack what its caller counts on does not start."""
    with pytest.raises(UsageError, match=r"^VERLCOMPAT_PASS_ENV: names HF_TOKEN, which is not"):
        _probe_environ({"VERLCOMPAT_PASS_ENV": "HF_TOKEN"})


def test_tool_keeps_its_own_settings_and_loses_the_secrets_of_others() -> None:
    """A tool may need a password for its index; it needs nobody's token for a hub."""
    given = {"UV_INDEX_X_PASSWORD": "own", "PIP_INDEX_URL": "u", "HOME": "/home/jane", **SECRETS}

    environ = tool_environ(given)

    assert environ == {"UV_INDEX_X_PASSWORD": "own", "PIP_INDEX_URL": "u", "HOME": "/home/jane"}


@pytest.mark.parametrize("name", ["PATH", "TOKENIZERS_PARALLELISM", "KEYBOARD", "AUTHOR", "HOME"])
def test_ordinary_name_is_no_secret(name: str) -> None:
    """Values of these stand in logs and are not hidden there."""
    assert not is_secret_name(name)
