"""What Django loads of a backend."""

import select

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """A session with PostgreSQL."""

    def is_usable(self) -> bool:
        """Tell whether the session still is: Django asks the server before each request, which costs as much as a
        small query. A server that has ended the session has said so; only where it has said something is it asked.
        """
        if self.connection is None or self.connection.closed:
            return False
        poll = select.poll()
        poll.register(self.connection.pgconn.socket, select.POLLIN)
        return bool(super().is_usable()) if poll.poll(0) else True
