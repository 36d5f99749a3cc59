"""The tasks of the master's nodes, a module for each: a node runs what its configuration imports, and nothing else.

A message may be delivered twice, so each task may run twice and does no harm. None uses Celery's retry: what a message
says of its time and its earlier attempts is not listened to, see shared/intake.py.
"""
