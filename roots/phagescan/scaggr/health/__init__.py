"""Whether all works: the checks, the canary, and the page that shows both."""
