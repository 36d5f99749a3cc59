"""A sample's way, a module a step: submit, dispatch, claim, results; which engines there are; and the search."""
