"""Programs are called in one place, which keeps terminals away from them and says why they fail."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ONE = "formulas/_utils/programs.py"
# bootstrap runs it by itself; it becomes pip, with an environment of its own.
BECOMES = "formulas/_utils/python_packages.py"
CALLS = re.compile(r"os\.(system|popen|exec\w*|spawn\w*|posix_spawn\w*|fork\w*)|pty\.\w+")


def calls(path: Path) -> list[str]:
    """What starts programs in a module."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            found += [name for name in names if name in ("subprocess", "pty", "salt.utils.vt", "salt.modules.cmdmod")]
        elif isinstance(node, ast.Attribute) and CALLS.fullmatch(ast.unparse(node)):
            found.append(ast.unparse(node))
        elif isinstance(node, ast.Constant) and re.fullmatch(r"cmd\.\w+", str(node.value)):
            found.append(str(node.value))
    return found


def test_one_place() -> None:
    """No module of Salt's starts a program but by programs.py, and no SLS does."""
    modules = [path for folder in ("formulas", "salt") for path in (ROOT / folder).rglob("*.py")]
    found = {str(path.relative_to(ROOT)): calls(path) for path in modules}
    assert found.pop(ONE)
    assert found.pop(BECOMES) == ["os.execve"]
    assert {path: names for path, names in found.items() if names} == {}
    for path in (path for folder in ("formulas", "salt") for path in (ROOT / folder).rglob("*.sls")):
        assert not re.search(r"\bcmd\.\w+", path.read_text()), path
