"""The scan worker: it takes a task from an engine's queue, fetches the sample from the master and sends back the
verdict.
"""
