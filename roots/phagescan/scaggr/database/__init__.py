"""Django's backend for PostgreSQL, whose sessions are looked at without a question to the server."""
