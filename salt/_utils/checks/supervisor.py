"""The Supervisor of this host, and programs of others in it."""

import configparser
import fnmatch
import pathlib
from collections.abc import Iterator

from checks.situation import Fault, Situation

ROOT = pathlib.Path("/")
MAIN, FOLDER = "etc/supervisor/supervisord.conf", "etc/supervisor/conf.d"


def included(situation: Situation) -> Iterator[Fault]:
    """supervisord.conf, where there is one, has it read the directory that our programs are in, and be spoken to."""
    main = ROOT / MAIN
    if not situation.master or not main.is_file():
        return
    given = configparser.RawConfigParser(strict=False, inline_comment_prefixes=(";",))
    try:
        given.read_string(main.read_text(errors="replace"))
    except configparser.Error as error:
        reason = " ".join(str(error).split())
        yield Fault(f"/{MAIN}", f"supervisord does not start with it; mend it: {reason}")
        return
    patterns = given.get("include", "files", fallback="").split()
    if not any(fnmatch.fnmatch(str(ROOT / FOLDER / "x.conf"), str(main.parent / pattern)) for pattern in patterns):
        line = f"write to its section [include]: files = {' '.join([*patterns, f'/{FOLDER}/*.conf'])}"
        reason = f"has supervisord not read /{FOLDER}, where programs of this master would be; {line}"
        yield Fault(f"/{MAIN}", reason)
    if not given.has_section("unix_http_server"):
        line = "[unix_http_server] and, below it, file=/run/supervisor.sock"
        yield Fault(f"/{MAIN}", f"has supervisord listen on no socket, by which it is spoken to; add the line {line}")


def others_programs(situation: Situation) -> Iterator[Fault]:
    """In development mode supervisord is stopped, which others may use."""
    if situation.master and situation.get("phagescan:mode") == "development":
        programs = situation.get("supervisord:programs", {})
        for path in sorted((ROOT / FOLDER).glob("*.conf")):
            if path.stem not in programs:
                reason = f"development would stop supervisord, which also runs /{path.relative_to(ROOT)}"
                yield Fault("phagescan:mode", reason, ("supervisord:programs",))


CHECKS = (included, others_programs)
