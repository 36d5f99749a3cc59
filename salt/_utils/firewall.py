"""Whether a firewall of this host lets others in: ufw, by its files."""

import pathlib
import re

ROOT = pathlib.Path("/")
# As ufw writes rules down: action, protocol, ports, from where, and more.
RULE = re.compile(r"^### tuple ### (?:allow|limit)\S* (?:tcp|any) (\S+) .*\bin(?:_\S+)?(?: |$)", re.MULTILINE)


def note(port: int) -> str:
    """What is to be known of a port that no one else can reach; nothing where one can, or no firewall is known."""
    on = re.search(r"^ENABLED=\"?yes", _text("etc/ufw/ufw.conf"), re.MULTILINE | re.IGNORECASE)
    refused = re.search(r"^DEFAULT_INPUT_POLICY=\"?ACCEPT", _text("etc/default/ufw"), re.MULTILINE) is None
    rules = RULE.findall(_text("etc/ufw/user.rules"))
    if not on or not refused or any(_holds(each, port) for ports in rules for each in ports.split(",")):
        return ""
    return f"the firewall of this host lets no one else reach port {port}: ufw allow {port}/tcp"


def _holds(ports: str, port: int) -> bool:
    first, _, last = ports.partition(":")
    return first == "any" or (first.isdigit() and int(first) <= port <= int(last or first))


def _text(path: str) -> str:
    try:
        return (ROOT / path).read_text(errors="replace")
    except OSError:
        return ""
