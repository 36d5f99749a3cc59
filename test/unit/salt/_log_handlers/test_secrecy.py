"""The log filters: what Salt says of a pillar file has its place and kind, and none of its text."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import salt.pillar
from salt.exceptions import SaltRenderError

SECRET = "Secret0123456789"
ROTTEN = f"rotten{SECRET}"

# A pillar file with an error beside a secret, and what is said of it.
BROKEN = {
    "unclosed": (f"#!yaml\na: {{b: '{SECRET}'\n", "line 3, column 1: did not find expected ',' or '}'"),
    "two values": (f"#!yaml\na: {{b: 'x' '{SECRET}'}}\n", "line 2, column 12: did not find expected ',' or '}'"),
    "tag": (f"#!yaml\na: !{SECRET} x\n", "line 2, column 4: ConstructorError"),
    "alias": (f"#!yaml\na: *{SECRET}\n", "line 2, column 4: ComposerError"),
    "key twice": (f"#!yaml\na: {SECRET}\na: {SECRET}\n", "line 3: the key a is there twice; take out one"),
    "key a list": (f"#!yaml\na:\n  ? [{SECRET}]\n  : x\n", "line 3, column 5: "),
    "percent": (f"#!yaml\na: %{SECRET}\n", "line 2: found character that cannot start any token"),
    "tab": (
        f"#!yaml\na:\n\tb: {SECRET}\n",
        "line 3: found character that cannot start any token (a tab, say",
    ),
    "Latin 1": (f"#!yaml\na: {SECRET}ü\n", "it is not UTF-8; save it as that"),
    "Latin 1, jinja": (f"a: {SECRET}ü\n", "it is not UTF-8; save it as that"),
    "escape": (f'#!yaml\na: "{SECRET}\\q"\n', "line 2: found unknown escape character"),
    "colons": (f"#!yaml\na: {SECRET}: x\n", "line 2: mapping values are not allowed in this context"),
    "control character": (f'#!yaml\na: "{SECRET}\1"\n', "it has a character that YAML does not take"),
    "no number": (f"#!yaml\na: !!int {SECRET}\n", "ValueError"),
    "jinja": (f"a: '{SECRET}{{% {ROTTEN} %}}'\nb: {SECRET}\n", "line 1: TemplateSyntaxError"),
    "jinja, undefined": (f"a: '{SECRET}{{{{ {ROTTEN}.x }}}}'\nb: {SECRET}\n", "line 1: a name is not defined"),
    "jinja, other": (f"a: {{{{ '{SECRET}' | int(1 // 0) }}}}\nb: {SECRET}\n", "line 1: ZeroDivisionError"),
    "json": (f'#!json\n{{"a": {SECRET}}}\n', "line 1: "),
    "python": (f"#!py\ndef run():\n    raise ValueError('{SECRET}')\n", "SaltRenderError"),
}


@pytest.fixture
def compiled(
    load: Callable[..., Any], minion: Callable[..., SimpleNamespace], tmp_path: Path
) -> Iterator[Callable[[str], tuple[dict[str, Any], str]]]:
    """Compiles a pillar of one file; returns it, and all that was logged at the lowest level."""
    roots = tmp_path / "pillar"
    roots.mkdir()
    opts = {**minion().opts, "pillar_roots": {"base": [str(roots)]}}
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    root.handlers = [handler]
    root.setLevel(1)
    load("_log_handlers/secrecy", __opts__=opts).setup_handlers()

    def make(text: str) -> tuple[dict[str, Any], str]:
        (roots / "top.sls").write_text("base: {'*': [credentials]}\n")
        (roots / "credentials.sls").write_text(text, encoding="latin-1")
        pillar = salt.pillar.Pillar(opts, opts["grains"], "unit", "base").compile_pillar()
        return pillar, said.getvalue()

    yield make
    root.setLevel(level)
    root.handlers = handlers
    for name in ("salt.pillar", "salt.template", "salt.utils.templates"):
        logging.getLogger(name).filters.clear()


@pytest.mark.parametrize("case", BROKEN)
def test_broken(compiled: Callable[[str], tuple[dict[str, Any], str]], case: str) -> None:
    """The error is reported on one line, with its place, and nothing of the file is."""
    text, reason = BROKEN[case]
    pillar, said = compiled(text)
    assert pillar["_errors"]
    (line,) = [line for line in said.splitlines() if "Rendering SLS 'credentials' failed" in line]
    assert line.startswith(f"Rendering SLS 'credentials' failed: {reason}")
    assert SECRET not in said
    assert "Traceback" not in said


@pytest.mark.parametrize("renderer", ["", "#!yaml\n", "#!jinja|yaml\n", "#!json\n"])
def test_good(compiled: Callable[[str], tuple[dict[str, Any], str]], renderer: str) -> None:
    """At the lowest level nothing is logged of what was rendered, either."""
    pillar, said = compiled(renderer + json.dumps({"a": SECRET}))
    assert pillar == {"a": SECRET}
    assert "LazyLoaded" in said
    assert SECRET not in said


def test_states_are_told(load: Callable[..., Any]) -> None:
    """What is no pillar is logged as ever."""
    module = load("_log_handlers/secrecy", __opts__={"pillar_roots": {"base": ["/srv/pillar"]}})
    for path, reported in (
        ("/srv/pillar/credentials.sls", False),
        ("/srv/salt/top.sls", True),
        ("/srv/pillars/x.sls", True),
    ):
        record = logging.LogRecord("salt.template", 10, "", 1, "Rendered data from file: %s:\n%s", (path, "text"), None)
        assert module._is_public(record) is reported


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        ("GPG unavailable", "it is encrypted, and there is no gpg; apt-get install gnupg"),
        (
            f"Could not decrypt cipher b'{SECRET}', received: b'gpg: public key decryption failed: No secret key\\n'",
            "gpg cannot decrypt it: No secret key; its key belongs into /etc/salt/gpgkeys",
        ),
        (
            f"Could not decrypt cipher b'{SECRET}', received: b'gpg: CRC error'",
            "gpg cannot decrypt it: no valid message; its key belongs into /etc/salt/gpgkeys",
        ),
    ],
)
def test_ciphertext(load: Callable[..., Any], text: str, reported: str) -> None:
    """What keeps a file from being decrypted is reported with the remedy."""
    module = load("_log_handlers/secrecy", __opts__={"gpg_keydir": "/etc/salt/gpgkeys"})
    assert module._reason(SaltRenderError(text)) == reported
