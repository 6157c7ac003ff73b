"""Where settings come from: the environment, files of secrets, and ``donewatch.yaml``."""

import difflib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel
from pydantic_settings import BaseSettings, EnvSettingsSource

from lifecycle.errors import SettingsError

_LOG: Final = logging.getLogger(__name__)
# not ours, and yet right: what the SDK and the commands of a terminal read
_OTHERS: Final = frozenset(
    (
        *("endpoint", "token", "service_name", "service_version", "environment"),
        *("queue_size", "batch_size", "schedule_delay", "export_timeout", "retry_timeout"),
        *("exit_timeout", "heartbeat_interval", "url"),
    )
)


class Environment(EnvSettingsSource):
    """The environment; ``DONEWATCH_X_FILE`` names a file that has the value of ``DONEWATCH_X``.

    :raises SettingsError: such a file cannot be read, or a name is a mistyped one.
    """

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        super().__init__(settings_cls)
        self._check_names(settings_cls)
        found = dict(self.env_vars)
        for name, path in self.env_vars.items():
            if name.startswith(self.env_prefix) and name.endswith("_file") and path:
                # the name itself goes: in a section it would be a setting that there is not
                del found[name]
                found[name.removesuffix("_file")] = _text(Path(path), name.upper())
        self.env_vars = found

    def _check_names(self, settings_cls: type[BaseSettings]) -> None:
        """A mistyped variable would be ignored, and a default taken where something was chosen.

        One that resembles nothing is only told of: orchestrators set variables of their own.
        """
        known = list(_names(settings_cls))
        sections = {name.partition("__")[0] for name in known}
        for variable in self.env_vars:
            if not variable.startswith(self.env_prefix):
                continue
            name = variable.removeprefix(self.env_prefix).removesuffix("_file")
            if name in _OTHERS or name.partition("__")[0] in sections:
                continue  # what is wrong inside of a section is told where it is read
            if near := difflib.get_close_matches(name, known, n=1):
                right = f"{self.env_prefix}{near[0]}".upper()
                raise SettingsError(
                    f"{variable.upper()}: there is no such setting (did you mean {right}?)"
                )
            _LOG.warning("%s is no setting of donewatch, and is ignored", variable.upper())


def _names(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every setting as variables name it, without their prefix."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _names(kind, f"{prefix}{name}__")
        else:
            yield prefix + name


def read_config(file: Path) -> dict[str, Any]:
    """The settings of a YAML file; none where there is no file.

    :raises SettingsError: it cannot be read, or is not a mapping.
    """
    if not file.exists():
        return {}
    try:
        found = yaml.safe_load(_text(file, "settings"))
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else str(file)
        problem = getattr(error, "problem", None) or str(error)
        raise SettingsError(f"{place}: not valid YAML: {problem}") from error
    if found is None:
        return {}
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise SettingsError(f"{file}: settings are a mapping, for example port: 8080")
    return found


def _text(file: Path, name: str) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingsError(f"{name}: {file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{name}: {file} is not text in UTF-8") from error
