"""The command ``donewatch``."""

import asyncio
import logging
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer

from lifecycle.errors import DonewatchError
from service.settings import load_settings
from service.terminal.commands import emit, import_, map_, show, stuck, tail

FOUND: Final = 1
COULD_NOT_RUN: Final = 2

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Follows every accepted operation until its owner can see it done.",
)

Port = Annotated[int | None, typer.Option("--port", help="Pages and API; 0 picks a free port.")]
OtlpPort = Annotated[
    int | None,
    typer.Option("--otlp-port", help="OTLP/HTTP and native events; 0 picks a free port."),
]


ReadyFile = Annotated[
    Path | None,
    typer.Option(help="Write addresses and process id here, as JSON, once everything works."),
]


@app.command()
def up(
    port: Port = None,
    otlp_port: OtlpPort = None,
    ready_file: ReadyFile = None,
) -> None:
    """Run everything in one process: collector, rules, alerts, pages and API."""
    from service.up import serve

    settings = _settings(port=port, otlp_port=otlp_port)
    _log(settings.log_level)
    _run(lambda: asyncio.run(serve(settings, ready_file=ready_file, say=_say)))


@app.command()
def collector(otlp_port: OtlpPort = None, ready_file: ReadyFile = None) -> None:
    """Receive and store alone; several may share a ClickHouse server."""
    _alone("collector", ready_file, otlp_port=otlp_port)


@app.command()
def api(port: Port = None, ready_file: ReadyFile = None) -> None:
    """Show pages and API alone, of what others store in a ClickHouse server."""
    _alone("api", ready_file, port=port)


rules = typer.Typer(invoke_without_command=True)
app.add_typer(rules, name="rules")


@rules.callback()
def evaluate(context: typer.Context, ready_file: ReadyFile = None) -> None:
    """Evaluate rules and tell receivers alone, over a ClickHouse server."""
    if context.invoked_subcommand is None:
        _alone("rules", ready_file)


@app.command()
def demo(
    duration: Annotated[
        float | None, typer.Option(help="End by itself after about so many seconds.")
    ] = None,
    json_output: Annotated[
        bool, typer.Option("--json", help="Print one JSON object at the end.")
    ] = False,
    faults: Annotated[
        bool, typer.Option("--faults/--no-faults", help="Break things in turn, or nothing.")
    ] = True,
    port: Annotated[int, typer.Option(help="Pages; 0 picks a free port.")] = 0,
    otlp_port: Annotated[int, typer.Option(help="Events; 0 picks a free port.")] = 0,
) -> None:
    """Run the demo application, break it in turn, and tell which alert caught what."""
    from demo.run import run_demo

    keep = duration is None and not json_output
    raise typer.Exit(run_demo(duration, json_output, faults, keep, port=port, otlp_port=otlp_port))


@app.command()
def check(
    files: Annotated[
        list[Path], typer.Argument(help="Definition, rule and mapping files, or folders of them.")
    ],
    json_output: Annotated[bool, typer.Option("--json", help="Problems as JSON.")] = False,
) -> None:
    """Report every mistake in definitions, rules and mappings, with its place and the fix."""
    from service.checking import check_paths

    raise typer.Exit(check_paths(files, json_output=json_output))


@app.command()
def migrate() -> None:
    """Bring the store's schema up to this version."""
    from service.clock import now
    from store import Database

    settings = _settings()

    def work() -> None:
        database = Database.open(settings.dsn)
        try:
            applied = database.migrate(now())
        finally:
            database.close()
        for each in applied:
            _say(f"applied {each.number:04d} {each.name}")
        if not applied:
            _say("nothing to do")

    _run(work)


@app.command()
def retire(
    collector: Annotated[str, typer.Argument(help="Its name, as the reason of `unknown` says.")],
) -> None:
    """Stop waiting for a collector that will not come back: it held every watermark."""
    from service.retiring import retire_collector

    settings = _settings()
    _run(lambda: _say(retire_collector(settings.dsn, collector)))


class Quarantine(StrEnum):
    """What ``donewatch quarantine`` can do."""

    LIST = "list"
    RETRY = "retry"


@app.command()
def quarantine(
    action: Annotated[
        Quarantine, typer.Argument(metavar="ACTION", help="list them, or retry them after a fix.")
    ] = Quarantine.LIST,
    json_output: Annotated[bool, typer.Option("--json", help="JSON, for machines.")] = False,
) -> None:
    """Records that the store refused, of this data directory; exit code 1 if there are any."""
    from service.terminal.printer import Printer
    from service.terminal.quarantine import list_quarantine, retry_quarantine

    folder = _settings().data_dir / "spool" / "quarantine"
    if action is Quarantine.RETRY:
        raise typer.Exit(retry_quarantine(folder, Printer()))
    raise typer.Exit(list_quarantine(folder, Printer(), as_json=json_output))


for command in (stuck, show, tail, emit):
    app.command()(command)
app.command("import")(import_)
app.command("map")(map_)


def _alone(name: str, ready_file: Path | None, **given: Any) -> None:
    from service.alone import serve_alone

    settings = _settings(**given)
    _log(settings.log_level)
    _run(lambda: asyncio.run(serve_alone(name, settings, ready_file=ready_file, say=_say)))


def _settings(**given: Any) -> Any:
    try:
        return load_settings(**given)
    except DonewatchError as error:
        _fail(error)


def _run(work: Callable[[], object]) -> None:
    try:
        work()
    except DonewatchError as error:
        _fail(error)


def _fail(error: Exception) -> NoReturn:
    typer.echo(f"donewatch: {error}", err=True)
    raise typer.Exit(COULD_NOT_RUN)


def _say(text: str) -> None:
    typer.echo(text)
    sys.stdout.flush()


def _log(level: str) -> None:
    known = logging.getLevelNamesMapping()
    if level.upper() not in known:
        _fail(ValueError(f"log_level {level!r}: write debug, info, warning or error"))
    logging.basicConfig(
        level=known[level.upper()], format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    # none says anything that we do not say ourselves
    for name, least in (
        ("httpx", logging.WARNING),
        ("uvicorn.error", logging.WARNING),
        ("clickhouse_connect", logging.ERROR),  # warns of a broken answer, and then raises it
    ):
        logging.getLogger(name).setLevel(least)


def main() -> None:
    """Run the command."""
    app()
