"""What ./bootstrap makes of its arguments, and of how it is called, before it looks at the host."""

import os
import pty
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
VERSION = (ROOT / "VERSION").read_text()


def run(*words: str | Path, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command with an environment of its own."""
    return subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("argument", ["--help", "-h"])
def test_help(argument: str) -> None:
    """Help is given, and nothing else is done."""
    shown = run("./bootstrap", argument, "test=True")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.startswith("Usage: ./bootstrap ")


@pytest.mark.parametrize(
    "argument", ["tset=True", "test=maybe", "-n", "--tset", "install", "", "test = True", "PILLAR={}"]
)
def test_unknown_argument(argument: str) -> None:
    """An argument that it does not know is named and refused."""
    refused = run("./bootstrap", "test=True", argument)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == f"bootstrap: unknown argument: {argument} (see ./bootstrap --help)\n"


def test_full_list() -> None:
    """Salt's full list is asked for as Salt spells it; what is for programs bootstrap does not print."""
    assert run("./bootstrap", "--out=highstate", "--version").stdout == VERSION
    assert run("./bootstrap", "--out=json", "--version").returncode == 2


def test_adopt_is_no_preview() -> None:
    """What a host belongs to is not previewed."""
    refused = run("./bootstrap", "--adopt", "test=1")
    assert refused.returncode == 1
    assert refused.stderr.startswith("bootstrap: --adopt changes what this host belongs to")


def test_link(tmp_path: Path) -> None:
    """Through symbolic links, relative ones too, it finds its checkout."""
    (tmp_path / "pb").symlink_to(os.path.relpath(ROOT / "bootstrap", tmp_path))
    (tmp_path / "again").symlink_to("pb")
    assert run("./again", "--version", cwd=tmp_path).stdout == VERSION


def test_by_another_directory() -> None:
    """By a relative path and with CDPATH, with no PATH and as a shell's argument, it does too."""
    parent, name = ROOT.parent, ROOT.name
    assert run("/bin/sh", f"{name}/bootstrap", "--version", cwd=parent, CDPATH=".:/tmp").stdout == VERSION
    assert run("/bin/sh", "bootstrap", "--version", PATH="").stdout == VERSION


def test_not_in_a_checkout(tmp_path: Path) -> None:
    """A copy of the file alone, or what comes through a pipe, says where to run."""
    shutil.copy(ROOT / "bootstrap", tmp_path)
    refused = run("./bootstrap", "test=True", cwd=tmp_path)
    assert refused.returncode == 1
    assert refused.stderr == f"bootstrap: run this in the checkout, as ./bootstrap: {tmp_path} is none\n"
    with (ROOT / "bootstrap").open() as text:
        piped = subprocess.run(["/bin/sh"], cwd=tmp_path, stdin=text, capture_output=True, text=True)
    assert piped.returncode == 1
    assert piped.stderr.startswith("bootstrap: run this in the checkout")


@pytest.mark.parametrize("name", ['a"b', "a'b", "a$b", "a`b", "a\\b", "a\nb", "a;b", "a{{b}}", "ü"])
def test_path(tmp_path: Path, name: str) -> None:
    """A path that files of sh and YAML would take for something else is refused before anything is done."""
    checkout = tmp_path / name
    (checkout / "roots/minion").mkdir(parents=True)
    (checkout / "roots/minion/salt.txt").touch()
    shutil.copy(ROOT / "bootstrap", checkout)
    refused = run("./bootstrap", "test=True", cwd=checkout)
    assert refused.returncode == 1
    assert refused.stderr.endswith(": move the checkout to a path of letters, digits and / . _ - only\n")


def test_path_with_a_blank(tmp_path: Path) -> None:
    """A blank does no harm."""
    checkout = tmp_path / "a b"
    (checkout / "roots/minion").mkdir(parents=True)
    (checkout / "roots/minion/salt.txt").touch()
    (checkout / "VERSION").write_text("9.9\n")
    shutil.copy(ROOT / "bootstrap", checkout)
    assert run("./bootstrap", "--version", cwd=checkout).stdout == "9.9\n"


def watched(tmp_path: Path, command: str) -> str:
    """A script that has bootstrap's function of this name, and runs a command by it."""
    function = re.search(r"(?ms)^watched\(\) \{.*?^\}", (ROOT / "bootstrap").read_text())
    assert function
    return f"set -eu; log={tmp_path}/log; exec 9>{tmp_path}/lock\n{function[0]}\ncode=0; {command}; echo code $code"


def test_watched(tmp_path: Path) -> None:
    """On a terminal what takes its time says what it is at, and for how long; the line goes with it."""
    go_on = tmp_path / "go-on"
    os.mkfifo(go_on)
    script = watched(tmp_path, f"watched sh -c 'echo Setting up nginx; read -r _ <{go_on}; exit 3' >>$log || code=$?")
    ours, theirs = pty.openpty()
    with subprocess.Popen(["/bin/sh", "-c", script], stdout=theirs, stderr=theirs) as ran:
        seen = b""
        while b"Setting up nginx  1 s" not in seen:
            seen += os.read(ours, 1000)
        go_on.write_text("\n")
        while b"code 3\r\n" not in seen:
            seen += os.read(ours, 1000)
    assert ran.returncode == 0
    assert b"\r\x1b[Kcode 3\r\n" in seen
    os.close(ours)
    os.close(theirs)


def test_watched_without_a_terminal(tmp_path: Path) -> None:
    """Nothing is added; how the command ends is how it ends, and the log has what it said."""
    (tmp_path / "log").write_text("of a phase before\n")
    script = watched(tmp_path, "watched sh -c 'echo said; echo wrong >&2; exit 3' >>$log || code=$?")
    ran = run("/bin/sh", "-c", script, PATH="/usr/bin:/bin")
    assert (ran.stdout, ran.stderr) == ("code 3\n", "wrong\n")
    assert (tmp_path / "log").read_text() == "said\n"


def functions(names: str) -> str:
    """Some functions of bootstrap, and those that they speak by."""
    text = (ROOT / "bootstrap").read_text()
    found = re.findall(rf"(?ms)^(?:{names})\(\) \{{.*?^\}}", text)
    assert len(found) == names.count("|") + 1
    return "\n".join(["set -eu", *re.findall(r"(?m)^(?:say|die)\(\).*", text), *found, ""])


def test_environment() -> None:
    """Of the caller's counts what says how to reach the world; where files go, and in which language, does not."""
    kept = {
        "PATH": "/usr/bin:/bin",
        "HOME": "/home/me",
        "https_proxy": "http://proxy:3128",
        "PIP_INDEX_URL": "http://i/",
    }
    gone = {"TMPDIR": "/mine", "LANG": "de_DE", "LANGUAGE": "de", "LC_MESSAGES": "de_DE", "PYTHONPATH": "/evil"}
    seen = run("/bin/sh", "-c", f"{functions('clean_environment')}\nclean_environment; env", cwd=ROOT, **kept, **gone)
    assert {f"{name}={value}" for name, value in kept.items()} <= {*seen.stdout.splitlines()}
    assert not [line for line in seen.stdout.splitlines() if line.partition("=")[0] in gone]


@pytest.mark.parametrize(
    ("given", "kept"),
    [({}, ""), ({"https_proxy": "http://p/", "PIP_INDEX_URL": "http://i/", "LANG": "C"}, "PIP_INDEX_URL,https_proxy")],
)
def test_sudo(tmp_path: Path, given: dict[str, str], kept: str) -> None:
    """How to reach the world is handed on to root."""
    for name, text in (("id", "echo 1000"), ("sudo", 'echo "$@"')):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    script = f"{functions('become_root')}\ncheckout='/a b'; become_root test=True"
    environment = {**given, "PATH": f"{tmp_path}:/usr/bin:/bin"}
    said = subprocess.run(["/bin/sh", "-c", script], env=environment, capture_output=True, text=True).stdout.split(
        " ", 1
    )
    if kept:
        option, names = said.pop(0).split("=")
        assert option == "--preserve-env"
        assert sorted(names.split(",")) == kept.split(",")
    assert " ".join(said) == "-- /a b/bootstrap test=True\n"


def test_read_only() -> None:
    """A directory that cannot be written is named before anything is installed."""
    setting = "checkout=/tmp; wrapper=/usr/bin/ours; salt=/usr; untested=yes; PATH=/usr/bin:/bin"
    script = f"{functions('check_host|tested')}\n{setting}\ncheck_belonging() {{ :; }}\ncheck_host; echo well"
    command = ["/bin/sh", "-c", script.replace("$salt/installed", "$salt")]
    refused = subprocess.run(command, user=65534 if os.getuid() == 0 else None, capture_output=True, text=True)
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1].startswith("bootstrap: /opt cannot be written: ")
    if os.getuid() == 0:
        assert subprocess.run(command, capture_output=True, text=True).stdout.endswith("well\n")


def test_another_salt(tmp_path: Path) -> None:
    """That there is one, and what it is called from now on, is said."""
    text = functions("check_belonging").replace("/usr/bin/salt-call", f"{tmp_path}/salt-call")
    script = f"{text}\nwrapper={tmp_path}/ours; checkout=/; adopt=yes; check_belonging"
    assert run("/bin/sh", "-c", script, PATH="/usr/bin:/bin").stderr == ""
    (tmp_path / "salt-call").touch()
    said = run("/bin/sh", "-c", script, PATH="/usr/bin:/bin").stderr
    assert said.startswith("bootstrap: this host has another Salt, which stays: it is ")


@pytest.fixture
def wrapper(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs salt-call as bootstrap writes it, with a Salt that prints where it is and its arguments."""
    interpreter = os.path.realpath("/usr/bin/python3")
    salt, checkout = tmp_path / "salt", tmp_path / "check out"
    (salt / "lib" / os.path.basename(interpreter) / "site-packages").mkdir(parents=True)
    (salt / "bin").mkdir()
    (salt / "bin/python").write_text('#!/bin/sh\npwd; echo "$@" "${PYTHONPATH-none}${TMPDIR-}${LANGUAGE-}" $LC_ALL\n')
    checkout.mkdir()
    (checkout / "bootstrap").touch()
    names = {"checkout": checkout, "salt": salt, "interpreter": interpreter, "python": os.path.basename(interpreter)}
    text = (ROOT / "roots/minion/salt-call").read_text()
    text = re.sub("@([a-z]+)@", lambda match: str(names[match[1]]), text)
    (salt / "bin/python").chmod(0o755)

    def call(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        environment = {"PYTHONPATH": "/evil", "TMPDIR": "/mine", "LANGUAGE": "de", "LC_ALL": "de_DE"}
        command = ["/bin/sh", "-c", text, "salt-call", *arguments]
        return subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, **options)

    return call


@pytest.mark.skipif(os.getuid() != 0, reason="it is root's")
def test_salt_call(wrapper: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path) -> None:
    """It is Salt in the checkout; where that or its Python is gone it says what to do. No other process is started."""
    checkout = tmp_path / "check out"
    ran = wrapper("--local", "test.ping")
    assert ran.stdout.splitlines() == [
        str(checkout),
        f"-I {tmp_path}/salt/bin/salt-call --local test.ping none C.UTF-8",
    ]
    lib = tmp_path / "salt/lib"
    lib.rename(tmp_path / "salt/old")
    assert wrapper().stderr == f"salt-call: Python has changed: run {checkout}/bootstrap\n"
    (checkout / "bootstrap").unlink()
    assert wrapper().stderr.startswith(f"salt-call: the checkout {checkout} is gone: ")
    text = (ROOT / "roots/minion/salt-call").read_text()
    assert "$(" not in text
    assert "`" not in text


def test_salt_call_of_an_ordinary_user(wrapper: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    """A user who is not root is sent to root."""
    ran = wrapper(user=65534 if os.getuid() == 0 else None)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == "salt-call: run this as root, for example with sudo\n"
