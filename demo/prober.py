"""Sends a synthetic order through the demo's application every few seconds.

``python -m demo.prober``; each run becomes one line of ``probes.ndjson`` in the data directory.
"""

import argparse
import asyncio
import contextlib
import json
import signal
import uuid
from datetime import UTC, datetime
from pathlib import Path

import httpx

from probes import HttpPath, Probe, ProbeRun

INTERVAL = 8.0  # seconds between the end of a run and the next one
TIMEOUT = 30.0


async def probe_orders(data_dir: Path) -> None:
    """Probe until cancelled."""
    orders, readmodel = (
        (data_dir / f"{name}.url").read_text(encoding="utf-8") for name in ("orders", "readmodel")
    )
    async with httpx.AsyncClient(headers={"Actor-Type": "probe"}, timeout=5.0) as client:
        path = HttpPath(
            client=client,
            submit_url=f"{orders}/orders",
            body={"order_id": "{operation_id}", "amount": 100},
            look_url=f"{readmodel}/orders/{{operation_id}}",
        )
        probe = Probe(name="order", path=path, timeout=TIMEOUT)
        while True:
            run = await probe.run(
                f"probe-{uuid.uuid4().hex[:12]}", now=lambda: datetime.now(UTC), sleep=asyncio.sleep
            )
            with (data_dir / "probes.ndjson").open("a", encoding="utf-8") as lines:
                lines.write(f"{_line(run)}\n")
            await asyncio.sleep(INTERVAL)


def _line(run: ProbeRun) -> str:
    return json.dumps(
        {
            "probe": run.probe,
            "operation_id": run.operation_id,
            "started_at": run.started_at.isoformat(),
            "completion_lag": run.completion_lag,
            "error": run.error,
        }
    )


async def main() -> None:
    """Probe until told to end."""
    parser = argparse.ArgumentParser(prog="python -m demo.prober")
    parser.add_argument("--data-dir", type=Path, required=True)
    data_dir = parser.parse_args().data_dir
    probing = asyncio.create_task(probe_orders(data_dir))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, probing.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await probing


if __name__ == "__main__":
    asyncio.run(main())
