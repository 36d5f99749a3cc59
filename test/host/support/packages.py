"""Packages of a host, as apt knows them."""

import re

from support.machine import Machine

# As if nothing were worth having because another package recommends or suggests it.
STRICT = "-o APT::AutoRemove::RecommendsImportant=false -o APT::AutoRemove::SuggestsImportant=false"


def installed(machine: Machine) -> set[str]:
    """Names of all that are installed."""
    listed = machine.run("dpkg-query --show --showformat '${db:Status-Status} ${Package}\n'").ok().stdout
    return set(re.findall(r"(?m)^installed (\S+)$", listed))


def only_recommended(machine: Machine) -> set[str]:
    """Those that no one has asked for, and on which none depends that someone has asked for."""
    return set(re.findall(r"(?m)^Remv (\S+)", machine.run(f"apt-get -s {STRICT} autoremove").ok().stdout))
