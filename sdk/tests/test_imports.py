"""What an application loads when it imports donewatch."""

import pytest

import donewatch


def loaded(run, code):
    ended = run(f"{code}\nimport sys\nprint(*sorted(sys.modules))")
    assert ended.code == 0, ended.err
    return set(ended.out.split())


def test_the_names_of_attributes_cost_nothing(run):
    modules = loaded(run, "import donewatch.attributes, donewatch")
    ours = {each for each in modules if each.startswith("donewatch")}
    assert ours == {"donewatch", "donewatch.attributes"}
    assert not modules & {"opentelemetry", "requests", "threading", "logging", "grpc", "yaml"}


def test_the_whole_sdk_needs_no_grpc_and_no_yaml(run):
    modules = loaded(run, "from donewatch import Workflow\nWorkflow('order').visible('o-1')\n")
    assert "opentelemetry.sdk._logs" in modules
    assert not modules & {"grpc", "yaml", "multiprocessing", "asyncio", "fastapi", "msgspec"}


def test_all_that_is_promised_is_there():
    for name in donewatch.__all__:
        assert getattr(donewatch, name) is not None
        assert name in dir(donewatch)
    assert not hasattr(donewatch, "nothing")


@pytest.mark.parametrize("status", [200, 400, 413, 503])
def test_nothing_is_imported_while_sending(sink, run, reply, status):
    """A child forked in the middle of an import could never import that module."""
    sink.behave = lambda request, number: reply(status)
    ended = run(
        """
import sys
import donewatch
from donewatch import Workflow
order = Workflow("order")
before = set(sys.modules)
order.visible("o-1"); order.visible("")
assert donewatch.flush(20)
donewatch.shutdown()
print(*sorted(set(sys.modules) - before))
""",
        DONEWATCH_RETRY_TIMEOUT="0",
        DONEWATCH_EXPORT_TIMEOUT="0.5",
    )
    assert (ended.code, ended.out) == (0, "\n"), ended.err
