"""The README does what it says."""

import json
import re
from pathlib import Path

import pytest

from donewatch.ledger import Reason
from lifecycle.events import FIELD_BY_NAME, FIELDS

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
QUICK_START, PLAIN_OPENTELEMETRY = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
(CURL,) = re.findall(r"```sh\n(curl .*?)```", README, re.DOTALL)

PAID = {
    "donewatch.workflow.type": "order",
    "donewatch.workflow.version": "3",
    "donewatch.instance.id": "o-17",
    "donewatch.sequence": 2,
    "donewatch.transition.from": "submitted",
    "donewatch.transition.to": "paid",
    "donewatch.transition.action": "pay",
}


def test_the_quick_start_runs(sink, run):
    ended = run(QUICK_START)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == "refused: a completed order cannot be paid again\n"
    kinds = [each.name.removeprefix("donewatch.") for each in sink.events()]
    assert kinds == [
        "transition",
        "outbox",
        "job",
        "job",
        *["transition"] * 2,
        "visible",
        "transition",
    ]
    assert PAID.items() <= sink.events()[4].attributes.items()
    assert sink.events()[-1].attributes["donewatch.transition.outcome"] == "rejected"


def test_a_plain_opentelemetry_sdk_sends_the_same_event(sink, run):
    ended = run(PLAIN_OPENTELEMETRY, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url)
    assert (ended.code, ended.err) == (0, "")
    (event,) = sink.events()
    assert (event.name, event.attributes) == ("donewatch.transition", PAID)


def test_curl_sends_the_same_event():
    event = json.loads(CURL.split("'")[3])
    kind = event.pop("event")
    fields = {name: FIELD_BY_NAME[name] for name in event}
    said = {fields[name].attribute: value for name, value in event.items()}
    assert (kind, said.pop("service.name")) == ("transition", "checkout")
    assert said == PAID
    required = {
        each.name for each in FIELDS if each.required and (not each.kinds or kind in each.kinds)
    }
    assert required <= event.keys()


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_is_described(reason):
    assert f"| `{reason}` |" in README
