"""Users: a few orders a second, each watched until its customer can see it done."""

import asyncio
import random
import sqlite3
import uuid

import httpx

from demo.app.database import connect
from demo.app.journal import clock
from demo.app.process import Process, run

RATE = 3.0  # orders a second
FIRST_LOOK = 0.3  # seconds after acceptance; later looks are further and further apart
LAST_PAUSE = 1.0
PATIENCE = 120.0  # seconds a user watches one order
LEAVING = 30.0  # seconds that orders under way are watched once no more are placed


class Traffic:
    """Places orders and records what became of each."""

    def __init__(
        self,
        outcomes: sqlite3.Connection,
        orders: httpx.AsyncClient,
        shown: httpx.AsyncClient,
        leaving: asyncio.Event,
    ) -> None:
        self._outcomes = outcomes
        self._orders = orders
        self._shown = shown
        self._leaving = leaving

    async def order(self) -> str:
        """Place one order and watch it to its end; returns the outcome."""
        order_id = f"ord-{uuid.uuid4().hex[:12]}"
        self._outcomes.execute(
            "INSERT INTO outcomes (order_id, outcome) VALUES (?, 'waiting')", (order_id,)
        )
        outcome = "refused"
        if await self._place(order_id):
            self._outcomes.execute(
                "UPDATE outcomes SET accepted_at = ? WHERE order_id = ?", (clock(), order_id)
            )
            outcome = await self._watch(order_id)
        self._outcomes.execute(
            "UPDATE outcomes SET ended_at = ?, outcome = ? WHERE order_id = ?",
            (clock(), outcome, order_id),
        )
        return outcome

    async def _place(self, order_id: str) -> bool:
        amount = random.randint(500, 20_000)
        for attempt in range(3):
            try:
                answer = await self._orders.post(
                    "/orders", json={"order_id": order_id, "amount": amount}
                )
            except httpx.TransportError:
                # It may have been taken all the same: the id makes the repetition harmless.
                await asyncio.sleep(0.5 * (attempt + 1))
                continue
            return answer.is_success
        return False

    async def _watch(self, order_id: str) -> str:
        pause, waited = FIRST_LOOK, 0.0
        while waited < PATIENCE:
            await asyncio.sleep(pause)
            waited += pause
            pause = min(pause * 1.5, LAST_PAUSE)
            try:
                answer = await self._shown.get(f"/orders/{order_id}")
            except httpx.TransportError:
                if self._leaving.is_set():
                    break  # the shop closes as well: nothing will be shown any more
                continue
            if answer.is_success and (state := answer.json()["state"]) in ("completed", "failed"):
                return str(state)
        return "given_up"


async def main(process: Process) -> None:
    """Place orders until told to end, then watch those under way a little longer."""
    outcomes = connect(process.data_dir / "client.sqlite", "client")
    under_way: set[asyncio.Task[str]] = set()
    async with (
        httpx.AsyncClient(base_url=await process.address("orders"), timeout=5.0) as orders,
        httpx.AsyncClient(base_url=await process.address("readmodel"), timeout=5.0) as shown,
    ):
        traffic = Traffic(outcomes, orders, shown, process.stop)
        while await process.pause(random.uniform(0.5, 1.5) / process.options.rate):
            task = asyncio.create_task(traffic.order())
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        if under_way:
            _, late = await asyncio.wait(under_way, timeout=LEAVING)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
    outcomes.close()


if __name__ == "__main__":
    run("client", main, ("--rate", {"type": float, "default": RATE, "help": "orders a second"}))
