"""Secrets that are planted, every form in which one may turn up, and the search for them on a test host."""

import base64
import html
import io
import json
import re
import secrets
import shlex
import tarfile
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from urllib.parse import quote, quote_plus

import yaml

from support.machine import CHECKOUT, CREDENTIALS, Machine
from support.results import Result

# What the search itself puts on the host.
FOLDER = "/root/leaks"
PATTERNS, WATCHER, SEEN, SAID = (f"{FOLDER}/{name}" for name in ("patterns", "watcher.py", "seen", "said"))
# What shells, URLs, SQL, YAML, TOML, Jinja and units read otherwise; the doctor takes all that is ASCII and can be
# printed.
ODD = """ $(id) `id` '"\\ \\n %41%s%% {{ x }} #:@/&;*?<>|~! """

# Who may read each file that holds secrets.
HOLDERS = {
    "/etc/phagescan/master.toml": "root:avuser 640",
    "/etc/phagescan/worker.toml": "root:avscan 640",
    CREDENTIALS: "root:root 600",
}

# How a text may be written. What changes none of the letters needs no entry of its own: see `forms`.
ENCODINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "URL": lambda text: quote(text, safe=""),
    "URL, path": quote,
    "form": quote_plus,
    "JSON, TOML": lambda text: json.dumps(text)[1:-1],
    "YAML": lambda text: text.replace("'", "''"),
    "shell": lambda text: shlex.quote(text)[1:-1],
    "repr": lambda text: repr(text)[1:-1],
    "SQL": lambda text: text.replace("\\", "\\\\").replace("'", "''"),
    "HTML": html.escape,
    "systemd": lambda text: text.replace("%", "%%"),
    "hex": lambda text: text.encode().hex(),
    "HEX": lambda text: text.encode().hex().upper(),
    "list": lambda text: str(list(text.encode()))[1:-1],
    "Erlang list": lambda text: str(list(text.encode()))[1:-1].replace(" ", ""),
    **{f"base64, {shift} before": partial(lambda shift, text: encoded(text, shift), shift) for shift in range(3)},
    **{
        f"base64url, {shift} before": partial(lambda shift, text: encoded(text, shift, b"-_"), shift)
        for shift in range(3)
    },
}


def encoded(text: str, before: int, symbols: bytes = b"+/") -> str:
    """Characters that base64 makes of a text with this many bytes before it, whatever those are and whatever
    follows.
    """
    data = bytes(before) + text.encode()
    whole = base64.b64encode(data, symbols).decode().rstrip("=")
    return whole[(0, 2, 3)[before] : len(whole) - bool(len(data) % 3)]


def forms(secret: str) -> set[str]:
    """Texts of which one turns up where a secret does: it in each encoding, and its long words, for any other
    quoting.
    """
    return {encode(secret) for encode in ENCODINGS.values()} | set(re.findall(r"[A-Za-z0-9]{12,}", secret))


def new_secret(length: int = 0) -> str:
    """A password with words of its own and all that is odd between them."""
    return f"{secrets.token_hex(8)}{ODD}{secrets.token_hex(max(8, length // 2))}"


class Plant:
    """A host whose secrets are known, and followed."""

    def __init__(self, machine: Machine) -> None:
        """Learn the secrets there are; the host keeps their forms in a file for grep."""
        self.machine = machine
        self.forms: set[str] = set()
        self.counts = {"runs": 0, "executed": 0, "ended": 0, "looks": 0, "files": 0}
        machine.run(f"mkdir -pm 700 {FOLDER}").ok()
        machine.put({WATCHER: Path(__file__).with_name("watcher.py").read_bytes()})
        if machine.run(f"test -e {CREDENTIALS}").code == 0:
            self.know(machine.secrets.values())

    def know(self, secrets: Iterable[str]) -> None:
        """Look for these as well from now on."""
        self.forms.update(*map(forms, secrets))
        self.machine.put({PATTERNS: "\n".join(sorted(self.forms)).encode()}, mode=0o600)

    def put(self, text: str) -> None:
        """Write the credentials."""
        self.machine.put({CREDENTIALS: text.encode()}, mode=0o600)

    def change_all(self) -> str:
        """Put new secrets into the credentials, and return the text of the file."""
        made = {
            name: new_secret(40 if name == "key" else 0) for name in ("master", "worker", "database", "admin", "key")
        }
        self.know(made.values())
        text = "#!yaml\n" + yaml.safe_dump(
            {
                "rabbitmq": {
                    "users": {
                        "phagemasteruser": {"password": made["master"]},
                        "phageworkeruser": {"password": made["worker"]},
                    }
                },
                "postgresql": {"roles": {"citestsuper": {"password": made["database"]}}},
                "phagescan": {"admin": {"user": "admin", "password": made["admin"]}, "secret_key": made["key"]},
            },
            width=1000,
        )
        self.put(text)
        return text

    def watch(self, command: str) -> Result:
        """Run a command; no process has a secret in its arguments or environment meanwhile, and nothing prints one."""
        ran = self.machine.run(f"cd {CHECKOUT} && python3 {WATCHER} {SEEN} sh -c {shlex.quote(command)} >{SAID} 2>&1")
        ran.stdout = self.fetch(SAID)
        for name, number in json.loads(self.fetch(f"{SEEN}.json")).items():
            self.counts[name] += number
        self.counts["runs"] += 1
        for what, text in (("output", ran.stdout), ("processes", self.seen())):
            lines = self.reported(text)
            assert not lines, f"{what} of {command}: {lines}"
        return ran

    def seen(self) -> str:
        """Arguments and environment of all processes that were there while `watch` ran, one a line."""
        return self.fetch(SEEN)

    def reported(self, text: str) -> list[str]:
        """Lines of a text that tell a secret."""
        found = [form for form in self.forms if form in text]
        return [line for line in text.splitlines() if any(form in line for form in found)]

    def printed(self, command: str) -> bool:
        """Whether a secret is in what a command prints, of which nothing is shown."""
        return self.machine.run(f"{command} | LC_ALL=C grep -qaF -f {PATTERNS}").code == 0

    def files(self) -> list[str]:
        """All files of the host with a secret in them, or in their names."""
        everything = f"find / /run /tmp /dev/shm -xdev -type f ! -path '{FOLDER}/*'"
        self.machine.run(f"{everything} >{FOLDER}/all; LC_ALL=C grep -aF -f {PATTERNS} {FOLDER}/all >{FOLDER}/found")
        self.machine.run(f"LC_ALL=C {everything} -exec grep -laF -f {PATTERNS} {{}} + >>{FOLDER}/found")
        self.counts["files"] = len(self.fetch(f"{FOLDER}/all").splitlines())
        return sorted(set(self.fetch(f"{FOLDER}/found").splitlines()))

    def fetch(self, path: str) -> str:
        """A file's text, by the engine's way for files: of what a command prints it may lose all when it is busy."""
        archive = io.BytesIO(b"".join(self.machine.container.get_archive(path)[0]))
        with tarfile.open(fileobj=archive) as files:
            file = files.extractfile(files.getmembers()[0])
            assert file, f"{path} is no file"
            return file.read().decode(errors="replace")

    def leave(self) -> None:
        """Take away what this has put on the host."""
        self.machine.run(f"rm -r {FOLDER}").ok()
