"""What an application committed is reported, and what it did not commit is not."""

import pytest

from tests.demo.conftest import Shop


class Crash(Exception):
    """What an application dies of in the middle of a transaction."""


def test_a_rolled_back_change_reports_nothing(shop: Shop) -> None:
    journal = shop.journal(shop.orders, "orders")
    with pytest.raises(Crash), journal.change() as change:
        change.transition("o1", "", "submitted", action="submit")
        raise Crash
    assert shop.reports.told == []
    assert shop.emitted() == []


def test_a_committed_event_goes_to_the_sdk_with_the_id_and_time_of_its_row(shop: Shop) -> None:
    journal = shop.journal(shop.orders, "orders")
    with journal.change() as change:
        change.transition("o1", "", "submitted", action="submit", sequence=1)
        at = change.at
    [(call, arguments, fields)] = shop.reports.told
    assert (call, arguments) == ("transition", ("o1", "", "submitted"))
    assert fields == {
        "action": "submit",
        "sequence": 1,
        "event_id": shop.emitted()[0],
        "occurred_at": at * 1000,
    }


@pytest.mark.parametrize(
    ("service", "dead_for", "confirmed", "repeated"),
    [
        pytest.param("orders", 0.0, False, [1, 2], id="a killed process repeats its last seconds"),
        pytest.param("orders", 900.0, False, [1, 2], id="however long it was dead"),
        pytest.param("orders", 0.0, True, [], id="one that ended well repeats nothing"),
        pytest.param("worker", 0.0, False, [], id="another service's events are not its own"),
    ],
)
def test_the_next_start_repeats_what_may_be_lost(
    shop: Shop, service: str, dead_for: float, confirmed: bool, repeated: list[int]
) -> None:
    journal = shop.journal(shop.orders, "orders")
    for number, pause in enumerate((0.0, 60.0, 5.0)):
        shop.clock.pass_(pause)
        with journal.change() as change:
            change.visible(f"o{number}")
    if confirmed:
        journal.confirm()
    before = list(shop.reports.told)
    shop.clock.pass_(dead_for)
    assert shop.journal(shop.orders, service).replay() == len(repeated)
    assert shop.reports.told[3:] == [before[number] for number in repeated]


def test_what_is_committed_after_a_good_end_is_repeated_again(shop: Shop) -> None:
    journal = shop.journal(shop.orders, "orders")
    with journal.change() as change:
        change.visible("o1")
    journal.confirm()
    with journal.change() as change:
        change.visible("o2")
    assert shop.journal(shop.orders, "orders").replay() == 1
    assert shop.reports.told[-1] == shop.reports.told[-2]
