"""What is wrong with a password is said without showing it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from pillars import PASSWORD_KEYS, REMOVED, ROOT

CIPHERTEXT = "-----BEGIN PGP MESSAGE-----\n\nAbC+/12=\n=WF55\n-----END PGP MESSAGE-----\n"


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o644, 0o620, 0o601])
def test_mode_of_the_passwords(examine: Callable[..., list[str]], tmp_path: Path, bits: int) -> None:
    """credentials.sls is its owner's alone, and so is the key to an encrypted one."""
    path, keys = tmp_path / "srv" / "pillar" / "credentials.sls", tmp_path / "etc" / "salt" / "gpgkeys"
    path.parent.mkdir(parents=True)
    path.touch()
    path.chmod(0o600)
    keys.mkdir(parents=True)
    keys.chmod(0o700)
    assert examine() == []
    path.chmod(bits)
    keys.chmod(bits)
    assert examine() == [
        f"/{item.relative_to(tmp_path)}: others than its owner may read it; chmod go= /{item.relative_to(tmp_path)}"
        for item in (path, keys)
    ]


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
def test_mode_of_ciphertext(examine: Callable[..., list[str]], tmp_path: Path, text: str, public: bool) -> None:
    """Others may read what holds nothing but ciphertext."""
    path = tmp_path / "srv" / "pillar" / "credentials.sls"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    path.chmod(0o644)
    assert (examine() == []) is public


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (REMOVED, "is missing; it belongs in pillar/credentials.sls"),
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
def test_password(examine: Callable[..., list[str]], key: str, value: Any, reason: str) -> None:
    """What is wrong with a password is reported with its key and never with its value."""
    (fault,) = examine({key: value})
    assert fault.startswith(f"{key}: {reason}")
    if value is not REMOVED and value:
        assert str(value) not in fault
        assert str(value)[:8] not in fault


def test_samples(examine: Callable[..., list[str]]) -> None:
    """Every password of the sample file is refused, until the tests' own key allows them."""
    sample = yaml.safe_load((ROOT / "pillar" / "credentials.sls.sample").read_text())
    changed = {}
    for key in PASSWORD_KEYS:
        value = sample
        for part in key.split(":"):
            value = value[part]
        changed[key] = value
    assert examine(changed) == [f"{key}: is the sample password; choose another" for key in PASSWORD_KEYS]
    assert examine(changed | {"phagescan:allow_sample_passwords": True}) == []


def test_worker_needs_no_master_passwords(examine: Callable[..., list[str]]) -> None:
    """A worker is asked for its broker login only."""
    changed = {
        "phagescan:roles": ["worker"],
        "phagescan:worker:master_url": "http://192.0.2.1",
        **dict.fromkeys(PASSWORD_KEYS[1:], REMOVED),
    }
    assert [fault.split(": ")[0] for fault in examine(changed)] == [PASSWORD_KEYS[1]]
