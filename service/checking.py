"""``donewatch check``: files and folders read together, every problem printed."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import typer

from rules.check import check_files


def check_paths(paths: Sequence[Path], *, json_output: bool) -> int:
    """Print every problem; exit code 0 none, 1 some, 2 a file cannot be read."""
    texts: dict[str, str] = {}
    for path in paths:
        found = sorted([*path.glob("*.yaml"), *path.glob("*.yml")]) if path.is_dir() else [path]
        if not found:
            typer.echo(f"donewatch: {path} has no *.yaml files", err=True)
            return 2
        for each in found:
            try:
                texts[str(each)] = each.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                typer.echo(f"donewatch: {each} cannot be read: {error}", err=True)
                return 2
    problems = check_files(texts)
    if json_output:
        typer.echo(json.dumps([asdict(problem) for problem in problems], indent=2))
    else:
        for problem in problems:
            typer.echo(str(problem))
        if not problems:
            typer.echo(
                f"{len(texts)} file{'s' if len(texts) != 1 else ''} checked, no problem found"
            )
    return 1 if problems else 0
