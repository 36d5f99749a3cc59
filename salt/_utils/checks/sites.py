"""Sites of others in the nginx of this host."""

import fnmatch
import glob
import grp
import pathlib
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from checks.situation import EVERYWHERE, Fault, Situation

NGINX = pathlib.Path("/etc/nginx")
ORDER = ("conf.d/*.conf", "sites-enabled/*")  # as nginx.conf of Debian includes them
NAMELESS = ("_", "", None)


class Server(NamedTuple):
    """What a server of a file listens on, whether it asked to be the default there, and its names; whether its place of
    IPv6 is one of IPv4 as well.
    """

    path: pathlib.Path
    listen: tuple[str, str]
    default: bool
    names: list[str]
    both: bool


def unreachable(situation: Situation) -> Iterator[Fault]:
    """Requests reach our sites: those without a known name come to them, or they have a name that no other has."""
    sites = situation.get("nginx:sites", {}) if situation.master else {}
    for name, first, same in _neighbours(sites, situation.get("nginx:tls_port") if situation.tls else None):
        key, wanted = f"nginx:sites:{name}:server_name", sites[name].get("server_name")
        if wanted in NAMELESS and first:
            reason = f"requests that name no site go elsewhere, to {first.path}; set this key, in pillar/local.sls,"
            yield Fault(key, f"{reason} to the name by which people ask for this host")
        elif same:
            yield Fault(key, f"{wanted} is a name of {same.path}, too; choose another, or take it out there")


def included(situation: Situation) -> Iterator[Fault]:
    """nginx.conf, where there is one, has nginx read the directory that our sites are in."""
    main, ours = NGINX / "nginx.conf", NGINX / "sites-enabled"
    if situation.master and main.is_file() and not _includes(main, ours / "phagescan"):
        line = f"add to its block http the line: include {ours}/*;"
        yield Fault(str(main), f"has nginx not read {ours}, where sites of this master would be; {line}")


def _includes(path: pathlib.Path, wanted: pathlib.Path, depth: int = 3) -> bool:
    """Whether a file, or one that it includes, includes another."""
    for pattern in re.findall(r"\binclude\s+[\"']?([^;\"'\s]+)", _text(path)):
        if fnmatch.fnmatch(str(wanted), str(NGINX / pattern)):
            return True
        files = [each for each in map(pathlib.Path, glob.glob(str(NGINX / pattern))) if depth and each.is_file()]
        if any(_includes(each, wanted, depth - 1) for each in files):
            return True
    return False


def streams(situation: Situation) -> Iterator[Fault]:
    """No server of nginx's block stream has a port of ours: `nginx -t` finds that good, and nginx does not start."""
    main, sites = NGINX / "nginx.conf", situation.get("nginx:sites", {}) if situation.master else {}
    taken = [_listen(words.split()[0]) for words in _streams(_whole(main)) if words.split()] if sites else []
    for name, site in sites.items():
        places = {f"nginx:sites:{name}:listen": _listen(str(site.get("listen", "80")).split()[0])}
        if situation.tls:
            places["nginx:tls_port"] = (next(iter(places.values()))[0], str(situation.get("nginx:tls_port")))
        for key, (address, port) in places.items():
            if any(at == port and (there == address or "*" in (address, there)) for there, at in taken):
                reason = f"port {port} is that of a stream in {main}, or in what that includes; choose another"
                yield Fault(key, f"{reason} in pillar/local.sls")


def proxy(situation: Situation) -> Iterator[Fault]:
    """nginx, whose user its operator has chosen, may open the socket of gunicorn."""
    if not situation.master or not situation.get("gunicorn:socket"):
        return
    named = re.search(r"^\s*user\s+(\S+?)(?:\s+(\S+))?\s*;", _text(NGINX / "nginx.conf"), re.MULTILINE)
    user, group = (named[1], named[2] or named[1]) if named else ("www-data", "www-data")
    wanted = situation.get("gunicorn:socket_group")
    try:
        members = grp.getgrnam(wanted).gr_mem
    except KeyError:
        members = []
    if user != "root" and group != wanted and user not in members:
        reason = f"nginx runs as {user}, group {group} ({NGINX}/nginx.conf), which may not open gunicorn's socket"
        yield Fault("gunicorn:socket_group", f"{reason}; make this key {group}, in pillar/local.sls")


def _streams(text: str) -> Iterator[str]:
    """What servers of the blocks `stream` listen on, with their options."""
    for begun in re.finditer(r"(?:^|[\s;}])stream\s*\{", text):
        depth, end = 1, begun.end()
        while depth and end < len(text):
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        yield from re.findall(r"\blisten\s+([^;]+);", text[begun.end() : end])


def _whole(path: pathlib.Path, depth: int = 3) -> str:
    """A file, with what it includes in the place of each line that says so."""

    def included(line: re.Match[str]) -> str:
        files = sorted(glob.glob(str(NGINX / line[1]))) if depth else []
        return "\n".join(_whole(pathlib.Path(each), depth - 1) for each in files)

    return re.sub(r"\binclude\s+[\"']?([^;\"'\s]+)[\"']?\s*;", included, _text(path))


def _text(path: pathlib.Path) -> str:
    """What is in a file but comments; nothing where there is none."""
    return re.sub(r"#.*", "", path.read_text(errors="replace")) if path.is_file() else ""


def both(situation: Situation) -> Iterator[Fault]:
    """No other server has IPv4 by a place of IPv6, beside which ours cannot listen."""
    sites = situation.get("nginx:sites", {}) if situation.master else {}
    for name, site in sites.items():
        address, port = _listen(str(site.get("listen", "80")).split()[0])
        ports = {port, str(situation.get("nginx:tls_port"))} if situation.tls else {port}
        met = (other for other in servers(sites) if address == "*" and other.both and other.listen[1] in ports)
        if other := next(met, None):
            reason = f"{other.path} has IPv4 by a place of IPv6 (ipv6only=off), and nginx would not start"
            yield Fault(f"nginx:sites:{name}:listen", f"{reason}; make this key '[::]:{port}', which is both there")


def notes(sites: dict[str, Any]) -> Iterator[str]:
    """Where requests go that name no site."""
    for name, first, _ in _neighbours(sites, None):
        if first and (named := sites[name].get("server_name")) not in NAMELESS:
            yield f"nginx:sites:{name}: requests that name no site go to {first.path}; ours answers to {named} alone"


def _neighbours(sites: dict[str, Any], tls_port: int | None) -> Iterator[tuple[str, Server | None, Server | None]]:
    """Each site with the server of others that gets what names no site in its place, and the one that has its name."""
    others = servers(sites) if sites else []
    for name, site in sites.items():
        listen, *options = str(site.get("listen", "80")).split()
        places = [_listen(listen)]
        if tls_port:
            places.append((places[0][0], str(tls_port)))
        met = [(other, place) for place in places for other in others if _meet(place, other)]
        before = [other for other, place in met if _before(other, place, NGINX / "sites-enabled" / name)]
        first = None if "default_server" in options else next(iter(before), None)
        yield name, first, next((other for other, _ in met if site.get("server_name") in other.names), None)


def servers(ours: dict[str, Any]) -> list[Server]:
    """Servers of others, in the order of nginx. Debian's own default, a link, is removed."""
    paths = [path for pattern in ORDER for path in sorted(NGINX.glob(pattern))]
    mine = {f"sites-enabled/{name}" for name in ours}
    found = []
    for path in paths:
        name = str(path.relative_to(NGINX))
        if name in mine or (name == "sites-enabled/default" and path.is_symlink()) or not path.is_file():
            continue
        for block in re.split(r"\bserver\s*\{", _text(path))[1:]:
            names = [word for words in re.findall(r"\bserver_name\s+([^;]+);", block) for word in words.split()]
            for words in re.findall(r"\blisten\s+([^;]+);", block) or ["80"]:
                address, *options = words.split()
                server = Server(path, _listen(address), "default_server" in options, names, "ipv6only=off" in options)
                found.append(server)
    return found


def _listen(words: str) -> tuple[str, str]:
    """Address and port; `*` for all addresses of IPv4."""
    if words.startswith("unix:"):
        return words, ""
    address, _, port = words.rpartition(":") if not words.endswith("]") else (words, "", "80")
    if not port.isdigit():  # an address alone
        address, port = words, "80"
    return "*" if address in EVERYWHERE else address.replace("localhost", "127.0.0.1"), port


def _meet(place: tuple[str, str], other: Server) -> bool:
    """Whether a server listens on a port, of an address from outside where ours listens on all."""
    (address, port), (there, at) = place, other.listen
    return at == port and (there == address or (address == "*" and not there.startswith(("127.", "["))))


def _before(other: Server, place: tuple[str, str], ours: pathlib.Path) -> bool:
    """Whether nginx gives a server what names no site: the default, that of the one address, or the first."""
    after = other.path.parent == ours.parent and other.path.name > ours.name
    return other.default or other.listen != place or not after


CHECKS = (included, unreachable, streams, both, proxy)
