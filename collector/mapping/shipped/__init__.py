"""Mappings that come with donewatch, one YAML file each; in force where a setting names them."""

from collections.abc import Mapping
from importlib import resources
from typing import Final


def _texts() -> dict[str, str]:
    files = sorted(resources.files(__name__).iterdir(), key=lambda each: each.name)
    return {
        each.name.removesuffix(".yaml"): each.read_text(encoding="utf-8")
        for each in files
        if each.name.endswith(".yaml")
    }


SHIPPED: Final[Mapping[str, str]] = _texts()  # the file's text, by the name of the mapping
