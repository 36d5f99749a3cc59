"""The queues between master and scan workers. Nothing of Django is imported here."""

from kombu import Exchange, Queue


def engine_queue(name: str) -> Queue:
    """Return the queue of an engine. It hangs on the default exchange: a worker that declares it needs no right to
    write.
    """
    return Queue(f"engine.{name}", Exchange(""), routing_key=f"engine.{name}", durable=True)


RESULTS = Queue("results", Exchange("results", type="direct"), routing_key="results", no_declare=True)
"""What workers send goes to this exchange; the result collector declares exchange and queue, so that workers need not.
"""
