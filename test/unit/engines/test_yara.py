"""The engine yara: what it finds, names, and leaves alone."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from samples import eicar, tiny_pe

BASE64 = b"QUJD" * 60


def test_yara_names_the_eicar_test_file(scan: Callable[..., Any]) -> None:
    """By the name of the rule; what is appended to the file does not hide it."""
    for data in (eicar(), eicar() + b"\r\nmore"):
        found = scan("yara", data)
        assert (found.infected, found.name) == (True, "EICAR_Test_File")
        assert found.metadata == {"rules": "EICAR_Test_File", "tags": "test"}


@pytest.mark.parametrize("data", [b"", b"A text.\n", b"not at the start: ", bytes(range(256)) * 64, BASE64])
def test_yara_finds_nothing_in_plain_files(scan: Callable[..., Any], data: bytes) -> None:
    """Nothing at all: no threat and no oddity; a text that quotes the test file is not the test file."""
    found = scan("yara", data + eicar() if data.endswith(b": ") else data)
    assert (found.infected, found.name, found.metadata) == (False, "", {})


ODD = {
    "PE_Packed_With_UPX": [tiny_pe(b"UPX0")],
    "Script_Evaluates_Base64": [
        b"<?php @eval(base64_decode('" + BASE64 + b"'));",
        b'<?php eval ( gzinflate(base64_decode( "' + BASE64 + b'")));',
        b"window.x = 1; eval(atob('" + BASE64 + b"'))",
        b"import base64\nexec(base64.b64decode(b'" + BASE64 + b"'))\n",
        b'IEX ([Text.Encoding]::UTF8.GetString([Convert]::FromBase64String("' + BASE64 + b'")))',
        b"@echo off\r\npowershell -nop -w hidden -enc " + BASE64,
    ],
    "Office_Macro_Runs_By_Itself": [
        bytes.fromhex("d0cf11e0a1b11ae1")
        + bytes(512)
        + "_VBA_PROJECT".encode("utf-16le")
        + bytes(9)
        + b"Document_Open\0",
    ],
    "PDF_Runs_JavaScript_When_Opened": [b"%PDF-1.4\n1 0 obj <</OpenAction 2 0 R>>\n2 0 obj <</S/JavaScript/JS(app)>>"],
    "Shortcut_Starts_Script_Host": [
        bytes.fromhex("4c0000000114020000000000c000") + "x\\PowerShell.exe".encode("utf-16le")
    ],
}


@pytest.mark.parametrize(("rule", "data"), [(rule, data) for rule, samples in ODD.items() for data in samples])
def test_yara_names_oddities_and_accuses_nobody(scan: Callable[..., Any], rule: str, data: bytes) -> None:
    """An oddity is among the rules, and the sample is clean."""
    found = scan("yara", data)
    assert (found.infected, found.name, found.metadata["rules"]) == (False, "", rule)
    assert "oddity" in found.metadata["tags"]


@pytest.mark.parametrize(
    "data",
    [
        tiny_pe(),
        b"<?php echo base64_decode('" + BASE64 + b"');",
        b"const logo = 'data:image/png;base64," + BASE64 + b"'; // never eval this",
        bytes.fromhex("d0cf11e0a1b11ae1") + bytes(512) + b"Document_Open without a macro",
        b"%PDF-1.4\n1 0 obj <</OpenAction [3 0 R /Fit]>>",
        b"UPX0\0UPX1\0 in a text, and /JavaScript /OpenAction",
    ],
)
def test_yara_takes_the_ordinary_for_ordinary(scan: Callable[..., Any], data: bytes) -> None:
    """Half of an oddity is none."""
    assert scan("yara", data).metadata == {}


def test_yara_adds_the_rules_of_the_operator(scan: Callable[..., Any], engines: Any, tmp_path: Path) -> None:
    """They name threats, may use names and variables that others use, and change the version."""
    rules = tmp_path / "yara.d"
    rules.mkdir()
    options = {"rules": str(rules)}
    before = engines.engine_class("yara")(options).version()
    (rules / "mine.yar").write_text(
        'rule EICAR_Test_File : mine { strings: $a = "badge" condition: $a and filename == "" }'
    )
    (rules / "ignored.txt").write_text("not a rule")
    found = scan("yara", b"a badge", **options)
    assert (found.infected, found.name, found.metadata["tags"]) == (True, "EICAR_Test_File", "mine")
    assert scan("yara", eicar(), **options).name == "EICAR_Test_File"
    assert engines.engine_class("yara")(options).version() != before
    assert engines.engine_class("yara")({"rules": str(tmp_path / "none")}).version() == before


def test_yara_leaves_broken_rules_out_and_says_so(scan: Callable[..., Any], engines: Any, tmp_path: Path) -> None:
    """The other rules work, the self-test passes, and warning and version name the file and its line."""
    (tmp_path / "broken.yar").write_text("rule Broken { condition: nonsense }")
    (tmp_path / "good.yar").write_text('rule Good { strings: $a = "badge" condition: $a }')
    engine = engines.engine_class("yara")({"rules": str(tmp_path)})
    engine.self_test()
    assert 'without broken.yar(1): undefined identifier "nonsense"' in engine.version()
    assert engine.warning() == 'without broken.yar(1): undefined identifier "nonsense"'
    assert str(tmp_path) not in engine.version()
    assert scan("yara", b"a badge", rules=str(tmp_path)).name == "Good"
    assert scan("yara", eicar(), rules=str(tmp_path)).name == "EICAR_Test_File"


def test_yara_rules_refer_to_those_of_other_files(scan: Callable[..., Any], engines: Any, tmp_path: Path) -> None:
    """Whatever the order of their names, by more than one step; what has the same name elsewhere is no hindrance."""
    badge = 'strings: $a = "badge" condition: $a'
    (tmp_path / "a.yar").write_text("rule A { condition: B and C }")
    (tmp_path / "b.yar").write_text("rule B { condition: C }")
    (tmp_path / "c.yar").write_text(f"private rule C {{ {badge} }}\nrule D {{ {badge} }}")
    (tmp_path / "d.yar").write_text("global rule Never { condition: false }\nrule D { condition: true }")
    (tmp_path / "x.yar").write_text("\nrule X { condition: Y }")
    (tmp_path / "y.yar").write_text("rule Y { condition: X }")
    engine = engines.engine_class("yara")({"rules": str(tmp_path)})
    assert engine.refused.keys() == {"x.yar", "y.yar"}, "they wait for each other"
    found = scan("yara", b"a badge", rules=str(tmp_path))
    assert sorted(found.metadata["rules"].split(", ")) == ["A", "B", "D"]


def test_yara_tells_what_does_not_compile(project: Path) -> None:
    """The command reads texts by name, and names file and line of what the engine would leave out."""
    texts = {
        "good": "rule Good { condition: true }",
        "bad": "rule Good { condition: true }\nrule Bad { condition: Gone }",
    }
    command = [sys.executable, "-m", "engines.yara"]
    done = subprocess.run(command, input=json.dumps(texts), cwd=project, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {"bad.yar": 'bad.yar(2): undefined identifier "Gone"'}


def test_yara_notices_in_its_self_test_that_a_rule_accuses_every_file(engines: Any, tmp_path: Path) -> None:
    """Such a rule would make the engine useless."""
    (tmp_path / "all.yar").write_text("rule Everything { condition: true }")
    with pytest.raises(RuntimeError, match="Everything"):
        engines.engine_class("yara")({"rules": str(tmp_path)}).self_test()
