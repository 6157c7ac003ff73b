"""Where events go and how long donewatch may take: from arguments, else from the environment."""

import logging
import math
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

_logger = logging.getLogger("donewatch")

DEFAULT_ENDPOINT: Final = "http://127.0.0.1:4318"
_LOGS_PATH: Final = "/v1/logs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set. Durations in seconds.

    :raises ValueError: a value is out of range; says which, and what would be right.
    """

    endpoint: str = DEFAULT_ENDPOINT + _LOGS_PATH  # the whole URL
    token: str = field(default="", repr=False)
    service_name: str = ""
    service_version: str = ""
    environment: str = ""
    queue_size: int = 8192
    batch_size: int = 512
    schedule_delay: float = 0.5  # how long an event waits for company
    export_timeout: float = 10.0  # of one attempt to send, with its quick retries
    retry_timeout: float = 60.0  # how long a batch is tried again while the endpoint is away
    exit_timeout: float = 2.0
    heartbeat_interval: float = 30.0  # 0: no heartbeats
    resource_attributes: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    disabled: bool = False

    def __post_init__(self) -> None:
        parts = urlsplit(self.endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(
                f"endpoint {self.endpoint!r} is no address; write for example {DEFAULT_ENDPOINT}"
            )
        if not self.token.isascii() or not self.token.isprintable() or " " in self.token:
            raise ValueError("token holds blanks or signs that no HTTP header can carry")
        for name in ("queue_size", "batch_size"):
            size = getattr(self, name)
            if not isinstance(size, int) or isinstance(size, bool) or size < 1:
                raise ValueError(f"{name} is {size!r}; it must be a whole number from 1")
        for name, least in _DURATIONS.items():
            seconds = getattr(self, name)
            if (
                not isinstance(seconds, int | float)
                or isinstance(seconds, bool)
                or not math.isfinite(seconds)
                or seconds < least
            ):
                raise ValueError(f"{name} is {seconds!r}; it must be seconds, at least {least:g}")


_DURATIONS: Final = {
    "schedule_delay": 0.001,
    "export_timeout": 0.1,
    "retry_timeout": 0.0,
    "exit_timeout": 0.0,
    "heartbeat_interval": 0.0,
}


def logs_url(endpoint: str) -> str:
    """The URL for logs of an endpoint: ``http://host:4318`` and ``http://host:4318/v1/logs`` both
    will do."""
    endpoint = endpoint.rstrip("/")
    return endpoint if endpoint.endswith(_LOGS_PATH) else endpoint + _LOGS_PATH


def from_environment(environ: Mapping[str, str] | None = None) -> Settings:
    """Settings from ``DONEWATCH_*``, else from the variables of OpenTelemetry, else the defaults.

    A number that cannot be read is logged and its default used: better a default than no events.

    :raises ValueError: the endpoint is no address, or the token's file cannot be read.
    """
    environ = os.environ if environ is None else environ
    resource = _resource_attributes(environ.get("OTEL_RESOURCE_ATTRIBUTES", ""))
    queue_size = int(_number(environ, "DONEWATCH_QUEUE_SIZE", "OTEL_BLRP_MAX_QUEUE_SIZE", 8192, 1))
    batch = _number(environ, "DONEWATCH_BATCH_SIZE", "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", 512, 1)
    delay = _number(environ, "", "OTEL_BLRP_SCHEDULE_DELAY", 500, 1) / 1000
    timeout = _number(
        environ, "OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT", 10, 0.1
    )

    def duration(name: str, default: float) -> float:
        return _number(environ, f"DONEWATCH_{name.upper()}", "", default, _DURATIONS[name])

    return Settings(
        endpoint=_endpoint(environ),
        token=_token(environ),
        service_name=environ.get("DONEWATCH_SERVICE_NAME")
        or environ.get("OTEL_SERVICE_NAME")
        or resource.pop("service.name", "")
        or f"unknown_service:{Path(sys.executable or 'python').name}",
        service_version=environ.get("DONEWATCH_SERVICE_VERSION")
        or resource.pop("service.version", ""),
        environment=environ.get("DONEWATCH_ENVIRONMENT")
        or resource.pop("deployment.environment.name", "")
        or resource.pop("deployment.environment", ""),
        queue_size=queue_size,
        batch_size=min(int(batch), queue_size),
        schedule_delay=duration("schedule_delay", delay),
        export_timeout=duration("export_timeout", timeout),
        retry_timeout=duration("retry_timeout", 60.0),
        exit_timeout=duration("exit_timeout", 2.0),
        heartbeat_interval=duration("heartbeat_interval", 30.0),
        resource_attributes=dict(resource),
        disabled=environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true",
    )


def _endpoint(environ: Mapping[str, str]) -> str:
    if endpoint := environ.get("DONEWATCH_ENDPOINT"):
        return logs_url(endpoint)
    if endpoint := environ.get("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"):
        return endpoint  # OpenTelemetry takes this one as it stands
    return logs_url(environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or DEFAULT_ENDPOINT)


def _token(environ: Mapping[str, str]) -> str:
    if token := environ.get("DONEWATCH_TOKEN"):
        return token.strip()
    if not (path := environ.get("DONEWATCH_TOKEN_FILE")):
        return ""
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"DONEWATCH_TOKEN_FILE={path}: cannot be read: {error}") from error


def _number(
    environ: Mapping[str, str], name: str, fallback: str, default: float, least: float
) -> float:
    for variable in (name, fallback):
        text = environ.get(variable, "").strip() if variable else ""
        if not text:
            continue
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if math.isfinite(number) and number >= least:
            return number
        _logger.warning(
            "%s=%s is not a number of at least %g; using %g instead", variable, text, least, default
        )
        return default
    return default


def _resource_attributes(text: str) -> dict[str, str]:
    """``key=value,key=value``, percent-encoded, as OpenTelemetry's specification of resources
    says."""
    found = {}
    for item in text.split(","):
        key, equals, value = item.partition("=")
        if equals and key.strip():
            found[key.strip()] = unquote(value.strip())
    return found
