"""Checks of pillar and host, a module per subject. Each has CHECKS: functions from a Situation to faults, and where
some of them look at pillar alone these in PILLAR, for phagescan.status.

Adding a check: one function in the module of its subject, its name in CHECKS, and a test beside that module's.
"""
