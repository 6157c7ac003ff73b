"""The model against the histories that were computed by hand, and against itself."""

import pytest

from tests.histories import loader
from tests.model.instance import instances
from tests.model.judging import Judge
from tests.model.order import path

EACH_HISTORY = pytest.mark.parametrize("name", loader.names())


def test_there_are_at_least_thirty_histories() -> None:
    assert len(loader.names()) >= 30


@EACH_HISTORY
def test_every_figure_is_what_was_computed_by_hand(name: str) -> None:
    history = loader.load(name)
    loader.check(history.case.model, history)


@EACH_HISTORY
def test_every_history_expects_something(name: str) -> None:
    history = loader.load(name)
    assert history.shows.endswith(".")
    assert history.expectations or history.order


@EACH_HISTORY
def test_the_order_is_what_was_computed_by_hand(name: str) -> None:
    history = loader.load(name)
    versions = [each for each in history.case.definitions if each.workflow == history.workflow]
    found = {
        each.instance_id: [event.event_id for event in path(each, Judge(versions))]
        for each in instances(history.case.events, history.workflow, ["prod"])
    }
    assert {each: found[each] for each in history.order} == history.order
