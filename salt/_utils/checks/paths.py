"""Directories that would be emptied, taken from others or shown to everyone, and files that are not there."""

import pathlib
import re
from collections.abc import Iterator

from checks.situation import Fault, Situation

ROOT = pathlib.Path("/")
# Emptied of what is not the application's, and what it keeps.
CLEANED = ("phagescan:root", "phagescan:virtualenv", "phagescan:static_root")
KEPT = ("phagescan:log_dir", "phagescan:scan:sample_root", "phagescan:worker:log_dir")
# Directories of others, whole or the one itself.
OTHERS = re.compile(
    r"(/(bin|boot|dev|etc|lib\w*|proc|root|run|sbin|sys|tmp)"
    r"|/var/(lib|log)/(apt|clamav|dpkg|postgresql|rabbitmq|systemd))(/.*)?"
    r"|/[^/]+|/home/[^/]+|/var/[^/]+|/usr/local/(bin|etc|include|lib|man|sbin|share|src)|/usr/(?!local/).*"
)
# A file that is nothing but ciphertext.
ENCRYPTED = re.compile(r"#!gpg\|yaml\s+-----BEGIN PGP MESSAGE-----[\w\s+/=]+-----END PGP MESSAGE-----\s*")


def directories(situation: Situation) -> Iterator[Fault]:
    """The application's directories are its own, and what is kept is in none that is emptied."""
    paths = {key: path for key in (*CLEANED, *KEPT) if (path := situation.get(key))}
    for key, path in paths.items():
        if OTHERS.fullmatch(path):
            yield Fault(key, f"must be a directory of its own, such as /opt/phagescan, not {path}")
        for other in CLEANED:
            if other != key and other in paths and _within(path, paths[other]):
                reason = f"must not be in {other}, {paths[other]}, where what is not the application's is removed"
                yield Fault(key, reason, (other,))
        for folder in situation.checkout if key in CLEANED else ():
            if _within(folder, path):
                yield Fault(key, f"must not hold this checkout, {folder}: what is not the application's is removed")


def shown(situation: Situation) -> Iterator[Fault]:
    """nginx serves no directory with something that others must not read."""
    secret = [*(path for key in KEPT if (path := situation.get(key))), "/etc/phagescan", *situation.checkout]
    for site, settings in situation.get("nginx:sites", {}).items():
        for location, folder in settings.get("static", {}).items():
            for path in secret:
                if _within(path, folder.rstrip("/") or "/"):
                    yield Fault(
                        f"nginx:sites:{site}:static:{location}", f"must not show {path}, which must stay private"
                    )


def source(situation: Situation) -> Iterator[Fault]:
    """Code, engines and modules are in the tree."""
    get, wanted = situation.get, situation.get("phagescan:source")
    if not wanted:
        return
    top, served = wanted.removeprefix("salt://"), situation.served
    if not any(path.startswith(f"{top}/") for path in served):
        yield Fault("phagescan:source", f"there is no {wanted} in this checkout")
        return
    modules: dict[str, str] = {}
    if situation.worker:
        modules |= {f"phagescan:engines:{name}": f"engines.{name}" for name in get("phagescan:engines") or ()}
    if situation.master:
        modules["gunicorn:application"] = get("gunicorn:application", "").partition(":")[0]
    for name, worker in get("celery:workers", {}).items():
        elsewhere = worker.get("chdir", get("phagescan:root")) != get("phagescan:root")
        if worker.get("role", "") in ("", *situation.roles) and "config" in worker and not elsewhere:
            modules[f"celery:workers:{name}:config"] = worker["config"]
    for key, module in modules.items():
        path = module.replace(".", "/")
        if not {f"{top}/{path}.py", f"{top}/{path}/__init__.py"} & served:
            yield Fault(key, f"there is no {path}.py in {wanted}")


def readable(situation: Situation) -> Iterator[Fault]:
    """Files with secrets are for their owner alone, but for one that holds nothing but ciphertext."""
    for path in map(_here, situation.secrets):
        if not path.exists() or not path.stat().st_mode & 0o077:
            continue
        if not (path.is_file() and ENCRYPTED.fullmatch(path.read_text(errors="replace"))):
            name = "/" + str(path.relative_to(ROOT))
            yield Fault(name, f"others than its owner may read it; chmod go= {name}")


def former_master(situation: Situation) -> Iterator[Fault]:
    """What a host was before it became a mere worker is not removed by itself."""
    if not situation.master and _here("/etc/phagescan/master.toml").exists():
        yield Fault(
            "phagescan:roles",
            "master is gone, but this host has been one; what it holds is yours to keep or remove: stop it"
            " with dev/ps_services.sh stop, disable its services, and remove /etc/phagescan/master.toml",
        )


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _here(path: str) -> pathlib.Path:
    return ROOT / path.lstrip("/")


PILLAR = (directories, shown)
CHECKS = (*PILLAR, source, readable, former_master)
