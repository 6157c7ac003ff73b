"""Definitions and rules that change while the service runs."""

from typing import Any

import pytest

from tests.peers.donewatch import Donewatch, until
from tests.peers.webhook import Webhook
from tests.service import story
from tests.service.conftest import Make

pytestmark = pytest.mark.system


def broken(service: Donewatch) -> list[dict[str, Any]]:
    """The files that are not in force, as the API shows them."""
    return [each for each in service.items("/rules") if each["kind"] == "file"]


def declared(service: Donewatch) -> dict[str, bool | None]:
    """By action, whether the transitions seen are declared."""
    edges = service.api("/workflows/order")["edges"]
    return {edge["action"]: edge["declared"] for edge in edges}


def test_a_rule_file_is_changed_broken_mended_and_removed(make: Make, hook: Webhook) -> None:
    service = make(NOTIFY__WEBHOOKS=[hook.url]).start()
    rules = service.rules / "orders.yaml"
    service.take(story.submit("order-1"))
    firing = service.wait_alert("OrderStuck", "firing")
    until(lambda: hook.told("OrderStuck"))

    rules.write_text(story.STUCK.replace("longer_than: 1s", "longer_thn: 1s"))
    (problem, *_) = until(lambda: broken(service), what="the problem")
    assert (problem["verdict"], problem["name"]) == ("error", str(rules))
    assert f"{rules}:6:" in problem["reason"]
    assert "longer_than" in problem["reason"]
    assert f"not in force: {rules}:6:" in service.log
    assert service.wait_evaluated("OrderStuck")["verdict"] == "firing", "the old one is in force"
    assert (service.alert("OrderStuck") or {})["firing_since"] == firing["firing_since"]

    rules.write_text(story.STUCK.replace("longer_than: 1s", "longer_than: 1h"))
    until(lambda: not broken(service), what="the file in force again")
    service.wait_alert("OrderStuck", "resolved")

    rules.write_text(story.STUCK)
    service.wait_alert("OrderStuck", "firing")
    rules.unlink()
    until(lambda: service.rule("OrderStuck") is None, what="a rule that is gone")
    gone = service.wait_alert("OrderStuck", "resolved")
    assert "removed" in gone["reason"]
    until(lambda: hook.told("OrderStuck") == ["firing", "resolved"] * 2)


def test_a_definition_is_changed_broken_mended_and_removed(make: Make) -> None:
    service = make().start()
    file = service.workflows / "order.yaml"
    service.take(story.submit("order-1"))
    service.take(story.transition("order-1", "submitted", "shipped", "skip"))
    service.wait_counted()
    assert declared(service) == {"submit": True, "skip": False}

    # what was illegal is declared: so it is from the beginning
    more = "  - {action: skip, from: submitted, to: shipped}\ncompletion:"
    file.write_text(story.DEFINITION.replace("completion:", more))
    until(lambda: declared(service) == {"submit": True, "skip": True})

    file.write_text("workflow: order\nversion: 1\nstates: [\n")
    (problem, *_) = until(lambda: broken(service), what="the problem")
    assert problem["name"] == str(file)
    assert declared(service) == {"submit": True, "skip": True}, "the old one is in force"

    file.write_text(story.DEFINITION)
    until(lambda: not broken(service), what="the file in force again")
    until(lambda: declared(service) == {"submit": True, "skip": False})

    file.unlink()
    until(lambda: declared(service) == {"submit": None, "skip": None}, what="nothing to judge by")


def test_a_new_type_has_rules_of_its_own_at_once(make: Make) -> None:
    service = make(rules="").start()
    assert service.rule("PayoutStuck") is None
    (service.workflows / "payout.yaml").write_text(
        story.DEFINITION.replace("workflow: order", "workflow: payout").replace(
            "submitted: {status: accepted}", "submitted: {status: accepted, stuck_after: 1s}"
        )
    )
    until(lambda: service.rule("PayoutStuck"))
    service.take(story.submit("payout-1", workflow_type="payout"))
    assert service.wait_alert("PayoutStuck", "firing")["members_total"] == 1


HOSTILE = [
    pytest.param(b"", id="empty, as while it is being written"),
    pytest.param(b"\xff\xfe\x00\x01" * 100, id="no text"),
    pytest.param(b"[" * 50_000, id="deep"),
    pytest.param(b"{a: " * 2_000, id="deep mappings"),
    pytest.param(
        b"a: &a [x,x,x,x,x,x,x,x,x,x]\n"
        + b"".join(
            b"%c: &%c [%s]\n" % (98 + n, 98 + n, b",".join([b"*%c" % (97 + n)] * 10))
            for n in range(9)
        ),
        id="aliases of aliases",
    ),
    pytest.param(b"workflow: &a [*a]\n", id="a list within itself"),
    pytest.param(b"--- a\n--- b\n", id="two documents"),
    pytest.param(b"!!python/object/apply:os.system ['true']\n", id="a command"),
    pytest.param(b"groups: " + b"9" * 5_000, id="a number of 5,000 digits"),
    pytest.param(b"when: 2026-13-45\n", id="an impossible date"),
]


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One service for all hostile files."""
    service = Donewatch(tmp_path_factory.mktemp("patient"))
    (service.workflows / "order.yaml").write_text(story.DEFINITION)
    (service.rules / "orders.yaml").write_text(story.STUCK)
    try:
        yield service.start()
    finally:
        service.close()


@pytest.mark.parametrize(
    ("folder", "content"),
    [
        pytest.param(folder, *each.values, id=f"{each.id} in {folder}")
        for number, each in enumerate(HOSTILE)
        for folder in (("workflows", "rules") if number < 3 else ("rules",))
    ],
)
def test_a_hostile_file_is_told_and_harms_nothing(
    patient: Donewatch, folder: str, content: bytes
) -> None:
    file = getattr(patient, folder) / "hostile.yaml"
    file.write_bytes(content)
    (problem, *_) = until(lambda: broken(patient), what="the problem")
    assert problem["name"] == str(file)
    file.unlink()
    until(lambda: not broken(patient), what="a folder without it")
    assert patient.rule("OrderStuck") is not None
    assert "Traceback" not in patient.log


def test_what_is_no_file_is_told_and_harms_nothing(patient: Donewatch) -> None:
    folder = patient.rules / "folder.yaml"
    folder.mkdir()
    (problem,) = until(lambda: broken(patient), what="the problem")
    assert "cannot be read" in problem["reason"]
    folder.rmdir()
    until(lambda: not broken(patient), what="a folder without it")
    loop = patient.rules / "loop.yaml"
    loop.symlink_to(loop)
    patient.wait_evaluated("OrderStuck", times=3)
    loop.unlink()
    assert "Traceback" not in patient.log


def test_a_file_that_cannot_be_read_for_a_while_stays_in_force(make: Make) -> None:
    service = make().start()
    service.take(story.submit("order-1"))
    firing = service.wait_alert("OrderStuck", "firing")
    file = service.rules / "orders.yaml"
    file.unlink()
    file.mkdir()
    until(lambda: broken(service), what="the problem")
    assert service.wait_evaluated("OrderStuck")["verdict"] == "firing"
    assert (service.alert("OrderStuck") or {})["firing_since"] == firing["firing_since"]
