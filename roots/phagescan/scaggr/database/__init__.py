"""Django's PostgreSQL, by a login whose password may change while processes run."""
