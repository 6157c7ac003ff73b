"""A service with events in it, which every fuzzing test asks and none may harm."""

import hashlib
import json
import os
from collections.abc import Iterator

import psutil
import pytest

from tests.peers.donewatch import Donewatch, until
from tests.service import story

TOKENS = {"reads": ["read"], "sends": ["ingest"], "both": ["ingest", "read"]}
# as many as a quick check affords; `make fuzz` asks for more
EXAMPLES = int(os.environ.get("DONEWATCH_TEST_EXAMPLES", "0"))
PATIENCE = 24 * 3600 if EXAMPLES else 300  # seconds for one test
HANGS = 60.0  # seconds: nothing takes so long, unless it hangs
# what is asked here is to be the work, not rules that are evaluated all the time
CALM = {"RULES__INTERVAL": "15", "MARK_INTERVAL": "0.5", "RELOAD_INTERVAL": "5"}


def started(service: Donewatch) -> Donewatch:
    """With two orders, one stuck, jobs, messages, an illegal move and a fired alert."""
    (service.workflows / "order.yaml").write_text(story.DEFINITION)
    (service.rules / "orders.yaml").write_text(story.STUCK.replace("200ms", "2s"))
    service.start()
    service.token = "both"
    named = {"workflow_type": "order", "instance_id": "o-1", "environment": "production"}
    service.take(
        story.submit("o-1", environment="production", trace_id="0" * 31 + "1"),
        {"event": "job", "job_id": "j-1", "job_state": "started", "attempt": 1, **named},
        {"event": "outbox", "outbox_id": "m-1", "outbox_state": "recorded", **named},
        story.transition("o-1", "submitted", "shipped", "jump", environment="production"),
        story.submit("o-2", attributes={"tier": "gold"}),
        {"event": "heartbeat", "producer": "p-1", "emitted": 7, "dropped": 1, "service": "shop"},
    )
    service.wait_alert("OrderStuck", "firing")
    return service


def check_well(service: Donewatch) -> None:
    """Nothing failed inside, and it does its work."""
    assert service.running
    assert service.http.get(f"{service.otlp}/healthz").text == "ok\n"
    until(lambda: service.get("/readyz").status_code == 200, what="readiness")
    assert "Traceback" not in service.log
    after = story.submit("after")
    service.take(after)
    until(lambda: service.get("/api/v1/instances/order/after").status_code == 200)


def memory(service: Donewatch) -> int:
    """Bytes of the process that are in memory."""
    found: int = psutil.Process(service.pid).memory_info().rss
    return found


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Donewatch]:
    """One for all tests of a file; it is well in the end."""
    tokens = [
        {"hash": hashlib.sha256(secret.encode()).hexdigest(), "tenant": "shop", "scopes": scopes}
        for secret, scopes in TOKENS.items()
    ]
    service = Donewatch(
        tmp_path_factory.mktemp("fuzz"),
        TOKENS=json.dumps(tokens),
        **CALM,
        COLLECTOR__MAPPINGS=["messaging", "celery"],
    )
    try:
        yield started(service)
        check_well(service)
    finally:
        service.close()
