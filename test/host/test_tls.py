"""TLS, turned on by one key of pillar, from outside; and off again."""

import asyncio
import importlib.util
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import amqp
import certifi
import pytest
import requests

from support.logins import sign_in
from support.machine import CREDENTIALS, ROOT, Machine
from support.network import scan
from support.scanning import EICAR, Api
from support.status import PARTS, status, well
from support.waiting import wait_until

pytestmark = [pytest.mark.clone("rotate"), pytest.mark.hosts("debian13", day=("debian12",))]

LISTEN = "rabbitmq: {listen: 0.0.0.0}"
SELF_SIGNED = f"pillar='{{phagescan: {{tls: {{self_signed: true}}}}, {LISTEN}}}'"
GIVEN = f"pillar='{{phagescan: {{tls: {{certificate: /root/tls/chain.pem, key: /root/tls/key.pem}}}}, {LISTEN}}}'"
HSTS = "max-age=31536000"


@pytest.fixture(scope="module")
def secure(machine: Machine) -> Iterator[Machine]:
    """The host with a certificate of its own, and a broker that other hosts reach."""
    machine.run("rm -rf /etc/phagescan/tls").ok()  # a broken run's
    try:
        foreseen = {change.identifier for change in machine.highstate(f"test=True {SELF_SIGNED}").ok().changed}
        done = {change.identifier for change in machine.highstate(SELF_SIGNED).ok().changed}
        assert "application-certificate" in done
        assert done == foreseen
        yield machine
    finally:
        machine.highstate().ok()
        machine.run("rm -r /etc/phagescan/tls").ok()


@pytest.fixture
def certificate(secure: Machine) -> str:
    """What clients verify it by."""
    return trusted(secure, secure.read("/etc/phagescan/tls/certificate.pem"))


def trusted(machine: Machine, pem: str) -> str:
    """A file with a certificate."""
    path = machine.output / "certificate.pem"
    path.write_text(pem)
    return str(path)


def made(machine: Machine) -> tuple[bytes, bytes]:
    """Another certificate for the host, and its key, as the highstate makes them."""
    spec = importlib.util.spec_from_file_location("certificates", ROOT / "formulas" / "_utils" / "certificates.py")
    assert spec
    assert spec.loader
    certificates = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(certificates)
    return certificates.make([machine.address])


@pytest.fixture
def in_files(secure: Machine) -> Iterator[None]:
    """The same in pillar's files, for what takes no pillar on its command line."""
    secure.run(f"cp {CREDENTIALS} {CREDENTIALS}.kept").ok()
    try:
        added = r"s/^phagescan:$/&\n  tls: {self_signed: true}/; s/^rabbitmq:$/&\n  listen: 0.0.0.0/"
        secure.run(f"sed -i '{added}' {CREDENTIALS}").ok()
        yield
    finally:
        secure.run(f"mv {CREDENTIALS}.kept {CREDENTIALS}").ok()


def session(certificate: str) -> requests.Session:
    """A client that trusts this certificate, and nothing else whatever the environment says."""
    client = requests.Session()
    client.trust_env, client.verify = False, certificate
    return client


def served(machine: Machine, port: int) -> str:
    """The certificate that is shown on a port."""
    return ssl.get_server_certificate((machine.address, port), timeout=30)


def handshake(machine: Machine, port: int, certificate: str, version: ssl.TLSVersion, name: str = "") -> ssl.SSLSocket:
    """Speak one version of TLS, as a client that leaves it to the server to refuse an old one."""
    context = ssl.create_default_context(cafile=certificate)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2"])
    with socket.create_connection((machine.address, port), 30) as connection:
        return context.wrap_socket(connection, server_hostname=name or machine.address)


def broker(machine: Machine, certificate: str) -> amqp.Connection:
    """The broker as a worker on another host reaches it."""
    return amqp.Connection(
        f"{machine.address}:5671",
        userid="phageworkeruser",
        password=machine.secrets["worker"],
        virtual_host="phage",
        connect_timeout=30,
        ssl={"cert_reqs": ssl.CERT_REQUIRED, "ca_certs": certificate, "server_hostname": machine.address},
    )


def test_second_run(secure: Machine) -> None:
    """A second run changes nothing."""
    secure.highstate(SELF_SIGNED).clean()


def test_files(secure: Machine) -> None:
    """The key is root's, and the broker's is the broker's."""
    for path, wanted in {
        "/etc/phagescan/tls/certificate.pem": "root:root 644",
        "/etc/phagescan/tls/key.pem": "root:root 600",
        "/etc/nginx/tls/server.pem": "root:root 600",
        "/etc/rabbitmq/tls/server.pem": "root:rabbitmq 640",
    }.items():
        assert secure.run(f"stat -c '%U:%G %a' {path}").ok().stdout.strip() == wanted


def test_key_is_nowhere_else(secure: Machine) -> None:
    """No output, log or cache holds the key."""
    key = secure.read("/etc/phagescan/tls/key.pem").splitlines()[1]
    secure.put({"/root/pattern": key.encode()}, mode=0o600)
    found = secure.run(
        "find / -xdev -type f -size -4096k ! -path /root/pattern -exec grep -laF -f /root/pattern {} +"
    ).stdout
    assert sorted(found.split()) == [
        "/etc/nginx/tls/server.pem",
        "/etc/phagescan/tls/key.pem",
        "/etc/rabbitmq/tls/server.pem",
    ]
    secure.run("rm /root/pattern").ok()
    assert key not in (secure.output / "highstates.txt").read_text()


@pytest.mark.parametrize("host", ["", "scan.example", "scan.example:80"])
def test_port_80_redirects(secure: Machine, host: str) -> None:
    """To HTTPS, with the same host and path, whatever is asked."""
    headers = {"Host": host} if host else {}
    for method in ("GET", "POST"):
        page = requests.request(
            method, f"http://{secure.address}/a/%2F?b=c", headers=headers, allow_redirects=False, timeout=30
        )
        assert page.status_code == 301
        assert page.headers["Location"] == f"https://{host.removesuffix(':80') or secure.address}/a/%2F?b=c"
        assert page.headers["Server"] == "nginx"


def test_loopback(secure: Machine) -> None:
    """On the host itself nothing redirects, and one logs in at port 9000 without HTTPS."""
    script = (
        "import json, re, sys, urllib.request as r, urllib.parse as p, http.cookiejar as c\n"
        "opener = r.build_opener(r.HTTPCookieProcessor(c.CookieJar()))\n"
        "for url in ('http://127.0.0.1/login/', 'http://127.0.0.1:9000/login/'):\n"
        '    token = re.search(\'csrfmiddlewaretoken" value="(.*?)"\', opener.open(url).read().decode())[1]\n'
        "    form = {'csrfmiddlewaretoken': token, 'username': 'admin', 'password': sys.stdin.readline().strip()}\n"
        "    print(opener.open(r.Request(url, p.urlencode(form).encode(), {'Referer': url})).url)\n"
    )
    secure.put({"/root/login.py": script.encode()})
    secure.put({"/root/password": f"{secure.secrets['admin']}\n".encode() * 2}, mode=0o600)
    said = secure.run("/opt/phagescan-venv/bin/python /root/login.py </root/password; rm /root/password").ok().stdout
    assert said.split() == ["http://127.0.0.1/", "http://127.0.0.1:9000/"]


@pytest.mark.parametrize(
    ("path", "status"), [("/login/", 200), ("/static/admin/css/base.css", 200), ("/static/no", 404), ("/no", 404)]
)
def test_strict_transport_security(secure: Machine, certificate: str, path: str, status: int) -> None:
    """Every answer says once that this host is to be reached by HTTPS."""
    page = session(certificate).get(f"https://{secure.address}{path}", allow_redirects=False, timeout=30)
    assert (page.status_code, page.headers["Strict-Transport-Security"]) == (status, HSTS)
    assert page.headers["X-Content-Type-Options"] == "nosniff"


def test_strict_transport_security_while_django_is_down(secure: Machine, certificate: str) -> None:
    """The page shown in Django's place says so, too."""
    secure.service("gunicorn", "stop").ok()
    try:
        page = session(certificate).get(f"https://{secure.address}/", timeout=30)
        assert (page.status_code, page.headers["Strict-Transport-Security"]) == (502, HSTS)
    finally:
        secure.service("gunicorn", "start").ok()


def test_login(secure: Machine, certificate: str) -> None:
    """A person logs in, and no cookie ever travels unencrypted."""
    client, page = sign_in(secure, secure.secrets["admin"], client=session(certificate))
    assert page.url == f"https://{secure.address}/"
    assert 'type="password"' not in page.text
    assert {cookie.name: cookie.secure for cookie in client.cookies} == {"csrftoken": True, "sessionid": True}


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
@pytest.mark.parametrize("port", [443, 5671])
def test_versions(secure: Machine, certificate: str, port: int) -> None:
    """TLS 1.2 and 1.3, and none before; the certificate is for this host's name, and for no other."""
    for version, name in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
        connection = handshake(secure, port, certificate, version)
        assert connection.version() == name
        assert connection.selected_alpn_protocol() == ("h2" if port == 443 else None)
        handshake(secure, port, certificate, version, "localhost")
    with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
        handshake(secure, port, certificate, ssl.TLSVersion.TLSv1_1)
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        handshake(secure, port, certificate, ssl.TLSVersion.TLSv1_3, "other.example")


def test_scan(secure: Machine, certificate: str) -> None:
    """A sample goes in and its verdicts come out; the worker of this host needs no key of pillar."""
    api = Api(secure)
    api.url, api.session = api.url.replace("http:", "https:"), session(certificate)
    api.session.headers["Authorization"] = Api(secure).session.headers["Authorization"]
    wait_until(lambda: api.engines() >= {"yara", "fileinfo"}, "both engines are announced")
    answer = api.upload(EICAR + b"tls")
    assert answer.json()["url"].startswith("/api/samples/")
    assert api.scan(EICAR + b"tls")["yara"]["infected"] is True


def test_canary(secure: Machine) -> None:
    """The canary flies."""
    secure.canary().ok()


@pytest.mark.usefixtures("in_files")
def test_status(secure: Machine) -> None:
    """All is well while both ports show the file's certificate; one that was renewed and is not served yet is named."""
    wait_until(lambda: well(secure), "all is well", 60)
    code, parts = status(secure)
    assert (code, list(parts)) == (0, [*PARTS, "certificate"])
    assert parts["certificate"]["ok"] is True
    path = "/etc/phagescan/tls/certificate.pem"
    assert parts["certificate"]["said"].startswith(f"{path} is valid until ")
    certificate, key = made(secure)
    secure.run("rm -rf /root/tls-kept && cp -a /etc/phagescan/tls /root/tls-kept").ok()
    try:
        secure.put({path: certificate})
        secure.put({"/etc/phagescan/tls/key.pem": key}, mode=0o600)
        code, parts = status(secure)
    finally:
        secure.run("rm -r /etc/phagescan/tls && mv /root/tls-kept /etc/phagescan/tls").ok()
    assert code == 1
    assert [name for name, part in parts.items() if part["ok"] is False] == ["certificate"]
    for port in (443, 5671):
        said = f"port {port} serves another certificate than {path}, one that is valid until "
        assert said in parts["certificate"]["said"]
    wait_until(lambda: well(secure), "all is well again", 30)


def test_deployment_check(secure: Machine) -> None:
    """Django finds nothing to improve."""
    checked = secure.run("su - avuser -c 'python manage.py check --deploy --fail-level WARNING'").ok()
    assert checked.stdout.strip() == "System check identified no issues (4 silenced)."
    assert checked.stderr == ""


def test_broker(secure: Machine, certificate: str) -> None:
    """Other hosts speak AMQPS, with a login and a certificate that is verified; AMQP is for this host alone."""
    connection = broker(secure, certificate)
    connection.connect()
    assert connection.connected
    connection.close()
    with pytest.raises(ssl.SSLCertVerificationError):
        broker(secure, certifi.where()).connect()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((secure.address, 5672), 30)


def test_ports(secure: Machine) -> None:
    """Nothing else accepts a connection from outside."""
    assert asyncio.run(scan(secure.address)) == [80, 443, 5671]


def beam(machine: Machine) -> str:
    """The broker's process."""
    return machine.run("pgrep -x beam.smp").ok().stdout


def read_by_broker(machine: Machine) -> None:
    """What Erlang does by itself every two minutes."""
    machine.run("rabbitmqctl -q eval 'ssl:clear_pem_cache().'").ok()


def test_renewal(secure: Machine, certificate: str) -> None:
    """A certificate that is made again is what is shown after a highstate; the broker is not restarted for it."""
    before, process = Path(certificate).read_text(), beam(secure)
    assert served(secure, 443) == served(secure, 5671) == before
    secure.run("rm /etc/phagescan/tls/certificate.pem").ok()
    changed = {change.identifier for change in secure.highstate(SELF_SIGNED).ok().changed}
    assert changed == {"application-certificate", "nginx-certificate", "rabbitmq-certificate", "nginx-service"}
    after = secure.read("/etc/phagescan/tls/certificate.pem")
    read_by_broker(secure)
    assert before != after
    assert served(secure, 443) == served(secure, 5671) == after
    assert beam(secure) == process


def test_files_of_the_operator(secure: Machine) -> None:
    """They are what is shown, however old, and only root can read the key; one that does not fit is refused."""
    (certificate, key), (_, other) = made(secure), made(secure)
    secure.put({"/root/tls/chain.pem": certificate})
    secure.put({"/root/tls/key.pem": other}, mode=0o600)
    before, process = served(secure, 443), beam(secure)
    (fault,) = secure.highstate(GIVEN).failed
    assert fault.comment.startswith("phagescan:tls:key: /root/tls/key.pem is not that of")
    assert served(secure, 443) == before
    secure.put({"/root/tls/key.pem": key}, mode=0o600)
    secure.run("touch -d 2020-01-01 /root/tls/*").ok()
    secure.highstate(GIVEN).ok()
    secure.highstate(GIVEN).clean()
    read_by_broker(secure)
    assert served(secure, 443) == served(secure, 5671) == certificate.decode()
    assert beam(secure) == process
    connection = broker(secure, trusted(secure, certificate.decode()))
    connection.connect()
    connection.close()
    secure.run("rm -r /root/tls").ok()


def test_off_again(secure: Machine) -> None:
    """Without the key all is plain as before, and no copy of the key is left where services were given it."""
    secure.highstate().ok()
    secure.highstate().clean()
    page = requests.get(f"http://{secure.address}/login/", timeout=30)
    assert page.status_code == 200
    assert "Strict-Transport-Security" not in page.headers
    for port in (443, 5671):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((secure.address, port), 30)
    assert secure.run("ls -A /etc/nginx/tls /etc/rabbitmq/tls | grep pem").stdout == ""
    sign_in(secure, secure.secrets["admin"])[1].raise_for_status()
    api = Api(secure)
    wait_until(lambda: api.engines() >= {"yara", "fileinfo"}, "both engines are announced")
    assert api.scan(EICAR + b"plain again")["yara"]["infected"] is True
    secure.canary().ok()
