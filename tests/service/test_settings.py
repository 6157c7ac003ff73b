"""Settings: where they come from, and what is said of those that are wrong."""

import re
from pathlib import Path
from typing import Any

import pytest

from donewatch import settings as sdk_settings
from lifecycle.errors import SettingsError
from service.collecting import collector_name
from service.settings import load_settings

HASH = "a" * 64


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory without ``donewatch.yaml``."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (elsewhere / "donewatch.yaml").write_text(
        "port: 1\notlp_port: 1\nlog_level: debug\nnotify: {resend: 5, webhooks: [http://a/]}\n"
    )
    monkeypatch.setenv("DONEWATCH_PORT", "2")
    monkeypatch.setenv("DONEWATCH_OTLP_PORT", "2")
    monkeypatch.setenv("DONEWATCH_NOTIFY__RESEND", "7")
    found = load_settings(port=3, otlp_port=None)
    assert (found.port, found.otlp_port, found.log_level) == (3, 2, "debug")
    assert (found.notify.resend, found.notify.webhooks) == (7.0, ["http://a/"])


def test_secrets_are_read_from_files(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (elsewhere / "dsn").write_text("http://me:secret@127.0.0.1:8123/db\n")
    (elsewhere / "tokens").write_text(f'[{{"hash": "{HASH}", "scopes": ["ingest"]}}]\n')
    monkeypatch.setenv("DONEWATCH_STORE__DSN_FILE", str(elsewhere / "dsn"))
    monkeypatch.setenv("DONEWATCH_TOKENS_FILE", str(elsewhere / "tokens"))
    found = load_settings()
    assert found.dsn == "http://me:secret@127.0.0.1:8123/db"
    assert [each.hash for each in found.tokens] == [HASH]
    assert found.tenants == ["default"]


FILES = [
    pytest.param(
        "storee: {dsn: x}", "storee: there is no such setting (did you mean 'store'?)", id="key"
    ),
    pytest.param(
        "store: {dns: x}",
        "store.dns: there is no such setting (did you mean 'dsn'?)",
        id="a key of a section",
    ),
    pytest.param(
        f"tokens: [{{hash: {HASH}, scope: [read], scopes: [read]}}]",
        "tokens.0.scope: there is no such setting (did you mean 'scopes'?)",
        id="a key of a token",
    ),
    pytest.param("store: {dsn: x", "donewatch.yaml:1:", id="broken"),
    pytest.param("a: b: c", "donewatch.yaml:1:5: not valid YAML", id="broken in the middle"),
    pytest.param("[" * 5000, "not valid YAML", id="deep"),
    pytest.param("[1, 2]", "settings are a mapping, for example port: 8080", id="a list"),
    pytest.param("8080: port", "settings are a mapping", id="a number as a key"),
    pytest.param("when: 2026-13-45", "not valid YAML: month", id="an impossible date"),
    pytest.param("port: many", "port: Input should be a valid integer", id="a word as a port"),
    pytest.param("port: 65536", "port: Input should be less than", id="no port"),
    pytest.param("rules: {interval: 0}", "rules.interval: Input should be greater", id="never"),
    pytest.param(
        "external_url: donewatch.example",
        "external_url: 'donewatch.example' is not a web address; write for example http",
        id="an address without a scheme",
    ),
    pytest.param(
        "notify: {webhooks: ['http://a:x/']}",
        "notify.webhooks.0: 'http://a:x/' is not a web address",
        id="a webhook whose port is a word",
    ),
    pytest.param(
        "notify: {webhooks: [http://a/, http://b/, http://a/]}",
        "notify.webhooks: 'http://a/' is given twice",
        id="a webhook twice",
    ),
    pytest.param(
        "notify: {alertmanagers: [localhost]}",
        "notify.alertmanagers.0: 'localhost' is not a web address",
        id="an Alertmanager without a scheme",
    ),
    pytest.param(
        "tokens: [{hash: secret, scopes: [read]}]",
        "tokens.0: a token is stored as its SHA-256",
        id="a token in the clear",
    ),
    pytest.param(
        f"tokens: [{{hash: {HASH}, scopes: [write]}}]",
        "tokens.0: scopes of a token are some of ingest, read, act, admin; given: write",
        id="an unknown scope",
    ),
    pytest.param(
        f"tokens: [{{hash: {HASH}, tenant: '', scopes: [read]}}]",
        "tokens.0: a token needs a tenant",
        id="no tenant",
    ),
    pytest.param(
        "host: 0.0.0.0", "host '0.0.0.0' is open to the network, and no token", id="open to all"
    ),
    pytest.param("host: '::'", "is open to the network", id="open to all by IPv6"),
    pytest.param("host: ''", "is open to the network", id="no host"),
    pytest.param("host: donewatch.example", "is open to the network", id="a name"),
]


@pytest.mark.parametrize(("text", "told"), FILES)
def test_a_wrong_file_is_told(elsewhere: Path, text: str, told: str) -> None:
    (elsewhere / "donewatch.yaml").write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert told in str(caught.value)
    assert HASH not in str(caught.value)


ENVIRONMENTS = [
    pytest.param(
        {"NOTIFY__WEBHOOKS": "http://a/"},
        'DONEWATCH_NOTIFY__WEBHOOKS: lists are written as JSON, for example ["http',
        id="a list without brackets",
    ),
    pytest.param(
        {"TOKENS": "[{"}, "DONEWATCH_TOKENS: lists are written as JSON", id="tokens cut short"
    ),
    pytest.param(
        {"STORE__DNS": "x"}, "store.dns: there is no such setting", id="a section's mistyped key"
    ),
    pytest.param(
        {"TOKNES": "[]"},
        "DONEWATCH_TOKNES: there is no such setting (did you mean DONEWATCH_TOKENS?)",
        id="a mistyped name",
    ),
    pytest.param(
        {"STOER__DSN": "x"}, "(did you mean DONEWATCH_STORE__DSN?)", id="a mistyped section"
    ),
    pytest.param(
        {"STORE_DSN": "x"}, "(did you mean DONEWATCH_STORE__DSN?)", id="an underscore too few"
    ),
    pytest.param(
        {"TOKNES_FILE": "none"},
        "DONEWATCH_TOKNES_FILE: there is no such setting (did you mean DONEWATCH_TOKENS?)",
        id="a mistyped name of a file",
    ),
    pytest.param(
        {"STORE__DSN_FILE": "none"},
        "DONEWATCH_STORE__DSN_FILE: none cannot be read: No such file",
        id="a secret that is not there",
    ),
    pytest.param(
        {"STORE__DSN_FILE": "binary"},
        "DONEWATCH_STORE__DSN_FILE: binary is not text",
        id="a secret that is no text",
    ),
    pytest.param(
        {"STORE__DSN_FILE": "."},
        "DONEWATCH_STORE__DSN_FILE: . cannot be read: Is a directory",
        id="a secret that is a directory",
    ),
]


@pytest.mark.parametrize(("given", "told"), ENVIRONMENTS)
def test_a_wrong_environment_is_told(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], told: str
) -> None:
    (elsewhere / "binary").write_bytes(b"\xff\xfe\x00")
    for name, value in given.items():
        monkeypatch.setenv(f"DONEWATCH_{name}", value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert told in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        "PORT_8080_TCP_ADDR",
        "SERVICE_HOST",
        "SERVICE_PORT_HTTP",
    ],
)
def test_a_variable_that_an_orchestrator_sets_is_told_and_ignored(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    monkeypatch.setenv(f"DONEWATCH_{name}", "10.0.0.1")
    load_settings()
    assert [each.getMessage() for each in caplog.records] == [
        f"DONEWATCH_{name} is no setting of donewatch, and is ignored"
    ]


def test_what_others_of_donewatch_read_is_no_mistake(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (elsewhere / "token").write_text("x")
    sdk = Path(sdk_settings.__file__ or "").read_text()
    names = {*re.findall(r"DONEWATCH_[A-Z_]+[A-Z]", sdk), "DONEWATCH_URL", "DONEWATCH_TOKEN_FILE"}
    durations = {f"DONEWATCH_{name.upper()}" for name in sdk_settings._DURATIONS}
    assert "DONEWATCH_ENDPOINT" in names
    for name in names | durations:
        monkeypatch.setenv(name, str(elsewhere / "token"))
    load_settings()
    assert caplog.records == []


def test_an_empty_file_sets_nothing(elsewhere: Path) -> None:
    (elsewhere / "donewatch.yaml").write_text("# nothing yet\n")
    assert load_settings().port == 8080


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback_needs_no_token(host: str) -> None:
    assert load_settings(host=host).host == host


def test_with_a_token_every_address_may_be_listened_on() -> None:
    tokens: list[Any] = [{"hash": HASH, "tenant": "shop", "scopes": ["read"]}]
    found = load_settings(host="0.0.0.0", tokens=tokens)
    assert found.tenants == ["default", "shop"]


def test_a_collector_keeps_its_name(tmp_path: Path) -> None:
    name, new = collector_name(tmp_path / "data")
    assert new
    assert name.startswith("collector-")
    assert collector_name(tmp_path / "data") == (name, False)
    (tmp_path / "data" / "collector").write_text("")  # as an older version could leave it
    assert collector_name(tmp_path / "data")[0] not in ("", name)
