"""Whatever is sent to either port gets an answer that says what would be right, and harms nothing.

What every single field may be is told apart in the tests of the collector and of the API; here the
assembled service is asked, over real sockets, by those who break the rules.
"""

import gzip
import json
import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx
import psutil
import pytest
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs

from tests.collector.senders import TRANSITION, native, otlp_json, otlp_protobuf
from tests.peers.donewatch import Donewatch, until
from tests.service import story

pytestmark = pytest.mark.system

PROTOBUF = "application/x-protobuf"
LINES = "application/x-ndjson"
JSON = "application/json"
MEGABYTE = 2**20
MOST_MEMORY = 700 * MEGABYTE  # that all of this may add to what the process takes


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Donewatch]:
    """One service endures it all: what harms it in one test is seen by the next."""
    found = Donewatch(tmp_path_factory.mktemp("hostile"))
    (found.workflows / "order.yaml").write_text(story.DEFINITION)
    (found.rules / "orders.yaml").write_text(story.STUCK)
    try:
        yield found.start()
    finally:
        found.close()


@pytest.fixture(scope="module", autouse=True)
def unharmed(service: Donewatch) -> Iterator[None]:
    """Afterwards it works as before, has not grown without bound, and nothing failed inside."""
    service.take(story.submit("before"))
    service.wait_alert("OrderStuck", "firing")
    began = psutil.Process(service.pid).memory_info().rss
    yield
    assert service.running
    assert service.get("/healthz").json()["status"] == "ok"
    assert service.http.get(f"{service.otlp}/healthz").text == "ok\n"
    assert service.get("/readyz").status_code == 200
    service.take(story.submit("after"))
    service.wait_counted()
    found = {each["instance_id"] for each in service.items("/instances", workflow="order")}
    assert {"before", "after"} <= found
    assert psutil.Process(service.pid).memory_info().rss - began < MOST_MEMORY
    assert "Traceback" not in service.log


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A request to the events' port, and what it must be answered."""

    path: str
    content: bytes | Callable[[], Iterable[bytes]] = b""
    type: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    method: str = "POST"
    status: int
    remedy: str


def bomb(megabytes: int) -> bytes:
    return gzip.compress(b" " * (megabytes * MEGABYTE))


GZIP = {"Content-Encoding": "gzip"}
GOOD_PROTOBUF = otlp_protobuf([TRANSITION] * 20).content
GOOD_JSON = otlp_json([TRANSITION] * 20).content
GOOD_SPANS = b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"x"}]}]}]}'
GOOD_ARRAY = json.dumps([TRANSITION] * 20).encode()
EMPTY_RECORDS = ExportLogsServiceRequest(
    resource_logs=[ResourceLogs(scope_logs=[ScopeLogs(log_records=[LogRecord()] * 50_001)])]
).SerializeToString()
DEEP = b'{"a":' * 100_000
DEEP_VALUE = '{"arrayValue":{"values":[' * 30 + "]}}" * 30
DEEP_LOG = (
    '{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"eventName":"donewatch.visible",'
    f'"attributes":[{{"key":"a","value":{DEEP_VALUE}}}]}}]}}]}}]}}'
).encode()

BODIES = [
    # OTLP logs in protobuf
    pytest.param(
        Sent(
            path="/v1/logs",
            type=PROTOBUF,
            content=GOOD_PROTOBUF[:-7],
            status=400,
            remedy="cut short",
        ),
        id="protobuf cut short",
    ),
    pytest.param(
        Sent(path="/v1/logs", type=PROTOBUF, content=b"\xff" * 999, status=400, remedy="protobuf"),
        id="protobuf of noise",
    ),
    pytest.param(
        Sent(path="/v1/logs", type=PROTOBUF, content=GOOD_JSON, status=400, remedy="Content-Type"),
        id="JSON called protobuf",
    ),
    pytest.param(
        Sent(
            path="/v1/logs",
            type=PROTOBUF,
            content=gzip.compress(GOOD_PROTOBUF)[:-20],
            headers=GZIP,
            status=400,
            remedy="cut short",
        ),
        id="gzip cut short",
    ),
    pytest.param(
        Sent(
            path="/v1/logs",
            type=PROTOBUF,
            content=GOOD_PROTOBUF,
            headers=GZIP,
            status=400,
            remedy="not gzip",
        ),
        id="gzip that is none",
    ),
    pytest.param(
        Sent(
            path="/v1/logs",
            type=PROTOBUF,
            content=bomb(200),
            headers=GZIP,
            status=413,
            remedy="smaller parts",
        ),
        id="a bomb of 200 MB",
    ),
    pytest.param(
        Sent(
            path="/v1/logs",
            type=PROTOBUF,
            content=gzip.compress(bomb(200)),
            headers={"Content-Encoding": "gzip, gzip"},
            status=415,
            remedy="send gzip or none",
        ),
        id="a bomb in a bomb",
    ),
    pytest.param(
        Sent(
            path="/v1/logs",
            type=PROTOBUF,
            content=GOOD_PROTOBUF,
            headers={"Content-Encoding": "br"},
            status=415,
            remedy="send gzip or none",
        ),
        id="another compression",
    ),
    pytest.param(
        Sent(
            path="/v1/logs",
            type=PROTOBUF,
            content=b"\x0a\x00" * (4 * MEGABYTE - 8),
            status=413,
            remedy="smaller parts",
        ),
        id="four million empty resources",
    ),
    pytest.param(
        Sent(
            path="/v1/logs",
            type=PROTOBUF,
            content=b"\x0a\x02\x12\x00" * (2 * MEGABYTE - 8),
            status=413,
            remedy="smaller parts",
        ),
        id="two million empty scopes",
    ),
    pytest.param(
        Sent(
            path="/v1/logs",
            type=JSON,
            content=b'{"resourceLogs":[{"scopeLogs":[' + b"{}," * 2_700_000 + b"{}]}]}",
            status=413,
            remedy="smaller parts",
        ),
        id="two million empty scopes in JSON",
    ),
    pytest.param(
        Sent(
            path="/v1/logs",
            type=PROTOBUF,
            content=EMPTY_RECORDS,
            status=413,
            remedy="smaller parts",
        ),
        id="50,001 empty records",
    ),
    # OTLP logs in JSON
    pytest.param(
        Sent(path="/v1/logs", type=JSON, content=GOOD_JSON[:-9], status=400, remedy="JSON"),
        id="OTLP/JSON cut short",
    ),
    pytest.param(
        Sent(path="/v1/logs", type=JSON, content=b"[]", status=400, remedy="Expected `object`"),
        id="an array where an object belongs",
    ),
    pytest.param(
        Sent(
            path="/v1/logs",
            type=JSON,
            content=b'{"resourceLogs": "all of them"}',
            status=400,
            remedy="resourceLogs",
        ),
        id="OTLP/JSON mistyped",
    ),
    pytest.param(
        Sent(path="/v1/logs", type=JSON, content=DEEP, status=400, remedy="nested"),
        id="OTLP/JSON 100,000 levels deep",
    ),
    pytest.param(
        Sent(path="/v1/logs", type=JSON, content=DEEP_LOG, status=200, remedy="too deep"),
        id="a value 30 levels deep is refused alone",
    ),
    pytest.param(
        Sent(path="/v1/logs", type=JSON, content=b"\xff\xfe{}", status=400, remedy="JSON"),
        id="OTLP/JSON that is not UTF-8",
    ),
    pytest.param(
        Sent(
            path="/v1/logs", type="text/plain", content=GOOD_JSON, status=415, remedy="x-protobuf"
        ),
        id="OTLP as plain text",
    ),
    pytest.param(
        Sent(path="/v1/logs", content=GOOD_JSON, status=415, remedy="x-protobuf"),
        id="OTLP of no type",
    ),
    pytest.param(
        Sent(path="/v1/logs", method="GET", status=405, remedy="takes POST"), id="logs by GET"
    ),
    pytest.param(
        Sent(path="/v1/logs/", type=PROTOBUF, status=404, remedy="POST /v1/logs"),
        id="a slash too many",
    ),
    # spans
    pytest.param(
        Sent(path="/v1/traces", type=PROTOBUF, content=b"\xff", status=400, remedy="was it cut"),
        id="spans that are none",
    ),
    pytest.param(
        Sent(path="/v1/traces", type=JSON, content=bomb(1), status=400, remedy="in JSON"),
        id="spans in JSON that are none",
    ),
    pytest.param(
        Sent(path="/v1/traces", type=JSON, content=GOOD_SPANS, status=200, remedy="MAPPINGS"),
        id="spans without a mapping are ignored, and the sender is told",
    ),
    # the native endpoint
    pytest.param(
        Sent(
            path="/api/v1/events",
            type=LINES,
            content=native([TRANSITION]).content[:-9],
            status=200,
            remedy="is not JSON",
        ),
        id="a line cut short is refused alone",
    ),
    pytest.param(
        Sent(
            path="/api/v1/events",
            type=JSON,
            content=GOOD_ARRAY[:-9],
            status=400,
            remedy="application/x-ndjson",
        ),
        id="an array cut short",
    ),
    pytest.param(
        Sent(
            path="/api/v1/events",
            type=LINES,
            content=b'null\n7\n[1]\n"x"\n\x00\n\xff\xff\n{}',
            status=200,
            remedy="an event is a JSON object",
        ),
        id="lines that are no events",
    ),
    pytest.param(
        Sent(
            path="/api/v1/events",
            type=LINES,
            content=json.dumps({**TRANSITION, "tenant": "another"}).encode(),
            status=200,
            remedy="put fields of your own into attributes",
        ),
        id="a tenant of one's choice",
    ),
    pytest.param(
        Sent(
            path="/api/v1/events",
            type=LINES,
            content=json.dumps({**TRANSITION, "sequence": 2**63}).encode(),
            status=200,
            remedy="fit 64 bits",
        ),
        id="a number too large",
    ),
    pytest.param(
        Sent(path="/api/v1/events", type=LINES, content=DEEP, status=200, remedy="flatter"),
        id="100,000 levels deep",
    ),
    pytest.param(
        Sent(path="/api/v1/events", type=JSON, content=b"[" * 100_000, status=400, remedy="nested"),
        id="100,000 arrays",
    ),
    pytest.param(
        Sent(
            path="/api/v1/events",
            type=LINES,
            content=b"{}\n" * 50_001,
            status=413,
            remedy="smaller parts",
        ),
        id="50,001 lines",
    ),
    pytest.param(
        Sent(
            path="/api/v1/events",
            type=LINES,
            content=b" " * (9 * MEGABYTE),
            status=413,
            remedy="smaller parts",
        ),
        id="9 MB with their length",
    ),
    pytest.param(
        Sent(
            path="/api/v1/events",
            type=LINES,
            content=lambda: (b" " * MEGABYTE for _ in range(9)),
            status=413,
            remedy="smaller parts",
        ),
        id="9 MB in chunks, of no declared length",
    ),
    pytest.param(
        Sent(
            path="/api/v1/events",
            type="application/x-www-form-urlencoded",
            content=b"event=transition",
            status=415,
            remedy="application/x-ndjson",
        ),
        id="a form, as another site's page could send",
    ),
    pytest.param(
        Sent(path="/api/v1/events", method="DELETE", status=405, remedy="takes POST"), id="DELETE"
    ),
    pytest.param(Sent(path="/", method="GET", status=404, remedy="POST /v1/logs"), id="nothing"),
    pytest.param(
        Sent(
            path="/healthz",
            type=JSON,
            content=b" " * (9 * MEGABYTE),
            status=405,
            remedy="takes GET",
        ),
        id="a large body for the health check",
    ),
    pytest.param(
        Sent(path="/metrics", type=JSON, content=b"{}", status=405, remedy="takes GET"),
        id="a body for the metrics",
    ),
]


@pytest.mark.parametrize("sent", BODIES)
def test_the_events_port(service: Donewatch, sent: Sent) -> None:
    content = sent.content if isinstance(sent.content, bytes) else sent.content()
    headers = {**sent.headers, **({"Content-Type": sent.type} if sent.type else {})}
    answer = service.http.request(
        sent.method, service.otlp + sent.path, content=content, headers=headers
    )
    assert answer.status_code == sent.status, answer.text
    if answer.headers["content-type"] == PROTOBUF and sent.status >= 400:
        told = Status.FromString(answer.content).message
    else:
        told = answer.text
    assert sent.remedy in told
    assert len(told) < 20_000


PARAMETERS = ["9" * 400, "0001-01-01T00:00:00Z"]
# any text is right in these: what it costs is a question to the store
TEXTS = {"environment", "state", "from_state", "to_state", "action", "search", "workflow"}
REQUIRED = {"figure": "stuck", "id": "before"}


def questions(service: Donewatch) -> Iterator[str]:
    """Every parameter of every operation, each with each hostile value."""
    alert = service.wait_alert("OrderStuck", "firing")  # among those about what was refused
    parts = {"type": "order", "id": "before", "fingerprint": alert["fingerprint"]}
    for path, operations in service.get("/openapi.json").json()["paths"].items():
        parameters = operations["get"].get("parameters", [])
        given = {
            each["name"]: REQUIRED[each["name"]]
            for each in parameters
            if each["in"] == "query" and each["required"]
        }
        for each in parameters:
            for value in ["\0", *(PARAMETERS if each["name"] not in TEXTS else ())]:
                names, query = dict(parts), dict(given)
                if each["in"] == "path":
                    names[each["name"]] = value
                elif each["in"] == "query":
                    query[each["name"]] = value
                text = "&".join(f"{name}={quote(value)}" for name, value in query.items())
                filled = {name: quote(part, safe="") for name, part in names.items()}
                yield f"{path.format(**filled)}?{text}"


def test_every_parameter_of_every_operation(service: Donewatch) -> None:
    asked = 0
    for question in questions(service):
        with service.http.stream("GET", service.pages + question) as answer:
            asked += 1
            if answer.headers["content-type"].startswith("text/event-stream"):
                continue  # it has begun, and has no end
            answer.read()
        assert answer.status_code < 500, (question, answer.text)
        if answer.status_code >= 400:
            check_problem(answer, question)
    assert asked > 100


def check_problem(answer: httpx.Response, question: str) -> None:
    assert answer.headers["content-type"] == "application/problem+json", question
    problem = answer.json()
    assert problem["status"] == answer.status_code, question
    assert problem["detail"] and problem["fix"], question


def test_no_operation_of_the_pages_port_takes_a_body(service: Donewatch) -> None:
    paths = service.get("/openapi.json").json()["paths"]
    for path in [*(each.replace("{", "").replace("}", "") for each in paths), "/", "/static/x"]:
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            answer = service.http.request(
                method, service.pages + path, content=b"\xff" * 100_000, timeout=10
            )
            assert answer.status_code in (404, 405), (method, path, answer.text)
            check_problem(answer, path)


PAGES = [
    pytest.param("/workflows/%3Cscript%3Ealert(1)%3C%2Fscript%3E", 404, id="a script as a type"),
    pytest.param("/instances/order/" + "%00" * 300, 404, id="an id of zeros"),
    pytest.param("/instances/order/%ff%fe", 404, id="an id that is not UTF-8"),
    pytest.param("/instances/order/" + "a" * 30_000, 404, id="an id of 30,000 letters"),
    pytest.param("/instances?search=%27%20OR%201%3D1%20--", 200, id="SQL as a search"),
    pytest.param("/instances?search=%5C%25_%27%22%60", 200, id="signs of SQL as a search"),
    pytest.param("/instances?state=%7B%7B7*7%7D%7D", 200, id="a template as a state"),
    pytest.param("/instances?older_than=perhaps", 422, id="wrong parameters"),
    pytest.param("/alerts/%7B%7B7*7%7D%7D", 404, id="a template as a fingerprint"),
    pytest.param("/static/%2e%2e/%2e%2e/pyproject.toml", 404, id="a way out of the assets"),
    pytest.param("/static/..%2f..%2f..%2fpyproject.toml", 404, id="another way out"),
    pytest.param("/static/" + "a" * 5_000, 404, id="a long name of an asset"),
    pytest.param("/login?next=//evil.example", 200, id="a sign-in that leads elsewhere"),
]


@pytest.mark.parametrize(("path", "status"), PAGES)
def test_pages_say_it_to_a_person(service: Donewatch, path: str, status: int) -> None:
    answer = service.http.get(
        httpx.URL(service.pages + path), headers={"Accept": "text/html,*/*;q=0.8"}
    )
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")
    assert "<script>alert" not in answer.text
    assert ">49<" not in answer.text
    assert "//evil.example" not in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


FORMS = [
    pytest.param(b"token=" + b"x" * 10_000, {}, 413, id="a token of 10,000 letters"),
    pytest.param(b"&".join([b"a=1"] * 50), {}, 422, id="fifty fields"),
    pytest.param(b"token=x", {"Origin": "https://evil.example"}, 403, id="from another site"),
    pytest.param(b"\xff\xfe\x00", {}, 303, id="noise, where nobody has to sign in"),
]


@pytest.mark.parametrize(("content", "headers", "status"), FORMS)
def test_the_sign_in(
    service: Donewatch, content: bytes, headers: dict[str, str], status: int
) -> None:
    answer = service.http.post(f"{service.pages}/login", content=content, headers=headers)
    assert answer.status_code == status
    if status >= 400:
        check_problem(answer, "/login")


HOST = b"Host: localhost\r\n"
NOT_HTTP = "percent-encode"
TOO_LARGE = "send what is long in the body"
RAW = [
    pytest.param(b"\x16\x03\x01\x02\x00\x01\xfc\x03\x03 TLS\r\n\r\n", 400, NOT_HTTP, id="TLS"),
    pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, NOT_HTTP, id="HTTP/2"),
    pytest.param(b"BREW / HTTP/1.1\r\n" + HOST + b"\r\n", 400, NOT_HTTP, id="a new method"),
    pytest.param(
        b"GET /\xc3\xbc HTTP/1.1\r\n" + HOST + b"\r\n", 400, NOT_HTTP, id="a path not encoded"
    ),
    pytest.param(b"GET /\0 HTTP/1.1\r\n" + HOST + b"\r\n", 400, NOT_HTTP, id="a zero in the path"),
    pytest.param(
        b"GET / HTTP/1.1\r\n" + HOST + b"no colon\r\n\r\n", 400, NOT_HTTP, id="no header at all"
    ),
    pytest.param(
        b"POST /v1/logs HTTP/1.1\r\n"
        + HOST
        + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nX",
        400,
        "one length",
        id="two lengths, to smuggle a request",
    ),
    pytest.param(
        b"POST /v1/logs HTTP/1.1\r\n" + HOST + b"Content-Length: -5\r\n\r\n",
        400,
        "one length",
        id="a negative length",
    ),
    pytest.param(
        b"POST /v1/logs HTTP/1.1\r\n" + HOST + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n",
        400,
        "one length",
        id="a length of thirty digits",
    ),
    pytest.param(
        b"POST /v1/logs HTTP/1.1\r\n"
        + HOST
        + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        400,
        NOT_HTTP,
        id="a chunk of no length",
    ),
    pytest.param(
        b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 66_000 + b"\r\n\r\n",
        431,
        TOO_LARGE,
        id="a long header",
    ),
    pytest.param(
        b"GET / HTTP/1.1\r\n" + HOST + b"X: a\r\n" * 40_000 + b"\r\n",
        431,
        TOO_LARGE,
        id="many headers",
    ),
    pytest.param(
        b"GET /" + b"a" * 66_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
        431,
        TOO_LARGE,
        id="a long path",
    ),
    pytest.param(
        b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 70_000,
        431,
        TOO_LARGE,
        id="a header without end",
    ),
]


@pytest.mark.parametrize("port", ["pages", "otlp"])
@pytest.mark.parametrize(("sent", "status", "remedy"), RAW)
def test_what_is_hardly_http(
    service: Donewatch, port: str, sent: bytes, status: int, remedy: str
) -> None:
    answered = raw(getattr(service, port), sent)
    head, _, body = answered.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), answered
    problem = json.loads(body)
    assert problem["status"] == status and problem["detail"]
    assert remedy in problem["fix"]


def raw(url: str, sent: bytes) -> bytes:
    """Send bytes as they are; all that is answered until the other side hangs up."""
    port = int(url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(sent)
        found = b""
        while part := receive(connection):
            found += part
        return found


def receive(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65_536)
    except ConnectionResetError:  # it hung up while we were still sending
        return b""


def test_an_endless_header_takes_no_memory(service: Donewatch) -> None:
    before = psutil.Process(service.pid).memory_info().rss
    connections = []
    for _ in range(20):
        port = int(service.otlp.rpartition(":")[2])
        connection = socket.create_connection(("127.0.0.1", port), timeout=20)
        connections.append(connection)
        try:
            connection.sendall(b"GET / HTTP/1.1\r\nX: ")
            for _ in range(20):
                connection.sendall(b"a" * MEGABYTE)
        except OSError:
            continue  # as it should: it hung up
    assert psutil.Process(service.pid).memory_info().rss - before < 100 * MEGABYTE
    for connection in connections:
        connection.close()


def test_connections_that_say_nothing_hold_up_nobody(service: Donewatch) -> None:
    port = int(service.otlp.rpartition(":")[2])
    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(200)]
    try:
        for each in silent[:100]:
            each.sendall(b"POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\n")
        for each in silent[100:]:
            each.sendall(
                b"POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\n"
                b"Content-Type: application/x-ndjson\r\nContent-Length: 1000\r\n\r\n{"
            )
        service.take(story.submit("among the silent"))
    finally:
        for each in silent:
            each.close()
    # a body cut off is no event, and holds the watermark back no longer than it lasts
    before = service.api("/ingest")["watermarks"]["flushed"]
    until(lambda: service.api("/ingest")["watermarks"]["flushed"] > before)


def test_a_page_of_another_name_is_not_answered(service: Donewatch) -> None:
    answer = service.http.get(
        f"{service.pages}/api/v1/workflows", headers={"Host": "rebound.example"}
    )
    assert answer.status_code == 421
    check_problem(answer, "a rebound name")


def test_what_was_refused_is_kept_with_its_reason(service: Donewatch) -> None:
    sent: dict[str, Any] = {**TRANSITION, "to": 7}
    answer = service.send([sent])
    assert answer.json()["rejected"] == [
        {"index": 0, "field": "to", "error": "to is an integer; it must be a string"}
    ]

    def kept() -> bool:
        found = service.api("/ingest")["rejected_by_reason"]
        return any((each["reason"], each["field"]) == ("type", "to") for each in found)

    until(kept)
