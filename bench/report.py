"""What was measured, as a table, a plot and the ratios to keep."""

import fnmatch
import json
import statistics
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.ticker import LogLocator

Measured = dict[str, Any]
REFERENCE = "shell"
COLOURS = {"shell": "#555555", "bundle": "#0072b2", "master": "#56b4e9", "stock": "#d55e00", "ansible": "#cc79a7"}
# Users at the broker in each row: two of the job, and the extra ones.
SIZES = {"noop": 2, "noop-10": 12, "noop-100": 102, "noop-1000": 1002}


def median(measured: Measured, tool: str, row: str) -> float | None:
    """The median of a cell, if it was measured."""
    values = measured["values"].get(tool, {}).get(row)
    return statistics.median(values) if values else None


def ratio(measured: Measured, tool: str, row: str) -> float | None:
    """How much of the shell script's."""
    own, reference = median(measured, tool, row), median(measured, REFERENCE, row)
    return own / reference if own is not None and reference else None


def table(measured: Measured, patterns: list[str]) -> str:
    """One table of everything, and how the limits are met."""
    lines = [f"{key + ':':<12}{value}" for key, value in measured["facts"].items()]
    lines += [f"{'order:':<12}{', '.join(measured['order'])}", ""]
    lines.append(f"{'':<32}{'median':>10}{'min':>10}{'max':>10}{'x shell':>10}{'runs':>6}")
    for row, title in measured["rows"].items():
        if not any(fnmatch.fnmatch(row, pattern) for pattern in patterns):
            continue
        cells = []
        for tool, named in measured["titles"].items():
            values = measured["values"].get(tool, {}).get(row)
            if values:
                times = ratio(measured, tool, row)
                cells.append(
                    f"  {named:<30}{statistics.median(values):>10.2f}{min(values):>10.2f}{max(values):>10.2f}"
                    f"{f'{times:.2f}' if times else '-':>10}{len(values):>6}"
                )
            elif row in measured["skipped"].get(tool, {}):
                estimate = measured["skipped"][tool][row]
                cells.append(
                    f"  {named:<30}{'left out: about':>20} {estimate:,.0f} s, over {measured['limit_seconds']:.0f} s"
                )
        if cells:
            lines += [title, *cells]
    found = limits(measured)
    if found:
        lines += ["", f"{'limit':<56}{'measured':>10}{'allowed':>10}"]
        lines += [
            f"{what:<56}{value:>10.2f}{most:>10.2f}  {'met' if value <= most else 'NOT MET'}"
            for what, value, most in found
        ]
    return "\n".join(lines)


def limits(measured: Measured) -> list[tuple[str, float, float]]:
    """What the bundle promises, where it was measured: what, how much, how much is allowed."""
    found = []

    def add(
        what: str, most: float, over: tuple[str, str], under: tuple[str, str] | None, difference: bool = False
    ) -> None:
        value = median(measured, *over)
        base = median(measured, *under) if under else 0.0 if difference else 1.0
        if value is not None and base is not None and (difference or base):
            found.append((what, value - base if difference else value / base, most))

    add("master: no-op / test.ping", 2, ("master", "noop"), ("master", "ping"))
    add("master: no-op / stock Salt's, which does less", 0.2, ("master", "noop"), ("stock", "noop"))
    for tool in ("bundle", "master"):
        add(f"{tool}: one password, s more than no-op", 1.5, (tool, "password"), (tool, "noop"), difference=True)
        add(
            f"{tool}: 1,000 users, 100 vhosts, 50 databases, s more",
            0.5,
            (tool, "noop-all"),
            (tool, "noop"),
            difference=True,
        )
        add(f"{tool}: creating those, s more", 5, (tool, "create-all"), (tool, "noop"), difference=True)
    add("bundle: cold converge / shell script's", 1.15, ("bundle", "cold"), (REFERENCE, "cold"))
    add("bundle: Salt installed, s", 10, ("bundle", "install"), None)
    add("bundle: Salt on disk, MB", 110, ("bundle", "megabytes"), None)
    return found


def plot(measured: Measured, folder: Path) -> None:
    """cost.png and cost.svg: a no-op run by the number of users; estimates hollow."""
    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    drawn = False
    for tool, title in measured["titles"].items():
        points = [(size, median(measured, tool, row), True) for row, size in SIZES.items()]
        points += [(size, measured["skipped"].get(tool, {}).get(row), False) for row, size in SIZES.items()]
        points = sorted(point for point in points if point[1])
        if not points:
            continue
        drawn = True
        real = [point for point in points if point[2]]
        axes.plot(*zip(*[point[:2] for point in real], strict=True), color=COLOURS[tool], marker="o", label=title)
        guessed = [point for point in points if not point[2]]
        if guessed:
            axes.plot(
                *zip(*[point[:2] for point in [*real[-1:], *guessed]], strict=True), color=COLOURS[tool], linestyle=":"
            )
            axes.plot(
                *zip(*[point[:2] for point in guessed], strict=True),
                color=COLOURS[tool],
                marker="o",
                mfc="white",
                linestyle="",
            )
    if drawn:
        axes.set(xscale="log", yscale="log", xlabel="users at the broker", ylabel="seconds of a run with nothing to do")
        axes.set_xticks(list(SIZES.values()), [f"{size:,}" for size in SIZES.values()])
        axes.set_ylim(bottom=min(0.2, axes.get_ylim()[0]))
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.minorticks_off()
        axes.grid(visible=True, alpha=0.3)
        axes.set_title("Cost of a no-op run (hollow: estimated)", loc="left")
        axes.legend(frameon=False)
        for kind in ("png", "svg"):
            figure.savefig(folder / f"cost.{kind}", dpi=150)
    plt.close(figure)


def record(measured: Measured, path: Path) -> None:
    """The ratios, which say more of another machine than seconds do."""
    ratios: dict[str, dict[str, float]] = {}
    for row in measured["rows"]:
        found = {tool: ratio(measured, tool, row) for tool in measured["titles"] if tool != REFERENCE}
        if any(found.values()):
            ratios[row] = {tool: round(value, 2) for tool, value in found.items() if value}
    reported = {
        "facts": {key: measured["facts"][key] for key in ("when", "processor", "memory")},
        "ratio_to_shell": ratios,
        "limits": [
            {"limit": what, "measured": round(value, 2), "allowed": most} for what, value, most in limits(measured)
        ],
        "left_out": measured["skipped"],
    }
    path.write_text(json.dumps(reported, indent=1) + "\n")
