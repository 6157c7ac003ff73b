"""The read model: what customers see, a projection of the order service's changes."""

import asyncio
from typing import Annotated

import httpx
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field

from demo.app.journal import Journal, clock
from demo.app.process import Process, delivered, run, serve

INTERVAL = 0.15  # seconds between looks at the changes
BATCH = 500


class View(BaseModel):
    """An order as its customer sees it."""

    order_id: str
    state: str
    version: int


class Fault(BaseModel):
    """How far the projection stays behind the order service, in seconds."""

    lag: Annotated[float, Field(ge=0, le=3600)]


class Source(BaseModel):
    """One change as the order service tells it. ``changed_at`` in microseconds."""

    number: int
    order_id: str
    state: str
    version: int
    changed_at: int


class Projection:
    """Shows each change once, in order; ``lag`` seconds late if so told."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.lag = 0.0  # seconds

    def position(self) -> int:
        """The number of the last change shown."""
        row = self._journal.connection.execute("SELECT number FROM checkpoint").fetchone()
        return int(row[0])

    def show(self, changes: list[Source]) -> int:
        """Show what is due, and note how far it got, in one transaction. Returns how many."""
        due = [each for each in changes if each.changed_at <= clock() - self.lag * 1e6]
        if not due:
            return 0
        with self._journal.change() as change:
            for each in due:
                shown = change.connection.execute(
                    "INSERT INTO order_view (order_id, state, version, shown_at)"
                    " VALUES (?, ?, ?, ?) ON CONFLICT (order_id) DO UPDATE SET"
                    " state = excluded.state, version = excluded.version,"
                    " shown_at = excluded.shown_at WHERE excluded.version > order_view.version",
                    (each.order_id, each.state, each.version, change.at),
                )
                if shown.rowcount and each.state == "completed":
                    change.visible(each.order_id)
            change.connection.execute("UPDATE checkpoint SET number = ?", (due[-1].number,))
        return len(due)

    def view(self, order_id: str) -> View | None:
        """The order as it is shown now."""
        row = self._journal.connection.execute(
            "SELECT order_id, state, version FROM order_view WHERE order_id = ?", (order_id,)
        ).fetchone()
        return None if row is None else View(order_id=row[0], state=row[1], version=row[2])


def create_app(projection: Projection) -> FastAPI:
    """The HTTP surface over ``projection``."""
    app = FastAPI(title="Read model of the donewatch demo")

    @app.get("/orders/{order_id}")
    async def show(order_id: str) -> View:
        view = projection.view(order_id)
        if view is None:
            raise HTTPException(404, f"nothing is known of an order {order_id} yet")
        return view

    @app.put("/fault")
    async def switch(fault: Fault) -> Fault:
        projection.lag = fault.lag
        return fault

    return app


async def follow(process: Process, projection: Projection) -> None:
    """Fetch changes and show them until the process is to end."""
    async with httpx.AsyncClient(base_url=await process.address("orders"), timeout=5.0) as orders:
        while await process.pause(INTERVAL):
            try:
                answer = await orders.get(
                    "/changes", params={"after": projection.position(), "limit": BATCH}
                )
                answer.raise_for_status()
            except httpx.HTTPError:
                continue  # the order service is away; the position is kept, nothing is missed
            projection.show([Source(**each) for each in answer.json()])


async def main(process: Process) -> None:
    """Follow and serve until told to end."""
    connection = process.open("readmodel")
    journal = process.journal(connection, process.workflow())
    projection = Projection(journal)
    following = asyncio.create_task(follow(process, projection))
    await serve(process, create_app(projection))
    await following
    if delivered():
        journal.confirm()
    connection.close()


if __name__ == "__main__":
    run("readmodel", main)
