"""What an application loads when it imports donewatch."""

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
