"""Two tenants and three kinds of tokens over the assembled service."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers.donewatch import Donewatch, until
from tests.service import story
from tests.service.conftest import Make

pytestmark = pytest.mark.system

TOKENS = [
    ("shop-in", "shop", ["ingest"]),
    ("shop-eyes", "shop", ["read"]),
    ("bank-both", "bank", ["ingest", "read"]),
]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Donewatch]:
    """A service with tokens, open to every address of the machine."""
    tokens = [
        {"hash": hashlib.sha256(secret.encode()).hexdigest(), "tenant": tenant, "scopes": scopes}
        for secret, tenant, scopes in TOKENS
    ]
    found = Donewatch(tmp_path_factory.mktemp("tokens"), TOKENS=tokens, HOST="0.0.0.0")
    (found.workflows / "order.yaml").write_text(story.DEFINITION)
    (found.rules / "orders.yaml").write_text(story.STUCK)
    try:
        found.start()
        # what listens everywhere is reached here as well
        found.pages = found.pages.replace("0.0.0.0", "127.0.0.1")
        found.otlp = found.otlp.replace("0.0.0.0", "127.0.0.1")
        yield found
    finally:
        found.close()


@pytest.fixture(scope="module")
def told(service: Donewatch) -> Donewatch:
    """Both tenants have sent an order of the same id, and one of them a second."""
    for token in ("shop-in", "bank-both"):
        service.token = token
        service.take(story.submit("order-1"))
    service.take(story.submit("order-2"))
    service.wait_counted()
    return service


def test_each_tenant_sees_its_own(told: Donewatch) -> None:
    for token, orders in (("shop-eyes", 1), ("bank-both", 2)):
        told.token = token
        assert len(told.items("/instances", workflow="order")) == orders
        (edge,) = told.api("/workflows/order")["edges"]
        assert edge["count"] == orders
        alert = told.wait_alert("OrderStuck", "firing")
        wait_members(told, orders)
        assert told.get("/api/v1/alerts/" + alert["fingerprint"]).status_code == 200
    told.token = "shop-eyes"
    assert told.get("/api/v1/instances/order/order-2").status_code == 404


def wait_members(service: Donewatch, number: int) -> None:
    until(lambda: (service.alert("OrderStuck") or {})["members_total"] == number)


READING = ["/api/v1/workflows", "/api/v1/alerts", "/api/v1/rules", "/api/v1/ingest", "/metrics"]


@pytest.mark.parametrize("path", READING)
@pytest.mark.parametrize(
    ("token", "status", "remedy"),
    [
        pytest.param("", 401, "Authorization: Bearer TOKEN", id="no token"),
        pytest.param("wrong", 401, "not known here", id="an unknown token"),
        pytest.param("shop-in", 403, "lacks the scope read; it has ingest", id="another scope"),
    ],
)
def test_reading_needs_a_token(
    service: Donewatch, path: str, token: str, status: int, remedy: str
) -> None:
    service.token = token
    answer = service.get(path)
    assert answer.status_code == status
    assert answer.headers["www-authenticate"].startswith('Bearer realm="donewatch"')
    assert remedy in answer.text


@pytest.mark.parametrize(
    ("token", "status", "remedy"),
    [
        pytest.param("", 401, "Authorization: Bearer TOKEN", id="no token"),
        pytest.param("wrong", 401, "not known here", id="an unknown token"),
        pytest.param("shop-eyes", 403, "lacks the scope ingest; it has read", id="another scope"),
    ],
)
def test_sending_needs_a_token(service: Donewatch, token: str, status: int, remedy: str) -> None:
    service.token = token
    answer = service.send([story.submit("order-3")])
    assert answer.status_code == status
    assert remedy in answer.json()["detail"]
    otlp = service.http.post(
        f"{service.otlp}/v1/logs",
        content=b"{}",
        headers={"Content-Type": "application/json", "Authorization": f"Bearer {token or '-'}"},
    )
    assert otlp.status_code == status


def test_who_only_looks_whether_it_lives_needs_none(service: Donewatch) -> None:
    service.token = ""
    assert service.get("/healthz").status_code == 200
    assert service.http.get(f"{service.otlp}/healthz").status_code == 200


def test_no_token_is_ever_written_down(told: Donewatch) -> None:
    for secret, _, _ in TOKENS:
        assert secret not in told.log
        hashed = hashlib.sha256(secret.encode()).hexdigest()
        assert hashed not in told.log


def test_tokens_and_the_store_from_files(make: Make, tmp_path: Path) -> None:
    digest = hashlib.sha256(b"from a file").hexdigest()
    (tmp_path / "tokens").write_text(f'[{{"hash": "{digest}", "scopes": ["ingest", "read"]}}]')
    (tmp_path / "dsn").write_text(f"chdb://{tmp_path}/elsewhere\n")
    service = make(TOKENS_FILE=tmp_path / "tokens", STORE__DSN_FILE=tmp_path / "dsn").start()
    assert service.send([story.submit("order-1")]).status_code == 401
    service.token = "from a file"
    service.take(story.submit("order-1"))
    assert (tmp_path / "elsewhere").is_dir()
    assert "no token is configured" not in service.log
