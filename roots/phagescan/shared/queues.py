"""The queues between master and scan workers."""

from kombu import Exchange, Queue

GROUP = "group_"
"""How the name of no engine begins."""


def engine_queue(name: str) -> Queue:
    """Return the queue of an engine. It hangs on the default exchange: a worker that declares it needs no right to
    write.
    """
    return Queue(f"engine.{name}", Exchange(""), routing_key=f"engine.{name}", durable=True)


def group_queue(leader: str) -> Queue:
    """Return the queue of the messages that ask several engines at once: those that the same workers have. It bears the
    name of the first of them, and each worker that has this one takes from it.

    Workers of release 1.1 and before know only the queues of single engines.
    """
    return engine_queue(GROUP + leader)


RESULTS = Queue("results", Exchange("results", type="direct"), routing_key="results", no_declare=True)
"""What workers send goes to this exchange; the result collector declares exchange and queue, so that workers need not.
"""
