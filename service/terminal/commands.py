"""The commands of a terminal: their options, and what they call."""

from pathlib import Path
from typing import Annotated

import typer

from lifecycle.errors import SettingsError
from service.clock import now, now_us
from service.terminal.client import COLLECTOR_URL, PAGES_URL, Client
from service.terminal.options import (
    Endpoint,
    Environments,
    Json,
    Target,
    TokenFile,
    Url,
    duration,
    moment,
    offline,
    reading,
    sending,
)
from service.terminal.printer import Printer


def stuck(
    workflow: Annotated[str, typer.Option(help="Only this workflow type.")] = "",
    older_than: Annotated[
        str, typer.Option(help="In their state longer than this (15m), whatever their limit.")
    ] = "",
    environment: Environments = [],  # noqa: B006
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Tell of at most so many.")] = 20,
    url: Url = PAGES_URL,
    token_file: TokenFile = None,
    json_output: Json = False,
) -> None:
    """List what is stuck, in which leg and since when; exit code 1 if anything is."""
    from service.terminal.stuck import stuck

    def work(client: Client, printer: Printer) -> int:
        return stuck(
            client,
            printer,
            workflow=workflow,
            environments=environment,
            older_than=duration("--older-than", older_than) if older_than else None,
            limit=limit,
            as_json=json_output,
        )

    reading(url, token_file, work)


def show(
    type_: Annotated[str, typer.Argument(metavar="TYPE", help="The workflow type.")],
    id_: Annotated[str, typer.Argument(metavar="ID", help="The instance id.")],
    environment: Annotated[str, typer.Option(help="In which environment, if in several.")] = "",
    url: Url = PAGES_URL,
    token_file: TokenFile = None,
    json_output: Json = False,
) -> None:
    """Tell everything about one instance; exit code 1 if there is no such one."""
    from service.terminal.show import show

    def work(client: Client, printer: Printer) -> int:
        return show(
            client,
            printer,
            workflow=type_,
            instance_id=id_,
            environment=environment,
            as_json=json_output,
        )

    reading(url, token_file, work)


def tail(
    workflow: Annotated[str, typer.Option(help="Only this workflow type.")] = "",
    instance: Annotated[str, typer.Option(help="Only the instance with this id.")] = "",
    kind: Annotated[
        list[str],
        typer.Option(help="Only transition, job, outbox, visible or heartbeat; may be repeated."),
    ] = [],  # noqa: B006
    environment: Environments = [],  # noqa: B006
    since: Annotated[
        str, typer.Option(help="Begin in the past: 10m ago, or at a time in RFC 3339.")
    ] = "",
    count: Annotated[int | None, typer.Option(min=1, help="End after so many events.")] = None,
    url: Url = PAGES_URL,
    token_file: TokenFile = None,
    json_output: Json = False,
) -> None:
    """Follow the events as they are stored, one line each, until Ctrl-C."""
    from service.terminal.tail import tail

    def work(client: Client, printer: Printer) -> int:
        return tail(
            client,
            printer,
            workflow=workflow,
            instance_id=instance,
            kinds=kind,
            environments=environment,
            since=moment("--since", since, now()) if since else "",
            count=count,
            as_json=json_output,
        )

    reading(url, token_file, work)


def emit(
    file: Annotated[
        str, typer.Argument(help="NDJSON, one event a line, or a JSON array; - is standard input.")
    ] = "",
    event: Annotated[str, typer.Option(help="transition, job, outbox or visible.")] = "transition",
    workflow: Annotated[str, typer.Option(help="The workflow type.")] = "",
    version: Annotated[str, typer.Option(help="The version of its definition.")] = "",
    instance: Annotated[str, typer.Option(help="The instance id.")] = "",
    from_: Annotated[str, typer.Option("--from", help="The state left; none: creation.")] = "",
    to: Annotated[str, typer.Option(help="The state entered.")] = "",
    action: Annotated[str, typer.Option(help="What was done.")] = "",
    sequence: Annotated[int | None, typer.Option(help="The aggregate's version after it.")] = None,
    environment: Annotated[str, typer.Option(help="Where it happened: production.")] = "",
    service: Annotated[str, typer.Option(help="The application that did it.")] = "",
    field: Annotated[
        list[str], typer.Option(help="Any other field as NAME=VALUE (docs/events.md).")
    ] = [],  # noqa: B006
    attribute: Annotated[
        list[str], typer.Option(help="An attribute of your own as NAME=VALUE.")
    ] = [],  # noqa: B006
    url: Endpoint = COLLECTOR_URL,
    token_file: TokenFile = None,
    json_output: Json = False,
) -> None:
    """Send one event, or those of a file; exit code 1 if any was rejected."""
    from service.terminal.emit import emit, event_of, pieces_of

    given = {
        "event": event,
        "workflow_type": workflow,
        "workflow_version": version,
        "instance_id": instance,
        "from": from_,
        "to": to,
        "action": action,
        "sequence": sequence,
        "environment": environment,
        "service": service,
    }

    def work(client: Client, printer: Printer) -> int:
        extra = event_of(given, field, attribute)
        if file and extra:
            raise SettingsError("give a file of events, or options for one event, not both")
        return emit(client, printer, pieces_of(file, extra, now()), as_json=json_output)

    sending(url, token_file, work)


def import_(
    files: Annotated[
        list[str], typer.Argument(help="NDJSON or CSV, also gzipped; - is standard input.")
    ],
    format_: Annotated[
        str, typer.Option("--format", help="ndjson or csv, where the name does not tell.")
    ] = "",
    column: Annotated[
        list[str], typer.Option(help="A column of the CSV file gives a field: COLUMN=FIELD.")
    ] = [],  # noqa: B006
    set_: Annotated[
        list[str], typer.Option("--set", help="A field that is the same in every row: FIELD=VALUE.")
    ] = [],  # noqa: B006
    ignore: Annotated[
        list[str], typer.Option(help="A column of the CSV file that is not sent.")
    ] = [],  # noqa: B006
    delimiter: Annotated[
        str, typer.Option(help="Between cells of CSV: ';', tab; else seen in the header.")
    ] = "",
    zone: Annotated[
        str,
        typer.Option(help="Of times in CSV that do not say theirs: UTC, Europe/Berlin, +02:00."),
    ] = "",
    snapshot: Annotated[
        bool,
        typer.Option(
            "--snapshot", help="Rows are open instances: workflow_type, instance_id, state, since."
        ),
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Send nothing, only say which rows are wrong.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop before the first row that is wrong.")
    ] = False,
    again: Annotated[
        bool,
        typer.Option("--again", help="From the beginning, not from where the last import stopped."),
    ] = False,
    aside: Annotated[
        Path | None,
        typer.Option(help="Folder for rows set aside and for progress; else beside the file."),
    ] = None,
    patience: Annotated[
        str, typer.Option(help="How long to wait for a collector that is full or away.")
    ] = "10m",
    url: Target = COLLECTOR_URL,
    token_file: TokenFile = None,
    json_output: Json = False,
) -> None:
    """Send files of events, and go on where it stopped; exit code 1 if rows were set aside."""
    from service.terminal.importing import Importing, Order

    def work(client: Client, printer: Printer) -> int:
        order = Order(
            files=files,
            format=format_,
            columns=column,
            constants=set_,
            left_out=ignore,
            delimiter=delimiter,
            zone=zone,
            snapshot=snapshot,
            check=check,
            strict=strict,
            again=again,
            aside=aside,
            patience=duration("--patience", patience),
            as_json=json_output,
        )
        return Importing(client, printer, order, now_us).run()

    sending(url, token_file, work, option="--to")


def map_(
    file: Annotated[
        str,
        typer.Argument(
            help="OTLP traces or logs (protobuf, JSON, a request a line) or NDJSON, gzip or not;"
            " - is standard input."
        ),
    ],
    mapping: Annotated[
        list[str],
        typer.Option(help="A mapping file, or celery, messaging; else those of the settings."),
    ] = [],  # noqa: B006
    json_output: Json = False,
) -> None:
    """Show which events a captured body would become; exit code 1 if any record lacks something."""
    from service.terminal.mapping import map_file

    offline(lambda printer: map_file(file, mapping, printer, as_json=json_output))
