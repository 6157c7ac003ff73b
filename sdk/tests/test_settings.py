"""Settings come from arguments, else DONEWATCH_*, else OTEL_*, else defaults."""

import logging
import re
from dataclasses import fields
from pathlib import Path

import pytest

import donewatch
from donewatch.runtime import runtime
from donewatch.settings import Settings, from_environment

KEY = "k3y"
URL = "http://127.0.0.1:4318/v1/logs"


@pytest.mark.parametrize(
    ("environment", "name", "value"),
    [
        pytest.param({}, "endpoint", URL, id="the default endpoint"),
        pytest.param(
            {"DONEWATCH_ENDPOINT": "http://h:1"}, "endpoint", "http://h:1/v1/logs", id="a"
        ),
        pytest.param(
            {"DONEWATCH_ENDPOINT": "http://h:1/"}, "endpoint", "http://h:1/v1/logs", id="/"
        ),
        pytest.param(
            {"DONEWATCH_ENDPOINT": "http://h:1/v1/logs"},
            "endpoint",
            "http://h:1/v1/logs",
            id="with its path",
        ),
        pytest.param(
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://o:1"},
            "endpoint",
            "http://o:1/v1/logs",
            id="OpenTelemetry's",
        ),
        pytest.param(
            {"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://o:1/x"},
            "endpoint",
            "http://o:1/x",
            id="OpenTelemetry's for logs stands as it is",
        ),
        pytest.param(
            {
                "DONEWATCH_ENDPOINT": "http://h:1",
                "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://o:1/x",
            },
            "endpoint",
            "http://h:1/v1/logs",
            id="ours comes first",
        ),
        pytest.param({"DONEWATCH_TOKEN": " t \n"}, "token", "t", id="a token"),
        pytest.param({"OTEL_SERVICE_NAME": "s"}, "service_name", "s", id="a service"),
        pytest.param(
            {"OTEL_RESOURCE_ATTRIBUTES": "service.name=r"},
            "service_name",
            "r",
            id="of the resource",
        ),
        pytest.param(
            {"DONEWATCH_SERVICE_NAME": "d", "OTEL_SERVICE_NAME": "s"},
            "service_name",
            "d",
            id="ours",
        ),
        pytest.param(
            {"OTEL_RESOURCE_ATTRIBUTES": "service.version=7,x=1"},
            "service_version",
            "7",
            id="version",
        ),
        pytest.param(
            {"OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=e"},
            "environment",
            "e",
            id="environment",
        ),
        pytest.param({"DONEWATCH_ENVIRONMENT": "e"}, "environment", "e", id="our environment"),
        pytest.param({"DONEWATCH_QUEUE_SIZE": "7"}, "queue_size", 7, id="queue"),
        pytest.param({"DONEWATCH_QUEUE_SIZE": "7"}, "batch_size", 7, id="no batch above the queue"),
        pytest.param(
            {"OTEL_BLRP_MAX_QUEUE_SIZE": "9"}, "queue_size", 9, id="OpenTelemetry's queue"
        ),
        pytest.param({"OTEL_BLRP_SCHEDULE_DELAY": "250"}, "schedule_delay", 0.25, id="delay in ms"),
        pytest.param(
            {"DONEWATCH_SCHEDULE_DELAY": "0.1"}, "schedule_delay", 0.1, id="our delay in s"
        ),
        pytest.param({"OTEL_EXPORTER_OTLP_TIMEOUT": "3"}, "export_timeout", 3, id="timeout"),
        pytest.param({"DONEWATCH_EXIT_TIMEOUT": "0"}, "exit_timeout", 0, id="no waiting at exit"),
        pytest.param({}, "exit_timeout", 2, id="two seconds at exit"),
        pytest.param(
            {"DONEWATCH_HEARTBEAT_INTERVAL": "5"}, "heartbeat_interval", 5, id="heartbeats"
        ),
        pytest.param({"DONEWATCH_RETRY_TIMEOUT": "5"}, "retry_timeout", 5, id="retries"),
        pytest.param({"OTEL_SDK_DISABLED": " TRUE "}, "disabled", True, id="disabled"),
        pytest.param(
            {"OTEL_SDK_DISABLED": "1"}, "disabled", False, id="1 is not true, as specified"
        ),
        pytest.param(
            {"OTEL_RESOURCE_ATTRIBUTES": "a=1,broken,b=x%2Cy,=z"},
            "resource_attributes",
            {"a": "1", "b": "x,y"},
            id="attributes of the resource",
        ),
    ],
)
def test_the_environment(environment, name, value):
    assert getattr(from_environment(environment), name) == value


@pytest.mark.parametrize("text", ["many", "0", "-5", "nan", "inf"])
def test_a_number_that_cannot_be_is_told_and_the_default_used(caplog, text):
    with caplog.at_level(logging.WARNING, "donewatch"):
        settings = from_environment({"DONEWATCH_QUEUE_SIZE": text})
    assert settings.queue_size == 8192
    assert f"DONEWATCH_QUEUE_SIZE={text} is not a number of at least 1" in caplog.text


def test_a_token_can_be_read_from_a_file(tmp_path):
    path = tmp_path / "token"
    path.write_text(f"{KEY}\n")
    assert from_environment({"DONEWATCH_TOKEN_FILE": str(path)}).token == KEY
    with pytest.raises(ValueError, match=r"DONEWATCH_TOKEN_FILE=.*none: cannot be read"):
        from_environment({"DONEWATCH_TOKEN_FILE": str(tmp_path / "none")})


def test_the_token_is_not_shown():
    assert KEY not in repr(Settings(token=KEY))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        pytest.param({"endpoint": "localhost:4318"}, "is no address", id="endpoint without http"),
        pytest.param({"endpoint": "http://"}, "is no address", id="endpoint without a host"),
        pytest.param({"queue_size": 0}, "queue_size is 0", id="no queue"),
        pytest.param({"queue_size": 2.5}, "queue_size is 2.5", id="half a place"),
        pytest.param({"exit_timeout": -1}, "exit_timeout is -1", id="negative"),
        pytest.param({"heartbeat_interval": float("inf")}, "heartbeat_interval is inf", id="inf"),
        pytest.param({"schedule_delay": 0}, "schedule_delay is 0", id="no delay"),
        pytest.param({"export_timeout": "10"}, "export_timeout is '10'", id="text for a number"),
        pytest.param({"token": "a b"}, "token holds blanks", id="token with a blank"),
        pytest.param({"token": "a\nb"}, "token holds blanks", id="token with a line break"),
    ],
)
def test_configuring_nonsense_raises_at_once(configure, settings, told):
    before = runtime._settings
    with pytest.raises(ValueError, match=told):
        configure(**settings)
    assert runtime._settings is before


def test_arguments_come_before_the_environment(configure, monkeypatch):
    monkeypatch.setenv("DONEWATCH_ENDPOINT", "http://elsewhere:1")
    monkeypatch.setenv("DONEWATCH_EXIT_TIMEOUT", "7")
    donewatch.configure(endpoint="http://here:1", queue_size=3)
    settings = runtime._settings
    assert settings is not None
    assert settings.endpoint == "http://here:1/v1/logs"
    assert (settings.exit_timeout, settings.queue_size, settings.batch_size) == (7, 3, 3)


def test_every_setting_is_described_in_the_readme():
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    for setting in fields(Settings):
        if setting.name != "disabled":
            assert f"`{setting.name}`" in readme, setting.name
    source = (Path(__file__).parents[1] / "src/donewatch/settings.py").read_text(encoding="utf-8")
    for variable in set(re.findall(r'"(DONEWATCH_[A-Z_]+|OTEL_[A-Z_]+)"', source)):
        assert f"`{variable}`" in readme, variable
