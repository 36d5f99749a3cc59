"""Passwords, of which no value is ever shown."""

from collections.abc import Iterator

from checks.situation import Fault, Situation

SAMPLES = {
    "longmasterpassword",
    "longworkerpassword",
    "sup3rdup3r",
    "adminpassword",
    "change-me-to-fifty-characters-or-more-of-random-text",
}
FILE = "pillar/credentials.sls"


def passwords(situation: Situation) -> Iterator[Fault]:
    """Any character of ASCII will do: code that builds a URL of a password quotes it."""
    get, allowed = situation.get, situation.get("phagescan:allow_sample_passwords")
    for key, shortest in _wanted(situation):
        value = get(key)
        if not value:
            yield Fault(key, f"is missing; it belongs in {FILE}")
        elif value in SAMPLES:
            if not allowed:
                yield Fault(key, "is the sample password; choose another")
        elif len(value) < shortest:
            yield Fault(key, f"is shorter than {shortest} characters; choose a longer one")
        elif value.startswith("-"):
            yield Fault(key, "starts with '-', which tools take for an option; choose another")
        elif not (value.isascii() and value.isprintable()):
            yield Fault(key, "holds a control character or one that is not ASCII; choose another")


def _wanted(situation: Situation) -> Iterator[tuple[str, int]]:
    """Keys of the passwords that this host needs, and the fewest characters of each."""
    if not situation.master:
        if login := situation.get("phagescan:broker:worker"):
            yield f"rabbitmq:users:{login}:password", 12
        return
    for table in ("rabbitmq:users", "postgresql:roles"):
        names = [name for name, login in situation.get(table, {}).items() if not login.get("peer")]
        for name in names:
            yield f"{table}:{name}:password", 12
    yield "phagescan:admin:password", 12
    yield "phagescan:secret_key", 50


PILLAR = CHECKS = (passwords,)
