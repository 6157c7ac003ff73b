"""The queue before each receiver: order, batches, waits, what is lost and what is not."""

from collections.abc import Sequence

import pytest

from notify.delivery import MAX_BATCH, Delivery
from notify.notification import DeliveryError, Notification
from tests.notify.peers import notification, running, until


class Note:
    """A receiver in memory that fails as told."""

    def __init__(self, *failures: Exception) -> None:
        self.name = "note"
        self.sent: list[list[Notification]] = []
        self.failures = list(failures)

    async def send(self, notifications: list[Notification]) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.sent.append(notifications)


def alert(number: int, name: str = "A", episode: str = "firing@1") -> Notification:
    return notification(
        fingerprint=f"{number:016x}", labels={"alertname": name}, episode=episode, members=()
    )


@pytest.mark.parametrize(
    ("queued", "batches"),
    [
        pytest.param([alert(1), alert(2)], [2], id="alerts of one name go together"),
        pytest.param([alert(1), alert(2, "B"), alert(3)], [1, 1, 1], id="in their order"),
        pytest.param(
            [alert(1), alert(1, episode="resolved@1"), alert(2)],
            [1, 2],
            id="the same alert twice goes twice",
        ),
        pytest.param([alert(1), alert(1)], [1], id="the same news twice goes once"),
        pytest.param(
            [alert(n) for n in range(MAX_BATCH + 3)], [MAX_BATCH, 3], id="not more than a batch"
        ),
    ],
)
async def test_what_goes_together(queued: Sequence[Notification], batches: list[int]) -> None:
    note = Note()
    delivery = Delivery([note], lambda *told: None)
    for each in queued:
        delivery.submit("note", each)
    async with running(delivery.run()):
        await until(lambda: sum(map(len, note.sent)) == sum(batches))
    assert [len(batch) for batch in note.sent] == batches


async def test_waits_double_up_to_a_longest_and_are_spread() -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    temporary = [DeliveryError("away", permanent=False) for _ in range(9)]
    note = Note(*temporary)
    delivery = Delivery([note], lambda *told: None, sleep=sleep, jitter=lambda: 0.5)
    delivery.submit("note", alert(1))
    async with running(delivery.run()):
        await until(lambda: bool(note.sent))
    assert waits == [each * 1.25 for each in (1, 2, 4, 8, 16, 32, 60, 60, 60)]


async def test_waits_begin_anew_after_a_success_and_respect_what_is_asked() -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    note = Note(
        DeliveryError("away", permanent=False),
        DeliveryError("away", permanent=False),
    )
    delivery = Delivery([note], lambda *told: None, sleep=sleep, jitter=lambda: 0.0)
    delivery.submit("note", alert(1))
    async with running(delivery.run()):
        await until(lambda: len(note.sent) == 1)
        note.failures = [
            DeliveryError("later", permanent=False, retry_after=30.0),
            DeliveryError("much later", permanent=False, retry_after=99999.0),
        ]
        delivery.submit("note", alert(2))
        await until(lambda: len(note.sent) == 2)
    assert waits == [1.0, 2.0, 30.0, 600.0]


async def test_a_receivers_own_mistake_is_tried_again() -> None:
    async def sleep(seconds: float) -> None:
        return

    note = Note(RuntimeError("a mistake"))
    delivery = Delivery([note], lambda *told: None, sleep=sleep)
    delivery.submit("note", alert(1))
    async with running(delivery.run()):
        await until(lambda: bool(note.sent))
    assert delivery.stats["note"].failed_attempts == 1


async def test_what_is_refused_for_good_is_counted_and_settled() -> None:
    settled: list[tuple[str, str, str]] = []
    note = Note(DeliveryError("never", permanent=True))
    delivery = Delivery([note], lambda *told: settled.append(told))
    delivery.submit("note", alert(1))
    async with running(delivery.run()):
        await until(lambda: bool(settled))
    assert (delivery.stats["note"].dead, delivery.stats["note"].last_error) == (1, "never")
    assert note.sent == []


async def test_a_full_queue_drops_its_oldest_which_may_be_submitted_again() -> None:
    settled: list[str] = []
    note = Note()
    delivery = Delivery(
        [note], lambda receiver, fingerprint, episode: settled.append(fingerprint), max_queue=2
    )
    for number in (1, 2, 3):
        delivery.submit("note", alert(number))
    assert (delivery.stats["note"].dead, delivery.stats["note"].queued) == (1, 2)
    async with running(delivery.run()):
        await until(lambda: len(settled) == 2)
        delivery.submit("note", alert(1))
        await until(lambda: len(settled) == 3)
    assert settled == [f"{number:016x}" for number in (2, 3, 1)]


def test_receivers_need_names_of_their_own() -> None:
    with pytest.raises(ValueError, match="names of their own"):
        Delivery([Note(), Note()], lambda *told: None)
