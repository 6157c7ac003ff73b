"""The payment provider: charges once per key, and can be told to hang or to fail."""

import asyncio
from typing import Literal

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field

from demo.app.process import Process, run, serve

CHARGE_SECONDS = 0.05
HANG_SECONDS = 30.0  # beyond every caller's patience


class Payment(BaseModel):
    """One charge. The same ``key`` is charged once, however often it is asked for."""

    key: str = Field(min_length=1)
    amount: int = Field(gt=0, description="cents")


class Fault(BaseModel):
    """What is wrong with the provider now."""

    mode: Literal["none", "hang", "fail"]


class Provider:
    """The charges made, and the fault switched on."""

    def __init__(self) -> None:
        self.charged: dict[str, int] = {}
        self._mode = "none"
        self._healed = asyncio.Event()
        self._healed.set()

    def switch(self, mode: str) -> None:
        """Switch a fault on, or ``none``; calls that hang are let go then."""
        self._mode = mode
        if mode == "hang":
            self._healed.clear()
        else:
            self._healed.set()

    async def charge(self, key: str, amount: int) -> bool:
        """Charge once; returns whether that is done. Hangs or fails if so told."""
        if self._mode == "fail":
            return False
        if self._mode == "hang":
            try:
                await asyncio.wait_for(self._healed.wait(), HANG_SECONDS)
            except TimeoutError:
                return False
        await asyncio.sleep(CHARGE_SECONDS)
        self.charged.setdefault(key, amount)
        return True


def create_app(provider: Provider) -> FastAPI:
    """The HTTP surface over ``provider``."""
    app = FastAPI(title="Payment provider of the donewatch demo")

    @app.post("/payments")
    async def pay(payment: Payment) -> dict[str, str]:
        if not await provider.charge(payment.key, payment.amount):
            raise HTTPException(503, "the bank does not answer; try again")
        return {"key": payment.key, "status": "charged"}

    @app.put("/fault")
    async def switch(fault: Fault) -> Fault:
        provider.switch(fault.mode)
        return fault

    return app


async def main(process: Process) -> None:
    """Serve until told to end; calls that hang are let go first."""
    provider = Provider()

    async def release() -> None:
        await process.stop.wait()
        provider.switch("none")

    releasing = asyncio.create_task(release())
    await serve(process, create_app(provider))
    await releasing


if __name__ == "__main__":
    run("provider", main)
