"""Distributions as pip installs them."""

import base64
import hashlib
import zipfile
from pathlib import Path


def digest(text: str) -> str:
    """What a RECORD says of a file with this text."""
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


def installer(info: Path) -> str:
    """What pip writes before RECORD, and the line of it there."""
    (info / "INSTALLER").write_text("pip\n")
    return f"{info.name}/INSTALLER,{digest('pip' + chr(10))},4\n"


def wheel(folder: Path, name: str, version: str) -> str:
    """Make a wheel of one module, and give the line of a lock for it."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": f"version = '{version}'\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: unit\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    for member, text in files.items():
        record += f"{member},{digest(text)},{len(text)}\n"
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, text in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            archive.writestr(member, text)
    return f"{name}=={version} \\\n    --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"
