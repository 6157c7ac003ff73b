"""The order service: takes orders over HTTP, and tells readers what became of them."""

from typing import Annotated, Literal

from fastapi import FastAPI, Header, HTTPException, Query
from pydantic import BaseModel, Field

from demo.app.book import Book, Order
from demo.app.process import Process, delivered, run, serve


class Placement(BaseModel):
    """What a customer asks for. The id is the customer's, so a repeated request is one order."""

    order_id: str = Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")
    amount: int = Field(gt=0, le=10_000_000, description="cents")


class Placed(BaseModel):
    """An order as the service has it."""

    order_id: str
    state: str
    version: int


class Change(BaseModel):
    """One step of one order. ``changed_at`` in microseconds since the Unix epoch."""

    number: int
    order_id: str
    state: str
    version: int
    changed_at: int


def create_app(book: Book) -> FastAPI:
    """The HTTP surface over ``book``."""
    app = FastAPI(title="Orders of the donewatch demo")

    @app.post("/orders", status_code=202)
    async def place(
        placement: Placement,
        actor_type: Annotated[Literal["user", "probe"], Header(alias="Actor-Type")] = "user",
    ) -> Placed:
        return _placed(book.place(placement.order_id, placement.amount, actor_type))

    @app.get("/orders/{order_id}")
    async def show(order_id: str) -> Placed:
        order = book.get(order_id)
        if order is None:
            raise HTTPException(404, f"there is no order {order_id}")
        return _placed(order)

    @app.get("/changes")
    async def changes(
        after: Annotated[int, Query(ge=0)] = 0, limit: Annotated[int, Query(ge=1, le=1000)] = 500
    ) -> list[Change]:
        return [
            Change(
                number=each.number,
                order_id=each.order_id,
                state=each.state,
                version=each.version,
                changed_at=each.changed_at,
            )
            for each in book.changes(after, limit)
        ]

    return app


async def main(process: Process) -> None:
    """Serve until told to end."""
    connection = process.open("orders")
    journal = process.journal(connection, process.workflow())
    await serve(process, create_app(Book(connection, journal)))
    if delivered():
        journal.confirm()
    connection.close()


def _placed(order: Order) -> Placed:
    return Placed(order_id=order.order_id, state=order.state, version=order.version)


if __name__ == "__main__":
    run("orders", main)
