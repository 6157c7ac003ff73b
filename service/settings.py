"""Settings: ``donewatch.yaml``, then ``DONEWATCH_*``, secrets also as ``*_FILE``."""

import ipaddress
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    YamlConfigSettingsSource,
)

from lifecycle.access import Access, Token
from lifecycle.errors import SettingsError

CONFIG_FILE: Final = "donewatch.yaml"
_PREFIX: Final = "donewatch_"


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

    webhooks: list[str] = Field(
        default=[], description="URLs that get Alertmanager's webhook payload, version 4"
    )
    alertmanagers: list[str] = Field(
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


class TokenSettings(_Section):
    """One bearer token."""

    hash: str = Field(description="SHA-256 of the token in 64 lowercase hex digits")
    tenant: str = Field(default="default", description="the tenant it stands for")
    scopes: list[str] = Field(description="some of ingest, read, act, admin")


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
    host: str = Field(default="127.0.0.1", description="address to listen on; others need tokens")
    port: int = Field(default=8080, ge=0, le=65535, description="pages and API; 0 picks a free one")
    otlp_port: int = Field(
        default=4318, ge=0, le=65535, description="OTLP/HTTP and the native endpoint; 0 as above"
    )
    external_url: str = Field(
        default="", description="how browsers reach the pages; links in alerts begin with it"
    )
    mark_interval: float = Field(
        default=1.0, gt=0, description="seconds between two marks of a collector's watermark"
    )
    reload_interval: float = Field(
        default=2.0, gt=0, description="seconds between two looks for changed files"
    )
    log_level: str = Field(default="info", description="debug, info, warning or error")
    store: StoreSettings = StoreSettings()
    notify: NotifySettings = NotifySettings()
    rules: RulesSettings = RulesSettings()
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
        file = YamlConfigSettingsSource(settings_cls, yaml_file=CONFIG_FILE)
        return init_settings, _Environment(settings_cls), file

    @property
    def dsn(self) -> str:
        """Where the store is."""
        return self.store.dsn or f"chdb://{(self.data_dir / 'store').absolute()}"

    @property
    def access(self) -> Access:
        """Who may do what."""
        try:
            return Access(
                Token(each.hash, each.tenant, frozenset(each.scopes)) for each in self.tokens
            )
        except ValueError as error:
            raise SettingsError(f"tokens: {error}") from error

    @property
    def tenants(self) -> list[str]:
        """Every tenant that may have events."""
        return sorted({"default", *(token.tenant for token in self.tokens)})


class _Environment(EnvSettingsSource):
    """The environment; ``DONEWATCH_X_FILE`` names a file that has the value of ``DONEWATCH_X``."""

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        super().__init__(settings_cls)
        found = dict(self.env_vars)
        for name, path in self.env_vars.items():
            if name.startswith(_PREFIX) and name.endswith("_file") and path:
                try:
                    text = Path(path).read_text(encoding="utf-8").strip()
                except OSError as error:
                    raise SettingsError(f"{name.upper()}: {error}") from error
                found[name.removesuffix("_file")] = text
        self.env_vars = found


def load_settings(**given: Any) -> Settings:
    """Read the settings; ``given`` (not ``None``) wins over environment and file.

    :raises SettingsError: a value is wrong, or the service would be open to the network.
    """
    try:
        settings = Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        lines = [
            f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}"
            for each in error.errors()
        ]
        raise SettingsError("settings: " + "; ".join(lines)) from error
    except ValueError as error:
        raise SettingsError(f"settings: {error}") from error
    if not settings.tokens and not _is_loopback(settings.host):
        raise SettingsError(
            f"host {settings.host!r} is open to the network, and no token is configured; "
            "add tokens, or listen on 127.0.0.1"
        )
    return settings


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
