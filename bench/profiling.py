"""Where the time of one highstate goes, on a converged host: what bench/profile runs."""

import argparse
import json
import re
import statistics
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from hosts import OUTPUT, BenchError, Host, must
from measure import new_extras, new_job, say
from tools import TOOLS, Tool

from support import strace

PHASES = {
    "start": "process and interpreter",
    "imports": "imports until salt-call runs",
    "options": "command line and configuration",
    "caller": "salt-call itself",
    "grains": "grains",
    "pillar": "pillar",
    "loader": "finding and loading modules",
    "top": "top file",
    "render": "rendering the states",
    "compile": "compiling them (requisites, order)",
    "requisites": "between the states",
    "states": "the states",
    "return": "output",
    "exit": "exit of the interpreter",
}


def phases(tool: Tool, host: Host, runs: int) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Seconds by phase, and milliseconds by state, of each run."""
    environment = {"PYTHONPATH": "/srv/phagescan-master/bench/phases", "BENCH_PHASES": "/run/bench-phases"}
    by_phase: dict[str, list[float]] = defaultdict(list)
    by_state: dict[str, list[float]] = defaultdict(list)
    # Not by the wrapper, which ignores PYTHONPATH.
    command = tool.converge.replace("&& salt-call", f"&& {tool.folder}/bin/salt-call")
    for _ in range(runs):
        ran = host.time(f"rm -f /run/bench-phases; {command}", 600, **environment)
        must(not tool.changes(ran), "the host was not converged")
        said = host.run("cat /run/bench-phases")
        must(
            said.code == 0,
            "salt-call does not load a sitecustomize from PYTHONPATH: there is nothing to take its phases with",
        )
        spent = json.loads(said.stdout)
        spent["exit"] = spent.get("exit", 0.0) + max(0.0, ran.seconds - sum(spent.values()))
        for phase, seconds in spent.items():
            by_phase[phase].append(seconds)
        by_phase["all"].append(ran.seconds)
        for key, state in json.loads(ran.result.stdout)["local"].items():
            module, identifier, _, function = key.split("_|-")
            by_state[f"{identifier} ({module}.{function})"].append(state["duration"])
    return by_phase, by_state


def processes(tool: Tool, host: Host) -> dict[str, list[float]]:
    """Seconds that each program started by a run took, by its name, salt-call itself included."""
    host.run("command -v strace || DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes strace").ok()
    tool.changes(host.time(tool.converge.replace("&& ", f"&& {strace.COMMAND} ", 1), 600))
    return strace.starts(host.read(strace.OUTPUT))


def flame(tool: Tool, host: Host, path: Path) -> None:
    """A flame graph of wall-clock time, waiting included: how wide a frame is, is how long it was on the stack."""
    binary = Path(sys.executable).with_name("py-spy")
    host.put({"/usr/local/bin/py-spy": binary.read_bytes()}, mode=0o755)
    sampler = "py-spy record --idle --function --rate 500 --nonblocking --output /root/flame.svg --"
    own = f"{tool.folder}/bin/salt-call"
    if "/bin/salt-call" in tool.converge:
        command = tool.converge.replace(own, f"{sampler} {own}")
    else:
        # The wrapper, with the sampler in between.
        host.run(f"sed 's#^exec #exec {sampler} #' /usr/local/bin/salt-call >/usr/local/bin/bench-salt-call").ok()
        host.run("chmod 755 /usr/local/bin/bench-salt-call").ok()
        command = tool.converge.replace("salt-call", "bench-salt-call")
    ran = host.time(command, 600)
    drawn = host.run("cat /root/flame.svg")
    must(drawn.code == 0 and "<svg" in drawn.stdout, f"py-spy drew nothing:\n{ran.result}")
    title = f"A no-op highstate, {tool.title}: wall-clock time, waiting included"
    path.write_text(re.sub(r"py-spy record [^<]*", title, drawn.stdout, count=1))


def table(by_phase: dict[str, list[float]], by_state: dict[str, list[float]], started: dict[str, list[float]]) -> str:
    """All of it, the longest first."""
    total = statistics.median(by_phase.pop("all"))
    lines = [f"{'phase':<44}{'median s':>10}{'min':>8}{'max':>8}{'%':>6}"]
    for phase, title in PHASES.items():
        if values := by_phase.get(phase):
            middle = statistics.median(values)
            lines.append(
                f"{title:<44}{middle:>10.3f}{min(values):>8.3f}{max(values):>8.3f}{middle / total * 100:>6.1f}"
            )
    lines += [f"{'all':<44}{total:>10.3f}", "", f"{'state':<64}{'median ms':>10}{'max':>8}"]
    medians = {state: statistics.median(values) for state, values in by_state.items()}
    shown = [state for state in sorted(medians, key=medians.__getitem__, reverse=True) if medians[state] >= 1]
    lines += [f"{state[:63]:<64}{medians[state]:>10.1f}{max(by_state[state]):>8.1f}" for state in shown]
    rest = sum(value for state, value in medians.items() if state not in shown)
    lines.append(f"{f'{len(medians) - len(shown)} others, below 1 ms each':<64}{rest:>10.1f}")
    lines += ["", f"{'process':<64}{'starts':>10}{'seconds':>8}"]
    for program, lives in sorted(started.items(), key=lambda item: -sum(item[1])):
        lines.append(f"{program[:63]:<64}{len(lives):>10}{sum(lives):>8.2f}")
    lines.append(f"{'all':<64}{sum(map(len, started.values())):>10}")
    return "\n".join(lines)


def main() -> int:
    """Converge a host, look, tell."""
    parser = argparse.ArgumentParser(prog="bench/profile", description="Where the time of one no-op highstate goes.")
    salts = [name for name, tool in TOOLS.items() if tool.ping and name != "ansible"]
    parser.add_argument("--tool", choices=salts, default="master", help="whose highstate (default: the whole master's)")
    parser.add_argument("--runs", type=int, default=5, help="runs that phases and states are the median of (default 5)")
    parser.add_argument("--users", type=int, default=0, metavar="N", help="with so many extra broker users")
    parser.add_argument("--run", default="bench-by-hand", help=argparse.SUPPRESS)
    options = parser.parse_args()
    tool = TOOLS[options.tool]()
    job = new_job()
    with Host(f"profile-{tool.name}", options.run) as host:
        say(f"{tool.title}: converging a host")
        tool.tell(host, job)
        tool.install_on(host, 1200)
        tool.changes(tool.cold(host, 1200))
        if options.users:
            vars(job).update(new_extras(options.users))
            tool.tell(host, job)
            tool.changes(host.time(tool.converge, 1200))
        tool.changes(host.time(tool.converge, 600))  # so that everything is compiled and cached
        say("taking the time of phases and states")
        by_phase, by_state = phases(tool, host, options.runs)
        say("counting processes")
        started = processes(tool, host)
        say("drawing the flame graph")
        OUTPUT.mkdir(exist_ok=True)
        flame(tool, host, OUTPUT / f"flame-{tool.name}.svg")
    reported = {"phases": dict(by_phase), "states": dict(by_state), "processes": started}
    (OUTPUT / f"profile-{tool.name}.json").write_text(json.dumps(reported, indent=1) + "\n")
    text = table(by_phase, by_state, started)
    (OUTPUT / f"profile-{tool.name}.txt").write_text(text + "\n")
    print(f"{text}\n\nflame graph: bench/.output/flame-{tool.name}.svg")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (BenchError, AssertionError, subprocess.SubprocessError) as error:
        sys.exit(f"bench: {error}")
