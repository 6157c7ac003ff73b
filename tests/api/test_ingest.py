"""What comes in: what operators are told, and what they are told to do."""

import re
from datetime import timedelta
from typing import Any

import httpx
import pytest

from lifecycle.errors import StoreUnavailable
from tests.api.test_metrics import samples, scrape
from tests.api.test_pages import Reader
from tests.api.world import HOSTILE, World, ago


async def ask(client: httpx.AsyncClient, **given: Any) -> dict[str, Any]:
    answer = await client.get("/api/v1/ingest", params=given)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_every_step_is_there_also_the_empty_ones(client: httpx.AsyncClient) -> None:
    found = await ask(client, window="1h")
    assert len(found["rate"]) == 60 and [p["events"] for p in found["rate"][20:23]] == [0, 0, 0]
    assert found["events"] == sum(point["events"] for point in found["rate"])


async def test_all_collectors_are_told_of(client: httpx.AsyncClient, world: World) -> None:
    world.reports = [
        {"collector": "c1", "pending": 999, "accepted": 1},  # what c1 here told last is older
        {"collector": "c2"},
        {"collector": "left", "retired": 1, "marked_at": ago(60)},
        {"collector": "left long ago", "retired": 1, "marked_at": ago(2 * 86400)},
    ]
    found = await ask(client)
    assert [(each["collector"], each["here"]) for each in found["collectors"]] == [
        ("c2", False),
        ("c1", True),
        ("left", False),
    ]
    assert (found["backlog"], found["backlog_bytes"], found["waiting_segments"]) == (25, 12_000, 3)
    assert found["oldest_unflushed_seconds"] == 2
    assert found["collectors"][1]["rejected"] == {"missing": 12, "time": 3}


async def test_refusals_show_the_newest_and_unmapped_ones_stand_apart(
    client: httpx.AsyncClient,
) -> None:
    found = await ask(client)
    assert found["rejected_by_reason"][0] == {
        "reason": "missing",
        "field": "instance_id",
        "count": 12,
        "first_at": "2026-03-01T11:49:20Z",
        "last_at": "2026-03-01T11:59:20Z",
        "detail": "'instance_id' is missing",
        "raw": "{}",
        "collector": "c1",
        "door": "native",
    }
    assert [each["reason"] for each in found["rejected_by_reason"]] == ["missing", "time"]
    assert [each["reason"] for each in found["unmapped"]] == ["unmapped"]


async def test_a_late_event_is_no_clock(client: httpx.AsyncClient) -> None:
    found = await ask(client)
    clocks = {each["service"]: (each["skew"], each["worst"]) for each in found["clock_skew"]}
    assert clocks == {
        "kiosk": (91.0, -91.0),
        "worker": (-120.0, 140.0),
        "orders": (-0.2, 4.0),
        "import": (None, 9e6),
    }
    told = [each["what"] for each in found["troubles"] if "clock" in each["what"]]
    assert told == [
        "The clock of kiosk is 1 min 31 s ahead of the collector's",
        "The clock of worker is 2 min behind the collector's",
    ]


HELD = [
    pytest.param({"marked_at": ago(2)}, "", id="it reports and is nowhere near late"),
    pytest.param(
        {"marked_at": ago(90), "flushed_at": ago(90), "trouble": "disk full"},
        r"not reported for 1 min 30 s.*said last: disk full.*donewatch retire c2",
        id="it is silent",
    ),
    pytest.param(
        {"flushed_at": ago(90), "trouble": "too many parts"},
        "inserts fail.*too many parts",
        id="the store refuses its inserts",
    ),
    pytest.param(
        {"flushed_at": ago(90), "resent_since": ago(90)},
        "told to send again",
        id="producers were turned away",
    ),
    pytest.param({"flushed_at": ago(90)}, "as fast as the store takes it", id="more comes"),
    pytest.param(
        {"marked_at": ago(900), "flushed_at": ago(900), "retired": 1}, "", id="it has left"
    ),
]


@pytest.mark.parametrize(("told", "why"), HELD)
async def test_who_holds_the_watermark_and_why(
    client: httpx.AsyncClient, world: World, told: dict[str, Any], why: str
) -> None:
    world.calm = True
    world.reports = [{"collector": "c2", **told}]
    found = await ask(client)
    (one,) = [each for each in found["collectors"] if each["collector"] == "c2"]
    assert re.search(why, one["held"]) and bool(one["held"]) == bool(why)
    assert found["flushed"]["reason"] == one["held"]
    assert found["flushed"]["collector"] == ("c2" if not told.get("retired") else "c1")
    holds = [each for each in found["troubles"] if each["what"] == "c2 holds the watermark"]
    assert [each["since"] for each in holds] == (["2026-03-01T11:58:30Z"] if why else [])
    assert all(each["do"] for each in found["troubles"])


SETTLED = [
    pytest.param({}, "", [], id="it keeps up"),
    pytest.param(
        {"settled_at": ago(120), "flushed_at": ago(121)},
        "nothing was settled for 2 min",
        ["Figures stand still"],
        id="nobody settles",
    ),
    pytest.param(
        {"flushed_at": ago(300), "seconds": 14.0},
        "settling is slower than what comes: the last took 14 s for 900 events of 310 instances",
        ["Figures stand still"],
        id="it is behind",
    ),
    pytest.param({"flushed_at": ago(1.8e9)}, "", [], id="no collector had come by then"),
]


@pytest.mark.parametrize(("told", "why", "troubles"), SETTLED)
async def test_what_holds_figures(
    client: httpx.AsyncClient,
    world: World,
    told: dict[str, Any],
    why: str,
    troubles: list[str],
) -> None:
    world.calm = True
    assert world.settlement is not None
    world.settlement |= told
    found = await ask(client)
    assert found["settled"]["reason"].startswith(why)
    assert [each["what"] for each in found["troubles"]] == troubles


@pytest.mark.parametrize(
    ("told", "what"),
    [
        pytest.param(
            {"pending_bytes": 2**31 * 3 // 4, "oldest_at": ago(600)},
            "The spool of c1 is 75% full",
            id="a spool fills",
        ),
        pytest.param(
            {"quarantine_files": 2}, "2 records are in quarantine at c1", id="a quarantine"
        ),
        pytest.param(
            {"damaged": 1}, "1 place in the spool of c1 could not be read", id="a bad disk"
        ),
    ],
)
async def test_what_is_wrong_with_a_collector(
    client: httpx.AsyncClient, world: World, told: dict[str, Any], what: str
) -> None:
    world.calm = True
    world.here = [told]
    found = await ask(client)
    assert [each["what"] for each in found["troubles"]] == [what]


async def test_while_the_store_is_away_the_own_backlog_is_shown(
    client: httpx.AsyncClient, world: World, html: dict[str, str]
) -> None:
    world.failure = StoreUnavailable("no answer: connection refused")
    world.here = [{"pending": 5000, "pending_bytes": 2**30, "oldest_at": ago(1200)}]
    found = await ask(client)
    assert found["store_error"] == "no answer: connection refused"
    assert (found["backlog"], found["events"], found["rate"]) == (5000, None, [])
    (first, *_) = found["troubles"]
    assert first["what"] == "The store does not answer"
    assert "5000 records wait, the spool is 50% full" in first["do"]
    answer = await client.get("/ingest", headers=html)
    assert answer.status_code == 200
    text = re.sub(r"\s+", " ", Reader(answer.text).text)
    assert "The store does not answer" in text and "Nothing was refused" not in text
    world.here = []
    answer = await client.get("/api/v1/ingest")
    assert answer.status_code == 503, "nobody here knows anything"


async def test_all_well_is_said_in_one_sentence(
    client: httpx.AsyncClient, world: World, html: dict[str, str]
) -> None:
    world.calm = True
    text = Reader((await client.get("/ingest", headers=html)).text).text
    assert "Everything received is stored and counted" in text
    assert (await ask(client))["troubles"] == []


async def test_an_empty_page_shows_how_to_send(
    client: httpx.AsyncClient, world: World, html: dict[str, str]
) -> None:
    world.empty, world.here, world.settlement = True, [], None
    answer = await client.get("/ingest", headers=html)
    text = Reader(answer.text).text
    assert f"curl -sS {world.settings.otlp_url}/api/v1/events" in text
    assert "No collector has registered yet." in text
    assert "Everything received" not in text
    assert (await ask(client))["troubles"] == []


async def test_what_was_refused_stays_text(client: httpx.AsyncClient, html: dict[str, str]) -> None:
    answer = await client.get("/ingest", headers=html)
    assert "<img" not in answer.text and HOSTILE in Reader(answer.text).text


async def test_metrics_tell_of_every_collector(client: httpx.AsyncClient, world: World) -> None:
    world.reports = [
        {"collector": "c2", "marked_at": ago(30), "quarantined": {"event": 4}},
        {"collector": "left", "retired": 1},
    ]
    found = samples(await scrape(client))

    def value(name: str, **labels: str) -> float | None:
        return found.get((f"donewatch_{name}", frozenset(labels.items())))

    assert value("ingest_accepted_events_total", collector="c1") == 48_210
    assert value("ingest_report_age_seconds", collector="c2") == 30
    assert value("ingest_backlog_bytes", collector="c2") == 3000
    assert value("ingest_oldest_unflushed_seconds", collector="c1") == 2
    assert value("ingest_quarantined_total", collector="c2", kind="event") == 4
    assert value("ingest_rejected_total", collector="c1", reason="missing") == 12
    assert value("ingest_backlog_bytes", collector="left") is None
    assert value("ingest_lag_seconds", watermark="flushed") == 1
    assert value("ingest_lag_seconds", watermark="settled") == 4
    assert value("last_settlement_age_seconds") == 3
    assert value("settlements_total") == 77
    assert value("window_rejected_records", reason="unmapped") == 10
    assert value("window_dropped_events", service="worker", environment="production") == 14
    where = {"environment": "production"}
    assert value("clock_skew_seconds", service="kiosk", **where) == 91
    assert value("clock_skew_seconds", service="import", **where) is None
    assert value("ingest_delay_seconds", service="import", which="worst", **where) == 9e6
    assert value("content_conflicts", workflow="order", **where) == 2


async def test_metrics_are_capped(client: httpx.AsyncClient, world: World) -> None:
    world.reports = [{"collector": f"c-{number}"} for number in range(3000)]
    found = samples(await scrape(client))
    shown = [key for key in found if key[0] == "donewatch_ingest_backlog_bytes"]
    dropped = ("donewatch_metrics_series_dropped", frozenset({("metric", shown[0][0])}))
    assert (len(shown), found[dropped]) == (2000, 1001)


async def test_only_so_much_is_asked(client: httpx.AsyncClient, world: World) -> None:
    await ask(client, window="7d")
    asked = dict(world.asked)
    for name in ("clock_skew", "content_conflicts"):
        assert asked[name]["to"] - asked[name]["from_"] == timedelta(minutes=5)
    assert asked["content_conflicts"]["every"] == 1
