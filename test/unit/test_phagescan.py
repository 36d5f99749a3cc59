"""What is wrong with a pillar or a host is said before anything is touched, and without showing a password."""

import copy
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import yaml
from salt.exceptions import CommandExecutionError
from salt.utils import dictupdate

PILLAR = Path(__file__).parents[2] / "pillar"
PASSWORD_KEYS = [
    "rabbitmq:users:phagemasteruser:password",
    "rabbitmq:users:phageworkeruser:password",
    "postgresql:roles:citestsuper:password",
    "phagescan:admin:password",
    "phagescan:secret_key",
]
REMOVED = object()
UTILS = ("pillar_faults.faults", "schema.faults", "schema.key", "schema.nearest", "startup.spared")
CIPHERTEXT = "-----BEGIN PGP MESSAGE-----\n\nAbC+/12=\n=WF55\n-----END PGP MESSAGE-----\n"


def put(pillar: dict[str, Any], key: str, value: Any) -> None:
    """Set what stands under a colon-separated key, or remove it."""
    *path, last = key.split(":")
    for part in path:
        pillar = pillar.setdefault(part, {})
    if value is REMOVED:
        del pillar[last]
    else:
        pillar[last] = value


@pytest.fixture(scope="module")
def shipped() -> dict[str, Any]:
    """The pillar as it is shipped, with passwords as bootstrap makes them."""
    pillar: dict[str, Any] = {}
    for path in sorted(PILLAR.glob("*.sls")):
        if path.name not in ("top.sls", "credentials.sls"):
            dictupdate.update(pillar, yaml.safe_load(path.read_text()))
    for number, key in enumerate(PASSWORD_KEYS):
        put(pillar, key, f"unit-{number}-" + "0123456789" * 5)
    return pillar


@pytest.fixture
def phagescan(
    load: Callable[..., ModuleType], minion: Callable[..., SimpleNamespace], shipped: dict[str, Any], tmp_path: Path
) -> Callable[..., ModuleType]:
    """Makes the module on a host below tmp_path, with keys of the pillar set otherwise."""

    def make(changed: dict[str, Any] | None = None, **grains: Any) -> ModuleType:
        pillar = copy.deepcopy(shipped)
        for key, value in (changed or {}).items():
            put(pillar, key, value)
        made = minion(pillar, **grains)
        module = load(
            "_modules/phagescan",
            __salt__=made.salt,
            __utils__=made.utils,
            __grains__=made.opts["grains"],
            __pillar__=pillar,
            __opts__={
                "pillar_roots": {"base": ["/srv/none", "/srv/pillar"]},
                "file_roots": {"base": ["/srv/roots", "/srv/salt", "/srv/formulas"]},
                "gpg_keydir": "/etc/salt/gpgkeys",
            },
        )
        for tree in ("salt", "formulas"):
            link = tmp_path / "srv" / tree
            link.parent.mkdir(exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(PILLAR.parent / tree)
        configs = (worker["config"] for worker in shipped["celery"]["workers"].values())
        for name in ("engines/yara", "engines/fileinfo", "scaggr/wsgi", *configs):
            path = tmp_path / f"srv/roots/phagescan/{name}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        # What the machine that tests has is not the subject.
        module._preflight, module._notes = lambda *_arguments: [], list
        module.pathlib = SimpleNamespace(Path=lambda path, *more: tmp_path.joinpath(path.lstrip("/"), *more))
        return module

    return make


def test_shipped_pillar(phagescan: Callable[..., ModuleType]) -> None:
    """What is shipped has no faults, for either role, in either mode, and on each release."""
    for changed in ({}, {"phagescan:roles": ["worker"]}, {"phagescan:roles": "worker"}, {"phagescan:mode": "development"}):
        assert phagescan(changed).faults() == []
    for release in ("Debian-13", "Debian-12", "Ubuntu-24.04"):
        assert phagescan(osfinger=release).faults() == []
    assert phagescan().doctor() == "No faults in pillar or host."


@pytest.mark.parametrize(
    ("key", "value", "fault"),
    [
        ("phagescan:mode", "debug", "phagescan:mode: must be production or development, not debug"),
        ("phagescan:mode", REMOVED, "phagescan:mode: is missing; it must be production or development"),
        ("phagescan:roles", ["master", "slave"], "phagescan:roles:1: must be master or worker, not slave"),
        ("phagescan:root", REMOVED, "phagescan:root: is missing; it must be an absolute path"),
        ("phagescan:user", "", "phagescan:user: must be a name of a-z, 0-9, _ and -, not ''"),
        ("phagescan:broker:host", REMOVED, "phagescan:broker:host: is missing"),
        ("phagescan:database:name", REMOVED, "phagescan:database:name: is missing"),
        ("phagescan:broker:master", "nobody", "phagescan:broker:master: nobody is not in rabbitmq:users"),
        ("phagescan:broker:worker", "nobody", "phagescan:broker:worker: nobody is not in rabbitmq:users"),
        ("phagescan:database:user", "nobody", "phagescan:database:user: nobody is not in postgresql:roles"),
        ("phagescan:database:name", "none", "phagescan:database:name: none is not in postgresql:databases"),
        ("phagescan:broker:vhost", "none", "phagescan:broker:vhost: none is not in rabbitmq:vhosts"),
        (
            "rabbitmq:users:phageworkeruser:permissions:none",
            [".*", ".*", ".*"],
            "rabbitmq:users:phageworkeruser:permissions: vhost none is not in rabbitmq:vhosts",
        ),
        (
            "rabbitmq:users:phageworkeruser:permissions:phage",
            [".*", ".*"],
            "rabbitmq:users:phageworkeruser:permissions:phage: must be [configure, write, read]",
        ),
        (
            "rabbitmq:users:phageworkeruser:permissions:phage",
            [".*"] * 4,
            "rabbitmq:users:phageworkeruser:permissions:phage: must be [configure, write, read]",
        ),
        ("rabbitmq:absent:users", ["phagemasteruser"], "rabbitmq:absent:users: phagemasteruser is in rabbitmq:users, too"),
        ("rabbitmq:absent:vhosts", ["/", "phage"], "rabbitmq:absent:vhosts: phage is in rabbitmq:vhosts, too"),
        ("postgresql:databases:phage:owner", "nobody", "postgresql:databases:phage:owner: nobody is not in postgresql:roles"),
        (
            "phagescan:engines:sorcery",
            {},
            "phagescan:engines:sorcery: there is no engines/sorcery.py in salt://phagescan",
        ),
        ("phagescan:engines:../yara", {}, "phagescan:engines:../yara: is not a lower-case name of a module in engines/"),
        (
            "phagescan:engines:yara:rules",
            {"../../x": "rule x { condition: true }"},
            "phagescan:engines:yara:rules:../../x: is not a name of letters, digits, _ and -",
        ),
        ("phagescan:engines", REMOVED, "phagescan:engines: is missing; see phagescan.sls in pillar/"),
        ("phagescan:worker:master_url", "", "phagescan:worker:master_url: must be http://<host>"),
        ("phagescan:scan:expires", REMOVED, "phagescan:scan:expires: is missing"),
        ("celery:workers:celeryd:user", "root", "celery:workers:celeryd:user: must be the same as phagescan:worker:user"),
        ("postgresql:databases:phage:owner", REMOVED, "postgresql:databases:phage:owner: is missing; it must be a name"),
    ],
)
def test_fault(phagescan: Callable[..., ModuleType], key: str, value: Any, fault: str) -> None:
    """One thing that is wrong is one line, beginning with the key to mend; the doctor says the same and fails."""
    module = phagescan({key: value})
    (found,) = module.faults()
    assert found.startswith(fault)
    with pytest.raises(CommandExecutionError, match="^" + fault.split(":", maxsplit=1)[0]):
        module.doctor()


def same() -> tuple[tuple[str, str], ...]:
    """Pairs of keys that must say the same, but for those whose value has a form of its own."""
    return tuple(
        (f"{formula}:{key}", f"phagescan:{other}")
        for formula in ("gunicorn", "celery")
        for key, other in (
            ("user", "user"),
            ("group", "user"),
            ("chdir", "root"),
            ("virtualenv", "virtualenv"),
            ("log_dir", "log_dir"),
        )
    )


@pytest.mark.parametrize(("key", "other"), same())
def test_same(phagescan: Callable[..., ModuleType], key: str, other: str) -> None:
    """What two formulas are told must agree, and setting both is no fault."""
    value = "unit" if other.endswith("user") else "/srv/unit"
    (fault,) = phagescan({key: value}).faults()
    assert fault.startswith(f"{key}: must be the same as {other}, ")
    assert fault.endswith(f", not {value}")
    (fault,) = phagescan({key: REMOVED}).faults()
    assert fault.endswith(", not None")
    camera = {"user": value, "directory": value, "command": f"{value}/bin/celery"}
    wanted = {"phagescan:user": "user", "phagescan:root": "directory", "phagescan:virtualenv": "command"}.get(other)
    both = {pair[0]: value for pair in same() if pair[1] == other}
    both |= {f"supervisord:programs:celerycam:{wanted}": camera[wanted]} if wanted else {}
    assert phagescan({other: value, **both}).faults() == []


def test_bind(phagescan: Callable[..., ModuleType]) -> None:
    """nginx asks where gunicorn listens, and gunicorn listens on loopback only."""
    proxy, url = "nginx:sites:phagescan:proxy", {"phagescan:worker:master_url": "http://127.0.0.1:9001"}
    assert phagescan({"gunicorn:bind": "127.0.0.1:9001", proxy: "127.0.0.1:9001"} | url).faults() == []
    assert phagescan({"gunicorn:bind": "127.0.0.1:9001"} | url).faults() == [
        f"{proxy}: must be the same as gunicorn:bind, 127.0.0.1:9001, not 127.0.0.1:9000"
    ]
    for bind in ("0.0.0.0:9000", "[::]:9000", "127.0.0.11:9000"):
        (fault,) = phagescan({"gunicorn:bind": bind, proxy: bind}).faults()
        assert fault.startswith("gunicorn:bind: Django listens on loopback only"), bind
    for bind in (":9000", "", "127.0.0.1"):
        (fault,) = phagescan({"gunicorn:bind": bind}).faults()
        assert fault.startswith("gunicorn:bind: must be address:port, not "), bind
    (fault,) = phagescan({"gunicorn:bind": REMOVED}).faults()
    assert fault.startswith("gunicorn:bind: Django listens on loopback only")


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o644, 0o620, 0o601])
def test_mode_of_the_passwords(phagescan: Callable[..., ModuleType], tmp_path: Path, bits: int) -> None:
    """credentials.sls is its owner's alone, and so is the key to an encrypted one."""
    path, keys = tmp_path / "srv" / "pillar" / "credentials.sls", tmp_path / "etc" / "salt" / "gpgkeys"
    path.parent.mkdir(parents=True)
    path.touch()
    path.chmod(0o600)
    keys.mkdir(parents=True)
    keys.chmod(0o700)
    assert phagescan().faults() == []
    path.chmod(bits)
    keys.chmod(bits)
    assert phagescan().faults() == [f"{item}: others than its owner may read it; chmod go= {item}" for item in (path, keys)]


@pytest.mark.parametrize(
    ("text", "public"),
    [
        (f"#!gpg|yaml\n{CIPHERTEXT}", True),
        (f"#!gpg|yaml\n\n{CIPHERTEXT}\n", True),
        (f"#!yaml|gpg\nphagescan: {{secret_key: |\n{CIPHERTEXT}}}\n", False),
        (f"#!gpg|yaml\nphagescan: {{secret_key: plain}}\n{CIPHERTEXT}", False),
        (f"#!gpg|yaml\n{CIPHERTEXT}# plain\n", False),
        (f"#!gpg|yaml\n{CIPHERTEXT.replace('AbC+/12=', 'a: b')}", False),
        (CIPHERTEXT, False),
    ],
)
def test_mode_of_ciphertext(phagescan: Callable[..., ModuleType], tmp_path: Path, text: str, public: bool) -> None:
    """Others may read what holds nothing but ciphertext."""
    path = tmp_path / "srv" / "pillar" / "credentials.sls"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    path.chmod(0o644)
    assert (phagescan().faults() == []) is public


def test_unreadable_pillar(phagescan: Callable[..., ModuleType]) -> None:
    """A file that is no YAML is the one fault, and not what it would have said."""
    module = phagescan({"phagescan": REMOVED})
    module.__pillar__["_errors"] = ["Rendering SLS 'credentials' failed. Please see master log for details."]
    assert module.faults() == ["pillar: Rendering SLS 'credentials' failed. See what stands above."]


@pytest.mark.parametrize(
    ("folder", "name", "mark"), [("opt/phagescan", "theirs", "manage.py"), ("opt/phagescan-venv", "theirs", "pyvenv.cfg")]
)
def test_directories_of_others(phagescan: Callable[..., ModuleType], tmp_path: Path, folder: str, name: str, mark: str) -> None:
    """What would be emptied holds nothing of others; what a killed run has left there is ours."""
    (tmp_path / folder / "bin").mkdir(parents=True)
    (tmp_path / "srv/roots/phagescan/bin").mkdir(parents=True)
    assert phagescan().faults() == []
    (tmp_path / folder / name).touch()
    (fault,) = phagescan().faults()
    key = "phagescan:virtualenv" if folder.endswith("venv") else "phagescan:root"
    assert fault == f"{key}: /{folder} holds {name}, which is not ours: choose another directory"
    (tmp_path / folder / mark).touch()
    assert phagescan().faults() == []


def test_role_of_the_grain(phagescan: Callable[..., ModuleType]) -> None:
    """A role that there is not is a fault wherever it stands."""
    assert phagescan(roles=["butler"]).faults() == ["grain roles: butler is not a role; roles: master, worker"]


def test_checkout_is_not_emptied(phagescan: Callable[..., ModuleType]) -> None:
    """The code does not land on the tree that it comes from."""
    changed = {
        "phagescan:virtualenv": "/srv/pillar",
        "gunicorn:virtualenv": "/srv/pillar",
        "celery:virtualenv": "/srv/pillar",
        "supervisord:programs:celerycam:command": "/srv/pillar/bin/celery",
    }
    (fault,) = phagescan(changed).faults()
    assert fault.startswith("phagescan:virtualenv: must not hold this checkout, /srv/pillar")


def test_every_fault_is_told(phagescan: Callable[..., ModuleType]) -> None:
    """All that is wrong is told at once."""
    faults = phagescan({"phagescan:mode": "debug", "phagescan:root": REMOVED, PASSWORD_KEYS[0]: "short"}).faults()
    assert [fault.split(": ")[0] for fault in faults] == ["phagescan:mode", "phagescan:root", PASSWORD_KEYS[0]]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (REMOVED, "is missing; it stands in pillar/credentials.sls"),
        ("", "is missing"),
        (1234567890123, "must be text, not a whole number; put it in quotes"),
        (["unit-listed-0123456789"], "must be text, not a list"),
        ("sHort-1234x", "is shorter than"),
        ("-" + "dash-0123456789" * 4, "starts with '-'"),
        ("new\nline-0123456789" * 4, "holds a control character"),
        ("nul\0byte-0123456789" * 4, "holds a control character"),
        ("longmasterpassword", "is the sample password; choose another"),
    ],
)
@pytest.mark.parametrize("key", PASSWORD_KEYS)
def test_password(phagescan: Callable[..., ModuleType], key: str, value: Any, reason: str) -> None:
    """What is wrong with a password is told with its key and never with its value."""
    (fault,) = phagescan({key: value}).faults()
    assert fault.startswith(f"{key}: {reason}")
    if value is not REMOVED and value:
        assert str(value) not in fault
        assert str(value)[:8] not in fault


def test_samples(phagescan: Callable[..., ModuleType]) -> None:
    """Every password of the sample file is refused, until the tests' own key allows them."""
    sample = yaml.safe_load((PILLAR / "credentials.sls.sample").read_text())
    changed = {}
    for key in PASSWORD_KEYS:
        value = sample
        for part in key.split(":"):
            value = value[part]
        changed[key] = value
    assert phagescan(changed).faults() == [f"{key}: is the sample password; choose another" for key in PASSWORD_KEYS]
    assert phagescan(changed | {"phagescan:allow_sample_passwords": True}).faults() == []


def test_worker_needs_no_master_passwords(phagescan: Callable[..., ModuleType]) -> None:
    """A worker is told of its broker login only."""
    changed = {"phagescan:roles": ["worker"], **dict.fromkeys(PASSWORD_KEYS[1:], REMOVED)}
    assert [fault.split(": ")[0] for fault in phagescan(changed).faults()] == [PASSWORD_KEYS[1]]


@pytest.mark.parametrize(
    "grains", [{"osfinger": "Debian-11"}, {"osfinger": "Fedora-43", "os_family": "RedHat"}, {"osfinger": None}]
)
def test_unknown_system(phagescan: Callable[..., ModuleType], grains: dict[str, Any]) -> None:
    """A system that is not known is the one fault, with what is known."""
    (fault,) = phagescan({"phagescan:mode": "debug"}, **grains).faults()
    assert fault.startswith(f"grain osfinger: {grains['osfinger']} ")
    assert "known: Debian-13, Debian-12, Ubuntu-24.04" in fault


def test_roles(phagescan: Callable[..., ModuleType]) -> None:
    """Pillar decides, then the grain, then it has both."""
    assert phagescan().roles() == ["master", "worker"]
    assert phagescan(roles=["worker"]).roles() == ["worker"]
    assert phagescan({"phagescan:roles": ["master", "worker"]}, roles=["worker"]).roles() == ["master", "worker"]


@pytest.mark.parametrize(
    ("clusters", "port"),
    [
        ({}, 5432),
        ({"17/main": "port = 5432\n"}, 5432),
        ({"17/main": "#port = 5433\n"}, 5432),
        ({"17/main": "port = 5433 # moved\n"}, 5433),
        ({"15/main": "port = 5433\n"}, 5432),
        ({"15/main": "#\n port=5432\n"}, 5433),
        ({"17/shop": ""}, 5433),
        ({"15/main": "port = 5432\n", "17/shop": "port = 5433\n", "13/main": "port = 5435\n"}, 5434),
        ({"15/main": "port = 5432\n", "17/main": "port = 5440\n"}, 5440),
    ],
)
def test_clusters(phagescan: Callable[..., ModuleType], tmp_path: Path, clusters: dict[str, str], port: int) -> None:
    """A cluster that is here keeps its port; a new one gets the first that is free, and pillar must say which."""
    for cluster, config in clusters.items():
        path = tmp_path / "etc" / "postgresql" / cluster / "postgresql.conf"
        path.parent.mkdir(parents=True)
        path.write_text(config)
    assert phagescan({"postgresql:port": port}).faults() == []
    if port == 5432:
        assert phagescan({"postgresql:port": REMOVED}).faults() == []
    (fault,) = phagescan({"postgresql:port": 6000}).faults()
    assert fault.startswith(f"postgresql:port: cluster 17/main has port {port}; set this key to it")
    for cluster in clusters.keys() - {"17/main"}:
        assert f"{cluster} on " in fault
    assert "17/main on" not in fault
    assert phagescan({"postgresql:port": 6000, "phagescan:roles": ["worker"]}).faults() == []


def test_cluster_of_another_version(phagescan: Callable[..., ModuleType], tmp_path: Path) -> None:
    """Which cluster is ours is what the release, or pillar, says."""
    path = tmp_path / "etc" / "postgresql" / "15" / "main" / "postgresql.conf"
    path.parent.mkdir(parents=True)
    path.write_text("port = 5440\n")
    assert phagescan().faults() == []
    for changed, grains in (({}, {"osfinger": "Debian-12"}), ({"postgresql:version": 15}, {})):
        (fault,) = phagescan(changed, **grains).faults()
        assert fault == "postgresql:port: cluster 15/main has port 5440; set this key to it"


def test_foreign_programs(phagescan: Callable[..., ModuleType], tmp_path: Path) -> None:
    """Development stops supervisord, and so is refused while that runs programs of somebody else."""
    folder = tmp_path / "etc" / "supervisor" / "conf.d"
    folder.mkdir(parents=True)
    (folder / "celerycam.conf").touch()
    assert phagescan({"phagescan:mode": "development"}).faults() == []
    (folder / "theirs.conf").touch()
    (fault,) = phagescan({"phagescan:mode": "development"}).faults()
    assert fault.startswith("phagescan:mode: development would stop supervisord")
    assert phagescan().faults() == []


def test_canary(phagescan: Callable[..., ModuleType]) -> None:
    """The canary's one line is the answer, and its reason the failure."""
    module = phagescan()
    module.__salt__ = {
        "pillar.get": module.__salt__["pillar.get"],
        "django_site.manage": lambda _site, verb: f"{verb} ok\n",
    }
    assert module.canary() == "canary ok"

    def broken(_site: dict[str, Any], _verb: str) -> str:
        raise CommandExecutionError("manage.py canary: canary failed: broker")

    module.__salt__["django_site.manage"] = broken
    with pytest.raises(CommandExecutionError, match=r"^canary failed: broker$"):
        module.canary()


def test_canary_on_a_bare_host(phagescan: Callable[..., ModuleType]) -> None:
    """Where nothing is installed the canary says so, in one line."""
    with pytest.raises(CommandExecutionError, match="not installed here"):
        phagescan({"phagescan:user": "unit-nobody"}).canary()


@pytest.mark.parametrize(("ok", "code"), [(True, None), (None, None), (False, 1)])
def test_status(phagescan: Callable[..., ModuleType], ok: bool | None, code: int | None) -> None:
    """What the parts are is the answer, and the exit code tells whether one is broken."""
    module = phagescan()
    part = {"ok": ok, "said": "told", "log": []}
    asked: list[Any] = []

    def parts(pillar: dict[str, Any], roles: list[str], *rest: Any) -> Any:
        asked.append((pillar["phagescan"]["user"], roles, rest[-1]))
        return {"broker": part}

    module.__context__ = {}
    module.__utils__ = {name: module.__utils__[name] for name in UTILS} | {"health.parts": parts}
    assert module.status() == {"broker": part}
    assert module.__context__.get("retcode") == code
    module.tls = lambda: {"certificate": "/etc/phagescan/tls/certificate.pem"}
    module.status()
    assert asked == [
        ("avuser", ["master", "worker"], None),
        ("avuser", ["master", "worker"], "/etc/phagescan/tls/certificate.pem"),
    ]


def test_status_of_a_faulty_pillar(phagescan: Callable[..., ModuleType]) -> None:
    """Its faults are told, and nothing else is looked at, as nobody knows where."""
    module = phagescan({"phagescan:mode": "debug"})
    module.__context__ = {}
    parts = module.status()
    assert list(parts) == ["pillar"]
    assert parts["pillar"]["ok"] is False
    assert parts["pillar"]["log"] == module.faults()
    assert module.__context__["retcode"] == 1


def test_status_does_not_mind_the_host(phagescan: Callable[..., ModuleType], tmp_path: Path) -> None:
    """What only keeps a highstate from running is no fault of the pillar."""
    (tmp_path / "opt" / "phagescan").mkdir(parents=True)
    (tmp_path / "opt" / "phagescan" / "theirs").touch()
    module = phagescan()
    assert module.faults()
    assert module.faults(host=False) == []


def arriving(module: ModuleType) -> list[str]:
    """Canaries that were sent; from now on each answers."""
    sent: list[str] = []
    real = module.__salt__
    module.__salt__ = {
        "pillar.get": real["pillar.get"],
        "grains.get": real["grains.get"],
        "phagescan.canary": lambda: sent.append("sent") or "canary ok: 1.2 s",
    }
    return sent


def test_arrival(phagescan: Callable[..., ModuleType], shipped: dict[str, Any]) -> None:
    """The operator is told where to go and who to be, and where the password lies, not what it is."""
    module = phagescan(ipv4=["127.0.0.1", "192.0.2.7"])
    sent = arriving(module)
    canary, url, login, password = module.arrival().splitlines()
    assert canary == "canary ok: 1.2 s"
    assert url.endswith(" http://192.0.2.7/")
    assert login.endswith(" admin")
    assert password.endswith(" phagescan:admin:password in pillar/credentials.sls")
    assert shipped["phagescan"]["admin"]["password"] not in password
    assert module.arrival(canary=False).splitlines() == [url, login, password]
    assert sent == ["sent"]


def test_arrival_with_tls(phagescan: Callable[..., ModuleType]) -> None:
    """The page is where it is not redirected."""
    module = phagescan({"phagescan:tls": {"self_signed": True}}, ipv4=["192.0.2.7"])
    assert " https://192.0.2.7/" in module.arrival(canary=False)


def test_arrival_without_a_network(phagescan: Callable[..., ModuleType]) -> None:
    """A host with no other address is reached from itself."""
    assert "http://127.0.0.1/" in phagescan().arrival(canary=False)


def test_arrival_sends_no_canary(phagescan: Callable[..., ModuleType]) -> None:
    """In development nothing runs that could answer; a worker has no pages."""
    module = phagescan({"phagescan:mode": "development"})
    sent = arriving(module)
    assert module.arrival().startswith("Phagescan Master: http://")
    module = phagescan({"phagescan:roles": ["worker"]})
    sent += arriving(module)
    assert module.arrival().startswith("Phagescan worker: ")
    assert sent == []


def test_arrival_of_a_broken_host(phagescan: Callable[..., ModuleType]) -> None:
    """A canary that does not come back is the failure of bootstrap."""

    def broken() -> str:
        raise CommandExecutionError("canary failed: broker")

    module = phagescan()
    arriving(module)
    module.__salt__["phagescan.canary"] = broken
    with pytest.raises(CommandExecutionError, match="canary failed: broker"):
        module.arrival()


def test_peers(phagescan: Callable[..., ModuleType], tmp_path: Path) -> None:
    """Peers are the broker's and the master's or database's addresses; name servers only where there is a name to ask for."""
    assert phagescan().peers("worker") == phagescan().peers("master") == ["127.0.0.1"]
    (tmp_path / "etc").mkdir(exist_ok=True)
    (tmp_path / "etc/resolv.conf").write_text("search example\nnameserver 192.0.2.53\n")
    changed = {"phagescan:broker:host": "192.0.2.1", "phagescan:worker:master_url": "http://[2001:db8::1]:8080"}
    assert phagescan(changed).peers("worker") == ["192.0.2.1", "2001:db8::1"]
    changed["phagescan:database:host"] = "192.0.2.2"
    assert phagescan(changed).peers("master") == ["127.0.0.1", "192.0.2.1", "192.0.2.2"]
    changed = {"phagescan:broker:host": "localhost"}
    assert {"127.0.0.1", "192.0.2.53"} <= set(phagescan(changed).peers("worker"))


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"phagescan:worker:master_url": "scan-master"}, "phagescan:worker:master_url: must be http://<host>"),
        ({"phagescan:worker:master_url": "10.0.0.1:80"}, "phagescan:worker:master_url: must be http://<host>"),
        ({"phagescan:scan:max_size": 0}, "phagescan:scan:max_size: must be a whole number from 1 to 102400, not 0"),
        ({"phagescan:worker:concurrency": -1}, "phagescan:worker:concurrency: must be a whole number from 1 to 1024, not -1"),
        (
            dict.fromkeys(("phagescan:worker:user", *(f"celery:workers:celeryd:{key}" for key in ("user", "group"))), "avuser"),
            "phagescan:worker:user: must be a user of its own",
        ),
        ({"phagescan:broker:host": "no.such.host.invalid"}, "phagescan:broker:host: no.such.host.invalid is not known here"),
        (
            {"rabbitmq:least_privilege": True, "phagescan:broker:worker": "phagemasteruser"},
            "rabbitmq:least_privilege: master and workers share phagemasteruser",
        ),
    ],
)
def test_fault_of_the_worker(phagescan: Callable[..., ModuleType], changed: dict[str, Any], fault: str) -> None:
    """What would stop the worker later is said now."""
    (found,) = phagescan(changed).faults()
    assert found.startswith(fault)


def test_master_that_was(phagescan: Callable[..., ModuleType], tmp_path: Path) -> None:
    """A host that has been a master is not made a worker in passing."""
    (tmp_path / "etc/phagescan").mkdir(parents=True)
    (tmp_path / "etc/phagescan/master.toml").touch()
    assert phagescan().faults() == []
    (fault,) = phagescan({"phagescan:roles": ["worker"]}).faults()
    assert fault.startswith("phagescan:roles: master is gone, but this host has been one")


def test_allowed_hosts(phagescan: Callable[..., ModuleType]) -> None:
    """Django answers workers, whatever else its names are."""
    changed = {"phagescan:allowed_hosts": ["scan.example"], "phagescan:worker:master_url": "http://10.0.0.1:8080/"}
    assert phagescan(changed).allowed_hosts() == ["scan.example", "10.0.0.1"]
    changed["phagescan:worker:master_url"] = "http://[2001:db8::1]"
    assert phagescan(changed).allowed_hosts() == ["scan.example", "[2001:db8::1]"]
