"""Where settings come from: the environment, files of secrets, and ``donewatch.yaml``."""

from pathlib import Path
from typing import Any

import yaml
from pydantic_settings import BaseSettings, EnvSettingsSource

from lifecycle.errors import SettingsError


class Environment(EnvSettingsSource):
    """The environment; ``DONEWATCH_X_FILE`` names a file that has the value of ``DONEWATCH_X``.

    :raises SettingsError: such a file cannot be read.
    """

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        super().__init__(settings_cls)
        found = dict(self.env_vars)
        for name, path in self.env_vars.items():
            if name.startswith(self.env_prefix) and name.endswith("_file") and path:
                # the name itself goes: in a section it would be a setting that there is not
                del found[name]
                found[name.removesuffix("_file")] = _text(Path(path), name.upper())
        self.env_vars = found


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
