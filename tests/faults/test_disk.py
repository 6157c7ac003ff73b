"""The spool's disk is full, or returns other bytes than were written."""

import random
from contextlib import suppress
from pathlib import Path

import pytest

from store import Database
from tests.faults.conftest import MakeVictim
from tests.faults.load import Load
from tests.faults.world import conclude, freeze
from tests.peers.clickhouse import ClickHouseServer
from tests.peers.donewatch import until
from tests.service import story

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]


def test_a_full_disk(victim: MakeVictim, server: ClickHouseServer, tmp_path: Path) -> None:
    service = victim("collector", STORE__DSN=server.dsn, COLLECTOR__FREE_BYTES=0)
    spool = service.data / "spool"
    spool.mkdir(parents=True)
    # a small disk that only this process sees; no more than a namespace of one's own is needed
    service.prefix = [
        *("unshare", "--user", "--map-root-user", "--mount", "sh", "-c"),
        'mount -t tmpfs -o size=512k none "$0" && exec "$@"',
        str(spool),
    ]
    service.start()
    inside = Path(f"/proc/{service.pid}/root/{spool}")
    assert inside.stat().st_dev != spool.stat().st_dev
    with Load(lambda: [service.otlp], new=20) as load:
        load.wait(100)
        load.place = "full"
        server.kill()
        until(lambda: load.told_later, what="a full disk")
        for answer in load.told_later:
            assert answer.status_code == 503, answer.text
            assert int(answer.headers["Retry-After"]) >= 1
        # somebody else's file, then nobody's: what is left is little, and changes
        ballast = inside / "ballast"
        load.place = "nearly full"
        server.start()
        load.wait(100)
        with suppress(OSError), ballast.open("wb", buffering=0) as file:
            for _ in range(50):
                file.write(bytes(4096))
        server.kill()
        told = len(load.told_later)
        until(lambda: len(load.told_later) > told, what="a full disk again")
        ballast.unlink()
        server.start()
        load.wait(100)
        load.finish()
        until(lambda: not list(inside.glob("*.sealed")), what="an empty spool")
    service.end()
    conclude(load, server.dsn, tmp_path, {})


@pytest.mark.parametrize(
    ("suffix", "place", "lost", "told"),
    [
        pytest.param(".open", None, 0, "torn", id="what was begun and not acknowledged"),
        pytest.param(".sealed", 256 + 100, 10, "damaged", id="bits of one body"),
        pytest.param(".sealed", 30, 0, "damaged", id="the header"),
        pytest.param(".sealed", -5, 10, "damaged", id="the end of a whole segment"),
    ],
)
def test_bytes_that_have_changed(
    victim: MakeVictim,
    server: ClickHouseServer,
    tmp_path: Path,
    suffix: str,
    place: int | None,
    lost: int,
    told: str,
) -> None:
    """What cannot be read is set aside and counted; all else arrives, once."""
    open_for = "0.1" if suffix == ".sealed" else "600"
    service = victim("collector", STORE__DSN=server.dsn, COLLECTOR__SEAL_SECONDS=open_for)
    service.start()
    freeze(server.pid)
    sent = [story.submit(f"order-{each}", event_id=f"e-{each}") for each in range(60)]
    for each in range(0, 60, 10):
        service.take(*sent[each : each + 10])
    until(lambda: suffix in {path.suffix for path in service.spooled})
    service.kill()
    server.kill()
    path = next(path for path in service.spooled if path.suffix == suffix)
    data = bytearray(path.read_bytes())
    if place is None:
        data += random.Random(1).randbytes(300)
    else:
        place %= len(data)
        data[place : place + 4] = bytes(byte ^ 0x55 for byte in data[place : place + 4])
    path.write_bytes(data)
    server.start()
    service.start()
    until(lambda: not service.spooled, what="an empty spool")
    assert service.metric(f"donewatch_collector_{told}_bytes_total") > 0
    damaged = list((service.data / "spool" / "damaged").iterdir())
    assert bool(damaged) == (told == "damaged")
    service.end()
    database = Database.open(server.dsn)
    try:
        rows = database.connect().query("SELECT event_id FROM events", {})
    finally:
        database.close()
    stored = [row["event_id"] for row in rows]
    assert len(stored) == len(set(stored)) == 60 - lost
