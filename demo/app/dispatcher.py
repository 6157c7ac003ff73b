"""The dispatcher: carries outbox records of the order service into the queue.

It may die between the two databases. Then the record is dispatched again, and the queue knows the
job by the record's id.
"""

from demo.app.book import Book
from demo.app.process import Process, delivered, run
from demo.app.queue import JobQueue

INTERVAL = 0.1  # seconds between looks at the outbox
BATCH = 50


def dispatch(book: Book, queue: JobQueue) -> int:
    """Carry over what is pending, up to one batch; returns how many records there were."""
    records = book.pending(BATCH)
    for record in records:
        queue.enqueue(record.outbox_id, record.order_id, record.job_type, record.transition_key)
        book.dispatched(record)
    return len(records)


async def main(process: Process) -> None:
    """Dispatch until told to end."""
    workflow = process.workflow()
    orders, jobs = process.open("orders"), process.open("queue")
    of_orders, of_jobs = process.journal(orders, workflow), process.journal(jobs, workflow)
    book, queue = Book(orders, of_orders), JobQueue(jobs, of_jobs)
    while await process.pause(INTERVAL):
        dispatch(book, queue)
    if delivered():
        of_orders.confirm()
        of_jobs.confirm()
    orders.close()
    jobs.close()


if __name__ == "__main__":
    run("dispatcher", main)
