"""Settings: ``donewatch.yaml``, then ``DONEWATCH_*``, secrets also as ``*_FILE``."""

import ipaddress
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Self, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from pydantic_settings import SettingsError as NotJson

from collector.mapping.shipped import SHIPPED
from lifecycle.access import Access, Token
from lifecycle.document import did_you_mean
from lifecycle.errors import SettingsError
from service.sources import Environment, read_config

CONFIG_FILE: Final = "donewatch.yaml"
_PREFIX: Final = "donewatch_"


def _web_address(url: str) -> str:
    try:
        parts = urlsplit(url)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fine = False
    if not fine:
        raise ValueError(f"{url!r} is not a web address; write for example http://127.0.0.1:9093")
    return url


def _once(urls: list[str]) -> list[str]:
    for url in urls:
        if urls.count(url) > 1:
            raise ValueError(f"{url!r} is given twice; keep one of the two")
    return urls


Urls = Annotated[list[Annotated[str, AfterValidator(_web_address)]], AfterValidator(_once)]
Url = Annotated[str, AfterValidator(lambda url: url and _web_address(url))]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StoreSettings(_Section):
    """Where events are kept."""

    dsn: str = Field(
        default="",
        description="chdb:///path, chdb://memory, http://user@host:8123/db or https://…; "
        "embedded under data_dir unless given",
    )


class NotifySettings(_Section):
    """Who is told of alerts."""

    webhooks: Urls = Field(
        default=[], description="URLs that get Alertmanager's webhook payload, version 4"
    )
    alertmanagers: Urls = Field(
        default=[], description="base URLs of Alertmanagers, for example http://127.0.0.1:9093"
    )
    resend: float = Field(
        default=30.0, gt=0, description="seconds between two tellings of an Alertmanager"
    )


class RulesSettings(_Section):
    """How rules are evaluated."""

    interval: float = Field(
        default=15.0, gt=0, description="seconds between evaluations of default rules"
    )
    watermark_limit: float = Field(
        default=60.0, gt=0, description="seconds the watermark may lag before verdicts are unknown"
    )


def _shipped(names: list[str]) -> list[str]:
    for name in names:
        if name not in SHIPPED:
            raise ValueError(f"there is no mapping {name!r} ({did_you_mean(name, SHIPPED)})")
    return names


class CollectorSettings(_Section):
    """How events are received."""

    mappings: Annotated[list[str], AfterValidator(_shipped)] = Field(
        default=[],
        description="mappings that come with donewatch, in force by name: celery, messaging",
    )
    spool_bytes: int = Field(
        default=2 * 2**30,
        gt=0,
        description="bytes that may wait on disk for the store; above, producers are told to wait",
    )
    free_bytes: int = Field(
        default=256 * 2**20, ge=0, description="bytes of that disk that are kept free"
    )
    segment_rows: int = Field(default=50_000, gt=0, description="events of one insert")
    seal_seconds: float = Field(
        default=0.25, ge=0, description="seconds that an insert waits for more events"
    )
    drain_seconds: float = Field(
        default=10.0,
        ge=0,
        description="seconds that stopping waits for the store; what is left stays on disk",
    )


class TokenSettings(_Section):
    """One bearer token."""

    hash: str = Field(description="SHA-256 of the token in 64 lowercase hex digits")
    tenant: str = Field(default="default", description="the tenant it stands for")
    scopes: list[str] = Field(description="some of ingest, read, act, admin")

    @model_validator(mode="after")
    def _is_a_token(self) -> Self:
        self.token()
        return self

    def token(self) -> Token:
        """As access needs it."""
        return Token(self.hash, self.tenant, frozenset(self.scopes))


class Settings(BaseSettings):
    """Everything that can be set."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True
    )

    data_dir: Path = Field(
        default=Path("data"), description="embedded data, and the name of this collector"
    )
    workflows_dir: Path = Field(default=Path("workflows"), description="definition files, *.yaml")
    rules_dir: Path = Field(default=Path("rules.d"), description="rule files, *.yaml")
    mappings_dir: Path = Field(
        default=Path("mappings"), description="mappings of spans and logs to events, *.yaml"
    )
    host: str = Field(default="127.0.0.1", description="address to listen on; others need tokens")
    port: int = Field(default=8080, ge=0, le=65535, description="pages and API; 0 picks a free one")
    otlp_port: int = Field(
        default=4318, ge=0, le=65535, description="OTLP/HTTP and the native endpoint; 0 as above"
    )
    external_url: Url = Field(
        default="", description="how browsers reach the pages; links in alerts begin with it"
    )
    mark_interval: float = Field(
        default=1.0, gt=0, description="seconds between two marks of a collector's watermark"
    )
    settle_interval: float = Field(
        default=1.0, gt=0, description="seconds between two settlements at least; 15 at most"
    )
    settle_grace: float = Field(
        default=300.0,
        ge=0,
        description="seconds after its last event for which what has ended is kept with what is"
        " open: longer than events usually come late",
    )
    reload_interval: float = Field(
        default=2.0, gt=0, description="seconds between two looks for changed files"
    )
    log_level: str = Field(default="info", description="debug, info, warning or error")
    store: StoreSettings = StoreSettings()
    notify: NotifySettings = NotifySettings()
    rules: RulesSettings = RulesSettings()
    collector: CollectorSettings = CollectorSettings()
    tokens: list[TokenSettings] = Field(
        default=[], description="bearer tokens, as hashes; without any, loopback only"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What was passed wins over the environment, and that over the file."""
        file = InitSettingsSource(settings_cls, read_config(Path(CONFIG_FILE)))
        return init_settings, Environment(settings_cls), file

    @property
    def dsn(self) -> str:
        """Where the store is."""
        return self.store.dsn or f"chdb://{(self.data_dir / 'store').absolute()}"

    @property
    def access(self) -> Access:
        """Who may do what."""
        return Access(each.token() for each in self.tokens)

    @property
    def tenants(self) -> list[str]:
        """Every tenant that may have events."""
        return sorted({"default", *(token.tenant for token in self.tokens)})


def load_settings(**given: Any) -> Settings:
    """Read the settings; ``given`` (not ``None``) wins over environment and file.

    :raises SettingsError: a value is wrong, or the service would be open to the network.
    """
    try:
        settings = Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        raise SettingsError(f"settings: {'; '.join(map(_told, error.errors()))}") from error
    except NotJson as error:
        raise SettingsError(_not_json(os.environ)) from error
    if not settings.tokens and not _is_loopback(settings.host):
        raise SettingsError(
            f"host {settings.host!r} is open to the network, and no token is configured; "
            "add tokens, or listen on 127.0.0.1"
        )
    return settings


def _told(error: Mapping[str, Any]) -> str:
    """One thing that is wrong, and what would be right."""
    place = error["loc"]
    name = ".".join(str(part) for part in place)
    if error["type"] == "extra_forbidden":
        fix = did_you_mean(str(place[-1]), _names(place[:-1]))
        return f"{name}: there is no such setting ({fix})"
    return f"{name}: {error['msg'].removeprefix('Value error, ')}"


def _names(place: Sequence[int | str]) -> list[str]:
    """The settings that there are at a place."""
    model: type[BaseModel] = Settings
    for part in place:
        if isinstance(part, str):
            kind = model.model_fields[part].annotation
            inner = [each for each in (kind, *get_args(kind)) if isinstance(each, type)]
            model = next(each for each in inner if issubclass(each, BaseModel))
    return list(model.model_fields)


def _not_json(environment: Mapping[str, str]) -> str:
    lists = ("DONEWATCH_TOKENS", "DONEWATCH_NOTIFY", "DONEWATCH_COLLECTOR")
    names = [name for name in environment if name.upper().startswith(lists)]
    return (
        f"{' or '.join(sorted(names)) or 'a setting of the environment'}: lists are written as "
        'JSON, for example ["http://127.0.0.1:9093"]'
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
