"""One program under supervisord, against a server that speaks XML-RPC on a socket as supervisord does."""

import base64
import os
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xmlrpc.client import Fault
from xmlrpc.server import SimpleXMLRPCDispatcher, SimpleXMLRPCRequestHandler

import pytest

UP = ("RUNNING", "STARTING", "BACKOFF")


class Supervisor:
    """The methods of supervisord that the state calls, with supervisord's own refusals."""

    def __init__(self) -> None:
        self.programs = {
            "camera": {"statename": "RUNNING", "start": 1000},
            "other": {"statename": "RUNNING", "start": 1},
        }
        self.configured = {"camera", "other"}
        self.autostart, self.starts = True, True
        self.did: list[str] = []

    def getProcessInfo(self, name: str) -> dict[str, Any]:  # noqa: N802  # supervisord's names
        """What is known of a program."""
        if name not in self.programs:
            raise Fault(10, f"BAD_NAME: {name}")
        return self.programs[name]

    def reloadConfig(self) -> list[Any]:  # noqa: N802
        """Read the files; nothing takes effect."""
        self.did.append("reload")
        return [[[], [], []]]

    def stopProcess(self, name: str) -> bool:  # noqa: N802
        """Stop a program."""
        if self.programs[name]["statename"] not in UP:
            raise Fault(70, f"NOT_RUNNING: {name}")
        self.did.append(f"stop {name}")
        self.programs[name]["statename"] = "STOPPED"
        return True

    def removeProcessGroup(self, name: str) -> bool:  # noqa: N802
        """Forget a stopped program."""
        if self.programs[name]["statename"] in UP:
            raise Fault(91, f"STILL_RUNNING: {name}")
        self.did.append(f"remove {name}")
        del self.programs[name]
        return True

    def addProcessGroup(self, name: str) -> bool:  # noqa: N802
        """Take a program from the files."""
        if name in self.programs:
            raise Fault(90, f"ALREADY_ADDED: {name}")
        if name not in self.configured:
            raise Fault(10, f"BAD_NAME: {name}")
        self.did.append(f"add {name}")
        self.programs[name] = {"statename": "STARTING" if self.autostart else "STOPPED", "start": int(time.time())}
        return True

    def startProcess(self, name: str) -> bool:  # noqa: N802
        """Start a program."""
        if not self.starts:
            raise Fault(50, f"SPAWN_ERROR: {name}")
        self.did.append(f"start {name}")
        self.programs[name]["statename"] = "RUNNING"
        return True


class Handler(SimpleXMLRPCRequestHandler):
    """A request that came through a unix socket."""

    disable_nagle_algorithm = False

    def log_message(self, *_arguments: Any) -> None:
        """No one reads it."""


class Server(socketserver.UnixStreamServer, SimpleXMLRPCDispatcher):
    """The dispatcher on a unix socket."""

    logRequests = False  # noqa: N815

    def __init__(self, path: str) -> None:
        SimpleXMLRPCDispatcher.__init__(self, allow_none=True)
        socketserver.UnixStreamServer.__init__(self, path, Handler)


@pytest.fixture
def socket_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where the socket is to be; its path must be short."""
    return str(tmp_path_factory.mktemp("s") / "sock")


@pytest.fixture
def supervisor(socket_path: str) -> Iterator[Supervisor]:
    """A server that answers at the socket."""
    supervisor = Supervisor()
    with Server(socket_path) as server:
        server.register_instance(SimpleNamespace(supervisor=supervisor), allow_dotted_names=True)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield supervisor
        server.shutdown()


@pytest.fixture
def state(load: Callable[..., Any], socket_path: str, tmp_path: Path) -> Callable[..., Any]:
    """Makes the state module, with a watched file that changed at a given time."""

    def make(changed: float = 500, *, test: bool = False) -> Any:
        path = tmp_path / "camera.conf"
        path.touch()
        os.utime(path, (changed, changed))
        file = {"state": "file", "name": str(path), "fun": "managed", "__id__": "camera-config", "__sls__": "x"}
        module = load(
            "_states/supervisor_program",
            __low__={"watch": [{"file": "camera-config"}]},
            __lowstate__=[file],
            __opts__={"test": test},
            __utils__={
                f"freshness.{name}": value
                for name, value in vars(load("_utils/freshness", __opts__={"test": False})).items()
            },
        )
        module.SOCKET, module.CONFIGURATION = socket_path, str(tmp_path / "supervisord.conf")
        return module

    return make


def test_where_it_listens(
    state: Callable[..., Any], supervisor: Supervisor, socket_path: str, tmp_path: Path, monkeypatch: Any
) -> None:
    """Its own configuration says where, and whether it asks for a login, which no error shows."""
    module = state()
    module.SOCKET = f"{socket_path}.none"
    asked: list[str] = []
    monkeypatch.setattr(Handler, "parse_request", lambda self: _parsed(self, asked), raising=False)
    text = f"[unix_http_server]\nfile={socket_path}  ; the socket\nusername = ada\npassword = a;b%c\n"
    (tmp_path / "supervisord.conf").write_text(text)
    assert module.running("camera")["result"] is True
    assert supervisor.did == []
    assert asked == [f"Basic {base64.b64encode(b'ada:a;b%c').decode()}"]
    module.__opts__["test"] = True
    for broken in (b"not a setting\n", b"# \xfcber\n"):
        (tmp_path / "supervisord.conf").write_bytes(broken)
        assert module.running("camera")["result"] is None


def _parsed(handler: Handler, asked: list[str]) -> bool:
    """Read a request, and keep the login that it brings."""
    well = super(SimpleXMLRPCRequestHandler, handler).parse_request()
    asked.append(handler.headers.get("Authorization", ""))
    return well


RESTART = ["reload", "stop camera", "remove camera", "add camera"]


@pytest.mark.parametrize("statename", ["RUNNING", "STARTING"])
def test_clean(state: Callable[..., Any], supervisor: Supervisor, statename: str) -> None:
    """A program that runs and has read its file is left alone."""
    supervisor.programs["camera"]["statename"] = statename
    result = state().running("camera")
    assert (result["result"], result["changes"], supervisor.did) == (True, {}, [])


@pytest.mark.parametrize("test", [True, False])
@pytest.mark.parametrize(
    ("info", "changed", "did"),
    [
        ({"statename": "RUNNING", "start": 1000}, 2000, RESTART),
        ({"statename": "BACKOFF", "start": 1000}, 500, RESTART),
        ({"statename": "FATAL", "start": 1000}, 500, ["reload", "remove camera", "add camera"]),
        ({"statename": "STOPPED", "start": 0}, 500, ["reload", "remove camera", "add camera"]),
        (None, 500, ["reload", "add camera"]),
    ],
)
def test_restarted(
    state: Callable[..., Any],
    supervisor: Supervisor,
    info: dict[str, Any] | None,
    changed: float,
    did: list[str],
    test: bool,
) -> None:
    """A program that is down, unknown or older than its file is taken again from the files, and no other is touched."""
    supervisor.programs.pop("camera")
    if info:
        supervisor.programs["camera"] = info
    result = state(changed, test=test).running("camera")
    assert result["result"] is (None if test else True), result["comment"]
    assert list(result["changes"]) == ["camera"]
    assert supervisor.did == ([] if test else did)
    assert supervisor.programs["other"] == {"statename": "RUNNING", "start": 1}
    if not test:
        assert state(changed).running("camera")["changes"] == {}


def test_not_started_by_itself(state: Callable[..., Any], supervisor: Supervisor) -> None:
    """A program that supervisord does not start when it is added is started."""
    supervisor.autostart = False
    assert state(2000).running("camera")["result"]
    assert supervisor.did == [*RESTART, "start camera"]


def test_cannot_be_started(state: Callable[..., Any], supervisor: Supervisor) -> None:
    """supervisord's reason is the state's."""
    supervisor.autostart = supervisor.starts = False
    result = state(2000).running("camera")
    assert (result["result"], result["changes"]) == (False, {})
    assert "SPAWN_ERROR" in result["comment"]
    assert result["skip_watch"]


def test_not_in_the_files(state: Callable[..., Any], supervisor: Supervisor) -> None:
    """A program without a section is a failure, not a success."""
    result = state().running("unheard-of")
    assert result["result"] is False
    assert "BAD_NAME" in result["comment"]
    assert supervisor.programs.keys() == {"camera", "other"}


def test_preview_without_supervisord(state: Callable[..., Any]) -> None:
    """On a bare host a preview does not wait for the socket."""
    before = time.monotonic()
    result = state(test=True).running("camera")
    assert result["result"] is None
    assert list(result["changes"]) == ["camera"]
    assert time.monotonic() - before < 1


def test_waits_for_the_socket(state: Callable[..., Any], socket_path: str) -> None:
    """A supervisord that was started a moment ago is waited for."""
    supervisor = Supervisor()
    servers: list[Server] = []

    def open_late() -> None:
        servers.append(Server(socket_path))
        servers[0].register_instance(SimpleNamespace(supervisor=supervisor), allow_dotted_names=True)
        servers[0].serve_forever(poll_interval=0.01)

    timer = threading.Timer(0.3, open_late)
    timer.daemon = True
    timer.start()
    result = state().running("camera")
    assert (result["result"], result["changes"]) == (True, {})
    servers[0].shutdown()
    servers[0].server_close()


@pytest.mark.parametrize("test", [True, False])
def test_mod_watch(state: Callable[..., Any], test: bool) -> None:
    """A preview says that a file yet to change restarts the program; the run finds it by its time."""
    result = state(test=test).mod_watch("camera", sfun="running")
    assert result["result"] is (None if test else True)
    assert bool(result["changes"]) == test
