"""Draws the parts of a host and their connections, as the tree renders them: test/.venv/bin/python test/picture.py"""

import re
import sys
import tempfile
import tomllib
from html import escape
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from rendering import Case, render  # noqa: E402

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "parts.svg"
CASE: Case = ("debian13", "systemd", "both")
BOX, GAP, TOP = (190, 44), (70, 26), 50
STYLE = """
text { font: 13px sans-serif; fill: #1b1f24 } .port { font-size: 11px; fill: #57606a }
rect { fill: #f6f8fa; stroke: #57606a; rx: 6px } path { fill: none; stroke: #57606a; marker-end: url(#end) }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .port { fill: #9198a1 } rect { fill: #21262d; stroke: #9198a1 } path { stroke: #9198a1 }
}
"""


def parts(rendered: dict[str, Any]) -> tuple[dict[str, tuple[int, str]], list[tuple[str, str]]]:
    """Services, each with its column and what it listens on; and who connects to whom."""
    files, units = rendered["files"], rendered["highstate"]
    master, worker = (tomllib.loads(files[f"/etc/phagescan/{name}.toml"]) for name in ("master", "worker"))
    site = files["/etc/nginx/sites-available/phagescan"]
    listen = re.findall(r"listen (\S+?);", site)[0]
    assert "proxy_pass http://unix:" in site
    celery = [re.sub("^celery-|-service$", "", name) for name in units if re.fullmatch("celery-.*-service", name)]
    of_worker = {name for name in celery if "workerceleryconfig" in files[f"/etc/systemd/system/{name}.service"]}
    programs = [path.rpartition("/")[2].removesuffix(".conf") for path in files if "/supervisor/conf.d/" in path]
    django = ["gunicorn", *(name for name in celery if name not in of_worker), *programs]
    places = {
        "browser, API client": (0, ""),
        "nginx": (1, f"port {listen}"),
        **{name: (2, "Unix socket" if name == "gunicorn" else "") for name in django},
        "PostgreSQL": (3, "Unix socket" if master["database"]["host"].startswith("/") else ""),
        "RabbitMQ": (3, f"{master['broker']['host']}:{master['broker']['port']}"),
        **{name: (4, "engines in sandboxes") for name in of_worker},
    }
    links = [("browser, API client", "nginx"), ("nginx", "gunicorn")]
    links += [(name, store) for name in django for store in ("RabbitMQ", "PostgreSQL")]
    links += [(name, "RabbitMQ") for name in of_worker]
    if worker["scan"]["master_url"] == "http://127.0.0.1":
        links += [(name, "nginx") for name in of_worker]
    return places, links


def draw(places: dict[str, tuple[int, str]], links: list[tuple[str, str]]) -> str:
    """The picture, as SVG."""
    rows: dict[int, int] = {}
    boxes: dict[str, tuple[int, int]] = {}
    for name, (column, _) in places.items():
        row = rows[column] = rows.get(column, -1) + 1
        boxes[name] = (10 + column * (BOX[0] + GAP[0]), TOP + row * (BOX[1] + GAP[1]))
    width = 10 + max(x for x, _ in boxes.values()) + BOX[0]
    height = TOP + max(y for _, y in boxes.values()) + BOX[1]
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
        f"<style>{STYLE}</style>",
        '<marker id="end" markerWidth="8" markerHeight="8" refX="7" refY="4" orient="auto">'
        '<path d="M0 1L7 4L0 7" style="marker-end: none"/></marker>',
    ]
    for start, end in links:
        (x, y), (to_x, to_y) = boxes[start], boxes[end]
        if places[start][0] > places[end][0] + 1:  # above what is between
            x, to_x = x + BOX[0] // 2, to_x + BOX[0] // 2
            lines.append(f'<path d="M{x} {y}C{x} {y - TOP} {to_x} {to_y - TOP} {to_x} {to_y}"/>')
            continue
        right = x < to_x
        x, to_x = (x + BOX[0], to_x) if right else (x, to_x + BOX[0])
        middle = (x + to_x) // 2
        y, to_y = y + BOX[1] // 2, to_y + BOX[1] // 2
        lines.append(f'<path d="M{x} {y}C{middle} {y} {middle} {to_y} {to_x} {to_y}"/>')
    for name, (x, y) in boxes.items():
        listens = places[name][1]
        lines.append(f'<rect x="{x}" y="{y}" width="{BOX[0]}" height="{BOX[1]}"/>')
        lines.append(f'<text x="{x + 10}" y="{y + (18 if listens else 27)}">{escape(name)}</text>')
        if listens:
            lines.append(f'<text class="port" x="{x + 10}" y="{y + 35}">{escape(listens)}</text>')
    return "\n".join([*lines, "</svg>", ""])


def picture() -> str:
    """The picture of this tree."""
    with tempfile.TemporaryDirectory() as folder:
        return draw(*parts(render(ROOT, Path(folder), [CASE], files=True)[CASE]))


if __name__ == "__main__":
    PICTURE.write_text(picture())
