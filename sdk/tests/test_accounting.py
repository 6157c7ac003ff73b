"""emitted == exported + dropped, by reason, whatever the endpoint does."""

import gzip
import json
import logging
import socket
import threading
import time

import pytest

import donewatch
from donewatch import Workflow

ORDER = Workflow("order", version="3")
NEVER_LISTENS = "http://127.0.0.1:1"


def emit(count: int) -> None:
    for number in range(count):
        ORDER.visible(f"o-{number}")


def test_a_burst_over_a_small_queue_is_counted_exactly(configure, sink):
    configure(queue_size=2048, batch_size=512)
    threads = [threading.Thread(target=emit, args=(25_000,)) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert donewatch.flush(60)
    stats = donewatch.stats()
    assert stats.emitted == 100_000
    assert stats.exported == len(sink.events())
    assert stats.reasons == {"queue_full": stats.dropped}
    assert stats.dropped > 0
    assert stats.exported + stats.dropped == 100_000
    assert stats.pending == 0
    received = {each.attributes["donewatch.event.id"] for each in sink.events()}
    assert len(received) == stats.exported


@pytest.mark.parametrize(
    ("status", "body", "headers", "reasons"),
    [
        pytest.param(200, b"", {}, {}, id="accepted"),
        pytest.param(202, b"", {}, {}, id="accepted for later"),
        pytest.param(
            200, b"{}", {"content-type": "application/json"}, {}, id="accepted, said in JSON"
        ),
        pytest.param(
            200,
            b'{"partialSuccess": {"rejectedLogRecords": "3", "errorMessage": "x"}}',
            {"content-type": "application/json; charset=utf-8"},
            {"rejected": 3},
            id="partly rejected, said in JSON",
        ),
        pytest.param(
            200,
            b"[]",
            {"content-type": "application/json"},
            {"refused": 10},
            id="JSON that is no answer",
        ),
        pytest.param(
            200,
            b"<html>It works!</html>",
            {"content-type": "text/html"},
            {"refused": 10},
            id="some web server",
        ),
        pytest.param(302, b"", {"location": "/login"}, {"refused": 10}, id="a redirect"),
        pytest.param(400, b"\x12\x03bad", {}, {"refused": 10}, id="a bad request"),
        pytest.param(401, b"", {}, {"refused": 10}, id="no token"),
        pytest.param(404, b"", {}, {"refused": 10}, id="another path"),
        pytest.param(413, b"", {}, {"refused": 10}, id="too large, even one by one"),
        pytest.param(500, b"", {}, {"refused": 10}, id="a broken endpoint is not tried again"),
        pytest.param(429, b"", {"retry-after": "60"}, {"failed": 10}, id="too many requests"),
        pytest.param(503, b"", {"retry-after": "0"}, {"failed": 10}, id="not available"),
    ],
)
def test_every_answer_is_accounted_for(configure, sink, reply, status, body, headers, reasons):
    configure(export_timeout=1.5)
    sink.behave = lambda request, number: reply(status, body, headers)
    emit(10)
    assert donewatch.flush(20)
    stats = donewatch.stats()
    assert stats.reasons == reasons
    assert stats.dropped == sum(reasons.values())
    assert stats.exported == 10 - stats.dropped
    assert (stats.emitted, stats.pending) == (10, 0)


def test_partial_success_is_read_and_told(configure, sink, reply, partial_success, caplog):
    body = partial_success(2, "record 1: donewatch.instance.id is empty")
    sink.behave = lambda request, number: reply(200, body)
    with caplog.at_level(logging.WARNING, "donewatch"):
        emit(5)
        assert donewatch.flush(10)
    assert donewatch.stats().reasons == {"rejected": 2}
    assert donewatch.stats().exported == 3
    assert "2 events were rejected" in caplog.text
    assert "record 1: donewatch.instance.id is empty" in caplog.text


def test_more_rejected_than_sent_does_not_unbalance_the_account(
    configure, sink, reply, partial_success
):
    sink.behave = lambda request, number: reply(200, partial_success(99, ""))
    emit(5)
    assert donewatch.flush(10)
    stats = donewatch.stats()
    assert (stats.emitted, stats.exported, stats.dropped) == (5, 0, 5)


def test_a_token_refused_is_told_with_the_remedy(configure, sink, reply, caplog):
    sink.behave = lambda request, number: reply(401, b"no such token")
    with caplog.at_level(logging.WARNING, "donewatch"):
        emit(1)
        assert donewatch.flush(10)
    assert "401" in caplog.text
    assert "no such token" in caplog.text
    assert "DONEWATCH_TOKEN" in caplog.text


def test_a_batch_too_large_is_halved_until_it_fits(configure, sink, reply):
    def behave(request, number):
        size = sum(len(each.log_records) for each in request.resource_logs[0].scope_logs)
        return reply(413) if size > 20 else reply()

    sink.behave = behave
    configure(schedule_delay=5)
    emit(300)
    assert donewatch.flush(20)
    assert donewatch.stats().exported == 300
    assert len({each.attributes["donewatch.instance.id"] for each in sink.events()}) == 300


def test_one_event_that_cannot_be_encoded_costs_no_other(configure, sink, monkeypatch):
    from opentelemetry.exporter.otlp.proto.http import _log_exporter

    encode = _log_exporter.encode_logs

    def fragile(batch):
        if any(each.log_record.attributes["donewatch.instance.id"] == "o-7" for each in batch):
            raise ValueError("not this one")
        return encode(batch)

    monkeypatch.setattr(_log_exporter, "encode_logs", fragile)
    configure(schedule_delay=5)
    emit(64)
    assert donewatch.flush(20)
    assert donewatch.stats().reasons == {"refused": 1}
    assert len(sink.events()) == 63


def test_an_endpoint_that_is_away_for_a_while_costs_nothing(configure, sink, reply):
    configure(retry_timeout=30, export_timeout=0.5)
    sink.behave = lambda request, number: reply(503) if number < 3 else reply()
    emit(10)
    assert donewatch.flush(30)
    assert donewatch.stats().exported == 10
    assert len(sink.headers) == 4


def test_a_dead_endpoint_is_given_up(configure, caplog):
    configure(endpoint=NEVER_LISTENS, export_timeout=0.5)
    with caplog.at_level(logging.WARNING, "donewatch"):
        emit(10)
        assert donewatch.flush(20)
    assert donewatch.stats().reasons == {"failed": 10}
    assert "refused" in caplog.text.lower()  # the connection's own words


def test_flush_says_when_time_ran_out(configure, sink):
    sink.behave = sink.hang
    emit(10)
    begin = time.monotonic()
    assert not donewatch.flush(0.2)
    assert time.monotonic() - begin < 2
    assert donewatch.stats().pending == 10
    sink.released.set()
    assert donewatch.flush(10)
    assert donewatch.stats().exported == 10


def test_shutdown_sends_what_is_queued_and_later_events_are_counted(configure, sink):
    configure(schedule_delay=60)
    emit(10)
    assert donewatch.shutdown(10)
    assert len(sink.events()) == 10
    emit(3)
    assert donewatch.flush(1)
    stats = donewatch.stats()
    assert (stats.emitted, stats.exported, stats.reasons) == (13, 10, {"shutdown": 3})
    assert donewatch.shutdown(1)


def test_shutdown_counts_what_it_could_not_send(configure, sink, caplog):
    sink.behave = sink.hang
    emit(10)
    begin = time.monotonic()
    with caplog.at_level(logging.WARNING, "donewatch"):
        assert not donewatch.shutdown(0.3)
    assert time.monotonic() - begin < 2
    stats = donewatch.stats()
    assert (stats.reasons, stats.pending) == ({"unsent": 10}, 0)
    assert "lost 10 events" in caplog.text


def test_an_event_caught_in_the_shutdown_costs_no_other_its_account(configure, sink, monkeypatch):
    from donewatch.runtime import runtime

    configure(schedule_delay=60)
    emit(10)
    sink.behave = sink.hang
    logger = runtime._pipeline._logger
    queue = logger.emit
    queued, go_on = threading.Event(), threading.Event()

    def interrupted(**arguments):
        queue(**arguments)
        queued.set()
        assert go_on.wait(10)

    monkeypatch.setattr(logger, "emit", interrupted)
    late = threading.Thread(target=emit, args=(1,))
    late.start()
    assert queued.wait(10)
    ending = threading.Thread(target=donewatch.shutdown, args=(10,))
    ending.start()
    sink.wait(lambda: sink.headers)
    go_on.set()
    late.join()
    sink.released.set()
    ending.join()
    stats = donewatch.stats()
    assert len(sink.events()) == 11
    assert (stats.emitted, stats.exported, stats.dropped) == (11, 11, 0)


def test_configuring_again_goes_on_elsewhere_with_the_same_account(configure, sink):
    emit(5)
    configure(service_name="other")
    emit(5)
    assert donewatch.flush(10)
    assert [each.resource["service.name"] for each in sink.events()] == ["shop"] * 5 + ["other"] * 5
    stats = donewatch.stats()
    assert (stats.emitted, stats.exported, stats.pending) == (10, 10, 0)


def test_configuring_again_after_shutdown_begins_again(configure, sink):
    assert donewatch.shutdown(1)
    emit(1)
    configure()
    emit(1)
    assert donewatch.flush(10)
    assert donewatch.stats().reasons == {"shutdown": 1}
    assert len(sink.events()) == 1


def test_a_disabled_sdk_sends_nothing_and_says_so(configure, sink, monkeypatch):
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    configure()
    threads = threading.active_count()
    emit(3)
    assert donewatch.flush(1)
    assert donewatch.stats().reasons == {"disabled": 3}
    assert threading.active_count() == threads
    assert sink.headers == []


def test_an_endpoint_that_is_none_is_told_and_everything_counted(configure, monkeypatch, caplog):
    from donewatch.runtime import runtime

    runtime._settings = None
    monkeypatch.setenv("DONEWATCH_ENDPOINT", "localhost:4318")
    with caplog.at_level(logging.WARNING, "donewatch"):
        emit(3)
    assert donewatch.stats().reasons == {"error": 3}
    assert "'localhost:4318/v1/logs' is no address" in caplog.text


def test_compression_of_opentelemetry_is_honoured(configure, monkeypatch):
    """The request is read by hand: the endpoint of the other tests knows no compression."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    with socket.create_server(("127.0.0.1", 0)) as server:
        configure(endpoint=f"http://127.0.0.1:{server.getsockname()[1]}")
        emit(1)
        connection, _ = server.accept()
        with connection, connection.makefile("rb") as stream:
            headers = {}
            while line := stream.readline().strip():
                name, _, value = line.decode().partition(": ")
                headers[name.lower()] = value
            body = stream.read(int(headers["content-length"]))
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            assert headers["content-encoding"] == "gzip"
            assert b"donewatch.visible" in gzip.decompress(body)
            assert donewatch.flush(10)


def test_stats_are_plain_data(configure):
    emit(2)
    donewatch.flush(10)
    assert json.loads(json.dumps(dict(donewatch.stats().reasons))) == {}
