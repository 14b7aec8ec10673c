"""Secrets, home directories and user names are hidden; ordinary words are left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_verlcompat.process.redact import make_redactor

CANARY = "s3cr3t-canary-value"


@pytest.mark.parametrize(
    "name",
    ["HF_TOKEN", "WANDB_API_KEY", "AWS_SECRET_ACCESS_KEY", "UV_INDEX_X_PASSWORD", "GH_PAT"],
)
def test_value_of_a_secret_variable_is_hidden_anywhere(name: str) -> None:
    """The value is hidden wherever it stands, whatever stands around it."""
    redact = make_redactor({name: CANARY, "PATH": "/usr/bin"})

    assert redact(f"x{CANARY}y in /usr/bin") == "x<redacted>y in /usr/bin"


@pytest.mark.parametrize(
    ("url", "hidden", "shown"),
    [
        ("https://deploy:s%2Bcr3t-pw@index/simple", ["s%2Bcr3t-pw", "s+cr3t-pw"], "deploy"),
        ("https://0123456789abcdef-token@index/x", ["0123456789abcdef-token"], "index"),
        ("git+ssh://git@host/x https://a:longer-pw@b", ["longer-pw"], "git"),
    ],
)
def test_password_of_a_url_in_a_variable_is_hidden_alone_too(
    url: str, hidden: list[str], shown: str
) -> None:
    """A tool may print it without its URL; an ordinary user name is a word like others."""
    redact = make_redactor({"UV_INDEX_URL": url})

    assert [redact(f"got {each}!") for each in hidden] == ["got <redacted>!"] * len(hidden)
    assert redact(f"a {shown} b") == f"a {shown} b"


@pytest.mark.parametrize(
    "end",
    [CANARY, CANARY[:7], "https://user:s3cr3t-ca", "hf_abcdefgh", "ghp_abc123", "x AKIA0123"],
)
def test_secret_that_was_cut_off_at_the_end_of_a_text_is_hidden(end: str) -> None:
    """Who keeps the first hundreds of characters of a text may keep a part of a secret."""
    redact = make_redactor({"MY_TOKEN": CANARY})

    redacted = redact("x" * 300 + " " + end)

    assert redacted.endswith("<redacted>")
    assert end[-5:] not in redacted


@pytest.mark.parametrize("end", ["http://host:8080", "http://host:", "://", "tokenizer", "s3cr3"])
def test_ordinary_end_of_a_long_text_is_left_alone(end: str) -> None:
    """Ports, words and what is too short to tell are kept."""
    text = "x" * 300 + " " + end

    assert make_redactor({"MY_TOKEN": CANARY})(text) == text


@pytest.mark.parametrize("end", ["https://jo.smith", "https://jo.smith:", "https://jo.smith:s3"])
def test_user_of_an_address_that_was_cut_off_is_hidden(end: str) -> None:
    """A user is known by the variable that holds the whole address, were it cut before the @."""
    redact = make_redactor({"UV_DEFAULT_INDEX": "https://jo.smith:s3cret@index.example/simple"})

    assert redact("x" * 300 + " " + end) in {
        f"{'x' * 300} https://<redacted>",
        f"{'x' * 300} <redacted>",
    }
    assert redact("see https://jo.smith") == "see https://jo.smith"


def test_value_of_a_passed_variable_is_hidden() -> None:
    """What a probe gets by name may come out in its log, whatever its name is."""
    redact = make_redactor({"VERLCOMPAT_PASS_ENV": "ENDPOINT", "ENDPOINT": CANARY})

    assert redact(f"asked {CANARY}") == "asked <redacted>"


def test_longer_secret_is_hidden_before_the_shorter_it_contains() -> None:
    """No tail of the longer secret is left over."""
    redact = make_redactor({"A_TOKEN": "canary", "B_TOKEN": "canary-and-more"})

    assert redact("canary-and-more") == "<redacted>"


@pytest.mark.parametrize(
    "line",
    [
        f"Authorization: Bearer {CANARY}",
        f"authorization: Basic {CANARY}",
        f"Authorization: token {CANARY}",
        f"Authorization={CANARY}",
        f'{{"Authorization": "Bearer {CANARY}"}}',
        f"curl -H 'Authorization: Bearer {CANARY}' there",
        f"sent bearer {CANARY} along",
        f"HF_TOKEN={CANARY}",
        f"api_key: '{CANARY}'",
        f'{{"password": "{CANARY}"}}',
        f"tool --api-token {CANARY}",
        f"tool --password={CANARY}",
        f"https://user:{CANARY}@index.example/simple",
        f"https://{CANARY}@index.example/simple",
    ],
)
def test_named_secret_is_hidden(line: str) -> None:
    """What is called a secret is hidden though its value was not known beforehand."""
    redacted = make_redactor({})(line)

    assert CANARY not in redacted
    assert "<redacted>" in redacted


@pytest.mark.parametrize(
    "token",
    [
        "hf_" + "a" * 30,
        "ghp_" + "A1" * 18,
        "github_pat_" + "a1_" * 12,
        "glpat-" + "x" * 20,
        "sk-" + "ab1" * 10,
        "AKIA" + "ABCDEFGH12345678",
        "AIza" + "b" * 35,
        "pypi-" + "AgEI" * 8,
        "xoxb-" + "1234567890-abc",
        "eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.c2lnbmF0dXJl",
    ],
)
def test_token_is_hidden_by_its_shape(token: str) -> None:
    """Tokens of known services are hidden where nothing names them."""
    assert make_redactor({})(f"got {token}, sorry") == "got <redacted>, sorry"


@pytest.mark.parametrize(
    "line",
    [
        "AttributeError: Qwen2Tokenizer has no attribute all_special_tokens_extended",
        "ValueError: unexpected token embeddings of shape (3, 4)",
        "the pad token should be set",
        "KeyError: 'secretary'",
        "see https://github.com/verl-project/verl/issues/5007",
        "numpy==1.26.4 requires numpy<2",
        "author: someone",
    ],
)
def test_ordinary_words_are_left_alone(line: str) -> None:
    """First lines that people search for stay searchable."""
    assert make_redactor({})(line) == line


def test_home_directories_are_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the caller's home nor anybody else's is shown."""
    monkeypatch.setenv("HOME", "/srv/people/jane")
    redact = make_redactor({})

    assert redact("/srv/people/jane/x.py") == "<home>/x.py"
    assert redact('File "/home/joe/y.py"') == 'File "<home>/y.py"'
    assert redact("/Users/ann/z /root/.cache /rooted") == "<home>/z <home>/.cache /rooted"


def test_user_name_is_hidden_as_a_part_of_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scratch folder that carries the user's name does not give it away."""
    monkeypatch.setenv("LOGNAME", "jdoe")

    assert make_redactor({})("/scratch/jdoe/run and jdoes") == "/scratch/<user>/run and jdoes"


def test_places_become_their_words_longest_first() -> None:
    """Known directories are named instead of shown, the inner one by its own word."""
    places = {"environment": Path("/data/envs/1"), "data": Path("/data")}

    redact = make_redactor({}, places=places)

    assert redact("/data/envs/1/lib and /data/x") == "<environment>/lib and <data>/x"
