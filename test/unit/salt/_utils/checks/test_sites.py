"""Sites of others in the nginx of this host: who gets the requests that name no site."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

NAME, LISTEN = "nginx:sites:phagescan:server_name", "nginx:sites:phagescan:listen"
OTHER = "sites-enabled/other"


@pytest.fixture
def nginx(tmp_path: Path) -> Callable[..., None]:
    """Gives this host a site of somebody's."""

    def write(listen: str, path: str = OTHER, name: str = "other.example") -> None:
        file = tmp_path / "etc/nginx" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        lines = "".join(f"listen {each};\n" for each in listen.split(",") if each)
        file.write_text(
            f'# server {{ listen 80; }}\nserver {{\n{lines} server_name {name};\n return 200 "other";\n}}\n'
        )

    return write


@pytest.mark.parametrize(
    ("listen", "path", "first"),
    [
        ("80", OTHER, True),
        ("", OTHER, True),
        ("80", "conf.d/shop.conf", True),
        ("[::]:80, *:80", OTHER, True),
        ("10.0.0.1:80", "sites-enabled/zoo", True),
        ("80 default_server", "sites-enabled/zoo", True),
        ("80", "sites-enabled/zoo", False),
        ("8081", OTHER, False),
        ("127.0.0.1:80", OTHER, False),
        ("unix:/run/shop", OTHER, False),
        ("80", "sites-available/other", False),
    ],
)
def test_nameless_requests(
    examine: Callable[..., list[str]], nginx: Callable[..., None], listen: str, path: str, first: bool
) -> None:
    """Where somebody's site gets what names no site the run says so, and what to set."""
    nginx(listen, path)
    found = examine()
    assert bool(found) == first
    for line in found:
        assert line.startswith(f"{NAME}: requests that name no site go elsewhere, to ")
        assert f"/etc/nginx/{path}; set this key, in pillar/local.sls, to the name" in line
    assert examine({NAME: "scan.example"}) == []


def test_default_server(examine: Callable[..., list[str]], nginx: Callable[..., None]) -> None:
    """A site that is the default in pillar gets them."""
    nginx("80")
    assert examine({LISTEN: "80 default_server"}) == []


def test_tls(examine: Callable[..., list[str]], nginx: Callable[..., None]) -> None:
    """With TLS its port counts as well."""
    nginx("443 ssl")
    assert examine() == []
    (line,) = examine({"phagescan:tls": {"self_signed": True}})
    assert line.startswith(f"{NAME}: requests that name no site go elsewhere, to ")


def test_names(examine: Callable[..., list[str]], nginx: Callable[..., None]) -> None:
    """A name is that of one site."""
    nginx("80", name="other.example scan.example")
    (line,) = examine({NAME: "scan.example"})
    assert line.startswith(f"{NAME}: scan.example is a name of ")
    nginx("8081", name="other.example scan.example")
    assert examine({NAME: "scan.example"}) == []


def test_debians_default(examine: Callable[..., list[str]], nginx: Callable[..., None], tmp_path: Path) -> None:
    """Debian's default site is a link, which a run removes; a file in its place stays."""
    nginx("80 default_server", "sites-available/default", "_")
    (tmp_path / "etc/nginx/sites-enabled").mkdir()
    (tmp_path / "etc/nginx/sites-enabled/default").symlink_to("../sites-available/default")
    assert examine() == []
    (tmp_path / "etc/nginx/sites-enabled/default").unlink()
    nginx("80 default_server", "sites-enabled/default", "_")
    assert len(examine()) == 1


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("include /etc/nginx/conf.d/*.conf;\n include /etc/nginx/sites-enabled/*;", True),
        ("include sites-enabled/*;", True),
        ("include 'sites-enabled/*' ;", True),
        ("http { include mime.types; include more.conf; }", True),
        ("include /etc/nginx/conf.d/*.conf;", False),
        ("# include /etc/nginx/sites-enabled/*;", False),
        ("include /etc/nginx/sites-enabled/*.conf;", False),
        ("include /etc/nginx/loop.conf;", False),
    ],
)
def test_directory_is_read(examine: Callable[..., list[str]], tmp_path: Path, text: str, read: bool) -> None:
    """An nginx.conf of the operator that does not read the directory of our sites is named, with the line to add."""
    top = tmp_path / "etc/nginx"
    top.mkdir(parents=True)
    (top / "nginx.conf").write_text(text.replace("/etc/nginx", str(top)))
    (top / "more.conf").write_text("include sites-enabled/*;")
    (top / "loop.conf").write_text(f"include {top}/loop.conf;")
    expected = f"{top}/nginx.conf: has nginx not read {top}/sites-enabled, where sites of this master would be; "
    expected += f"add to its block http the line: include {top}/sites-enabled/*;"
    assert examine() == ([] if read else [expected])


def test_notes(load: Callable[..., Any], nginx: Callable[..., None], monkeypatch: Any, tmp_path: Path) -> None:
    """With a name of its own the doctor says who gets the others."""
    sites = load("_utils/doctor").sites
    monkeypatch.setattr(sites, "NGINX", tmp_path / "etc/nginx")
    site = {"listen": 80, "server_name": "scan.example"}
    assert list(sites.notes({"phagescan": site})) == []
    nginx("80")
    (note,) = sites.notes({"phagescan": site})
    assert note.startswith("nginx:sites:phagescan: requests that name no site go to ")
    assert note.endswith("/etc/nginx/sites-enabled/other; ours answers to scan.example alone")


STREAM = "stream {{ map $a $b {{ x y; }} server {{ {} proxy_pass b; }} }}\n"
HTTP = "http { include sites-enabled/*; server { listen 8081; } }\n"


@pytest.mark.parametrize(
    ("listen", "keys"),
    [
        ("listen 80;", [LISTEN]),
        ("listen 443; listen [::]:443;", ["nginx:tls_port"]),
        ("listen 10.0.0.1:443 reuseport;", ["nginx:tls_port"]),
        ("# listen 80;\n", []),
        ("listen 8443;", []),
        ("listen unix:/run/x;", []),
    ],
)
@pytest.mark.parametrize("included", [True, False])
def test_streams(
    examine: Callable[..., list[str]], tmp_path: Path, listen: str, keys: list[str], included: bool
) -> None:
    """A port of nginx's block stream is taken, which nginx itself finds out when it starts."""
    top = tmp_path / "etc/nginx"
    (top / "modules-enabled").mkdir(parents=True)
    text, other = STREAM.format(listen), top / "modules-enabled/90-stream.conf"
    (top / "nginx.conf").write_text(("include modules-enabled/*.conf;\n" if included else text) + HTTP)
    other.write_text(text)
    lines = examine({"phagescan:tls": {"self_signed": True}})
    assert [line.partition(": port ")[0] for line in lines] == keys
    assert all(
        f"is that of a stream in {top}/nginx.conf, or in what that includes; choose another" in line for line in lines
    )


@pytest.mark.parametrize(
    ("user", "group", "well"),
    [
        ("", "www-data", True),
        ("user www-data;", "www-data", True),
        ("user nginx;", "www-data", False),
        ("# user nginx;", "www-data", True),
        ("user nginx;", "nginx", True),
        ("user nginx www-data ;", "www-data", True),
        ("user root;", "www-data", True),
        ("", "nginx", False),
    ],
)
def test_user(examine: Callable[..., list[str]], tmp_path: Path, user: str, group: str, well: bool) -> None:
    """An nginx that runs as a user of its operator's choice may open gunicorn's socket."""
    (tmp_path / "etc/nginx").mkdir(parents=True)
    (tmp_path / "etc/nginx/nginx.conf").write_text(f"{user}\n{HTTP}")
    lines = examine({"gunicorn:socket_group": group})
    assert not lines if well else lines[0].startswith("gunicorn:socket_group: nginx runs as ")
    expected = "nginx" if user else "www-data"
    assert well or lines[0].endswith(f"; make this key {expected}, in pillar/local.sls")


def test_ipv4_by_ipv6(examine: Callable[..., list[str]], nginx: Callable[..., None]) -> None:
    """Beside a place of IPv6 that has IPv4, too, nothing else can listen; it can be shared."""
    nginx("[::]:80 ipv6only=off", "sites-enabled/zoo")
    (line,) = examine({NAME: "scan.example"})
    assert line.startswith(f"{LISTEN}: ")
    assert line.endswith("make this key '[::]:80', which is both there")
    for listen in ("[::]:80", "8080", "127.0.0.1:80"):
        assert examine({NAME: "scan.example", LISTEN: listen}) == []
