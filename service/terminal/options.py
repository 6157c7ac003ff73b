"""What the commands of a terminal have in common: options, and how they begin and end."""

import os
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer

from lifecycle.durations import parse_duration
from lifecycle.errors import DonewatchError, SettingsError
from service.terminal.client import Client, checked_url, read_token
from service.terminal.printer import Printer, clean

Url = Annotated[
    str, typer.Option("--url", envvar="DONEWATCH_URL", help="Where the pages of donewatch are.")
]
Endpoint = Annotated[
    str, typer.Option("--url", envvar="DONEWATCH_ENDPOINT", help="Where the collector listens.")
]
TokenFile = Annotated[
    Path | None,
    typer.Option(envvar="DONEWATCH_TOKEN_FILE", help="A file that has the bearer token."),
]
Target = Annotated[
    str,
    typer.Option("--to", "--url", envvar="DONEWATCH_ENDPOINT", help="Where the collector listens."),
]
Json = Annotated[bool, typer.Option("--json", help="JSON, for machines.")]
Environments = Annotated[
    list[str], typer.Option("--environment", help="Only this environment; repeat for several.")
]

Work = Callable[[Client, Printer], int]

COULD_NOT_RUN: Final = 2


def reading(url: str, token_file: Path | None, work: Work) -> NoReturn:
    """Do ``work`` with a client of the pages' port, and end with its exit code."""
    _run(url, token_file, "--url or DONEWATCH_URL", work)


def sending(url: str, token_file: Path | None, work: Work, option: str = "--url") -> NoReturn:
    """Do ``work`` with a client of the collector's port, and end with its exit code."""
    # applications are given the same variable, and may have the whole path in it
    address = url.rstrip("/").removesuffix("/v1/logs")
    _run(address, token_file, f"{option} or DONEWATCH_ENDPOINT", work)


def offline(work: Callable[[Printer], int]) -> NoReturn:
    """Do ``work``, which asks no service, and end with its exit code."""
    try:
        code = work(Printer())
    except DonewatchError as error:
        code = _could_not_run(error)
    raise typer.Exit(code)


def _run(url: str, token_file: Path | None, source: str, work: Work) -> NoReturn:
    try:
        client = Client(
            checked_url(url, source),
            read_token(os.environ.get("DONEWATCH_TOKEN", ""), token_file),
            start=f"start one with `donewatch up`, or name another with {source}",
        )
        try:
            code = work(client, Printer())
        finally:
            client.close()
    except DonewatchError as error:
        code = _could_not_run(error)
    raise typer.Exit(code)


def _could_not_run(error: DonewatchError) -> int:
    typer.echo("\n".join(f"donewatch: {clean(line)}" for line in str(error).splitlines()), err=True)
    return COULD_NOT_RUN


def duration(option: str, text: str) -> float:
    """Seconds, of ``90`` or ``15m``.

    :raises SettingsError: it is neither; names the option.
    """
    try:
        return float(text) if text.isdecimal() else parse_duration(text)
    except ValueError as error:
        raise SettingsError(f"{option}: {error}") from error


def moment(option: str, text: str, now: datetime) -> str:
    """A time in RFC 3339, from one with a zone, or from a duration before ``now``.

    :raises SettingsError: it is neither; names the option.
    """
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        try:
            return (now - timedelta(seconds=duration(option, text))).isoformat()
        except (SettingsError, OverflowError):
            at = datetime.min
    if at.tzinfo is None:
        raise SettingsError(
            f"{option}: {text!r} is no time; write 10m for ten minutes ago, or RFC 3339 with a zone"
            " (2026-03-01T12:00:00Z)"
        )
    return at.isoformat()
