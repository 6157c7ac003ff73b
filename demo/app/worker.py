"""The worker: takes jobs under a lease, charges the payment provider, ends the order."""

import asyncio

import httpx

from demo.app.book import Book, Order, StaleOrder
from demo.app.process import Process, delivered, run
from demo.app.queue import Job, JobQueue

INTERVAL = 0.1  # seconds between looks at the queue
CONCURRENCY = 64  # attempts under way at once: a provider that hangs must not stop the others
PAYMENT_TIMEOUT = 2.0  # seconds; shorter than the lease of a job


class Worker:
    """Works on jobs one by one; ``shortcut`` is the release that leaves out a step it must not."""

    def __init__(
        self, book: Book, queue: JobQueue, provider: httpx.AsyncClient, *, shortcut: bool = False
    ) -> None:
        self._book = book
        self._queue = queue
        self._provider = provider
        self._shortcut = shortcut

    async def work(self, job: Job) -> None:
        """One attempt at one job. A step that an earlier attempt has done is not done again."""
        try:
            order = self._begin(job)
            if order is None or order.state in ("completed", "failed"):
                self._settle(job, order)
            elif job.attempt > job.max_attempts:
                self._give_up(job, order, "LeaseExpired")
            elif order.state == "paid":
                self._book.move(order, "completed", "fulfil")
                self._queue.succeed(job)
            else:
                await self._charge(job, order)
        except StaleOrder:
            self._queue.fail(job, "StaleOrder")

    def _begin(self, job: Job) -> Order | None:
        order = self._book.get(job.order_id)
        if order is not None and order.state in ("submitted", "queued"):
            self._book.acknowledged(job.order_id, job.job_id, job.cause_key)
            return self._book.move(order, "payment_pending", "request_payment")
        return order

    async def _charge(self, job: Job, order: Order) -> None:
        try:
            answer = await self._provider.post(
                "/payments",
                json={"key": job.effect_key, "amount": order.amount},
                timeout=PAYMENT_TIMEOUT,
            )
            answer.raise_for_status()
        except httpx.HTTPError as error:
            if job.attempt >= job.max_attempts:
                self._give_up(job, order, type(error).__name__)
            else:
                self._queue.fail(job, type(error).__name__)
            return
        if self._shortcut:
            self._book.move(order, "completed", "fulfil")
        else:
            paid = self._book.move(order, "paid", "pay")
            self._book.move(paid, "completed", "fulfil")
        self._queue.succeed(job)

    def _give_up(self, job: Job, order: Order, error_type: str) -> None:
        # The order first: if this process dies in between, the job comes back and finds it failed.
        self._book.move(order, "failed", "decline", reason=error_type)
        self._queue.exhaust(job, error_type)

    def _settle(self, job: Job, order: Order | None) -> None:
        """End a job whose order has been dealt with already."""
        if order is not None and order.state == "completed":
            self._queue.succeed(job)
        else:
            self._queue.exhaust(job, "OrderEnded")


async def main(process: Process) -> None:
    """Work until told to end; attempts under way are finished first."""
    workflow = process.workflow()
    orders, jobs = process.open("orders"), process.open("queue")
    of_orders, of_jobs = process.journal(orders, workflow), process.journal(jobs, workflow)
    queue = JobQueue(jobs, of_jobs)
    tasks: set[asyncio.Task[None]] = set()
    async with httpx.AsyncClient(
        base_url=await process.address("provider"),
        limits=httpx.Limits(max_connections=CONCURRENCY),
    ) as provider:
        worker = Worker(Book(orders, of_orders), queue, provider, shortcut=process.options.shortcut)
        while await process.pause(INTERVAL):
            for job in queue.take(CONCURRENCY - len(tasks)):
                task = asyncio.create_task(worker.work(job))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)
    if delivered():
        of_orders.confirm()
        of_jobs.confirm()
    orders.close()
    jobs.close()


if __name__ == "__main__":
    run(
        "worker",
        main,
        (
            "--shortcut",
            {"action": "store_true", "help": "a release that skips the state `paid`"},
        ),
    )
