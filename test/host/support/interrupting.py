"""Runs that are cut off in the middle: killed with all they have started, or with the power of the whole host."""

import re
import shlex
from dataclasses import dataclass

from support.machine import CHECKOUT, Machine
from support.waiting import wait_until

OUTPUT = "/var/log/interrupted"
LOG = "/var/log/salt/phagescan"
# Salt's own log says when each state begins; in its usual configuration it does not.
LOGGING = {f"{CHECKOUT}/roots/minion/minion.d/zz-log.conf": b"log_level_logfile: info\n"}
# Waits until `condition` holds, and `seconds` more; then stops the run and all that descend from it, one generation
# after the other, so that none gets away, and kills them. What an init script has put into the background is no
# descendant any more. Prints what it killed; nothing where the run had ended before. `how` may be `look`, which does
# nothing to the run, or `stop`, which only stops it.
KILL = r"""
pid=$1 condition=$2 seconds=$3 how=$4
running() { [ -e "/proc/$pid" ] && ! grep -q '^State:.Z' "/proc/$pid/status"; }
until (eval "$condition") >/dev/null 2>&1; do
    running || exit 0
    sleep 0.02
done
sleep "$seconds"
running || exit 0
names=$(cat /proc/$pid/comm)
tree=$pid new=$pid
[ "$how" = look ] || kill -STOP $pid
while [ -n "$new" ]; do
    new=
    for status in /proc/[0-9]*/stat; do
        read -r line <$status || continue
        child=${line%% *} rest=${line##*) }
        set -- $rest
        case " $tree " in *" $child "*) continue ;; esac
        case " $tree " in *" $2 "*) new="$new $child" names="$names $(cat /proc/$child/comm)" ;; esac
    done 2>/dev/null
    [ -z "$new" ] || [ "$how" != kill ] || kill -STOP $new 2>/dev/null
    tree="$tree$new"
done
[ "$how" != kill ] || kill -KILL $tree 2>/dev/null
echo $names
"""


@dataclass(frozen=True)
class Moment:
    """A moment of a run: so many seconds after a state (or a step of bootstrap) has begun, or a condition holds."""

    mark: str
    seconds: float = 0.0
    condition: str = ""

    def __str__(self) -> str:
        """As a report names it."""
        return f"{self.mark} + {self.seconds:.1f} s"

    @property
    def test(self) -> str:
        """The condition, as a shell command."""
        return self.condition or f"grep -qF {shlex.quote(self.mark)} {OUTPUT} {LOG}"


def program(words: str) -> str:
    """The condition that a program with these words on its command line runs; not grep itself, nor who asks it to."""
    pattern = f"[{words[0]}]{words[1:]}"
    return f"cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -e {shlex.quote(pattern)}"


class Run:
    """A run in the background."""

    def __init__(self, machine: Machine, command: str) -> None:
        """Start it."""
        self.machine = machine
        machine.put({"/root/kill": KILL.encode(), **LOGGING})
        machine.run(f"mkdir -p {LOG.rpartition('/')[0]} && rm -f {OUTPUT}.pid && : >{OUTPUT} && : >{LOG}").ok()
        start = f"cd {CHECKOUT} && echo $$ >{OUTPUT}.pid && exec {command} >{OUTPUT} 2>&1"
        machine.container.exec_run(["/bin/sh", "-c", start], detach=True)
        self.pid = wait_until(self._began, "the run has begun")

    def _began(self) -> str:
        return self.machine.run(f"cat {OUTPUT}.pid").stdout.strip()

    def wait(self, moment: Moment, how: str) -> str:
        """What ran at a moment: first the last state that had begun, then the programs; empty where the run had
        ended.
        """
        done = self.machine.run(
            f"sh /root/kill {self.pid} {shlex.quote(moment.test)} {moment.seconds:.2f} {how}", LC_ALL="C"
        ).ok()
        return f"[{self.last()}] {done.stdout.strip()}" if done.stdout.strip() else ""

    def kill(self, moment: Moment) -> str:
        """Kill it and all that it has started."""
        return self.wait(moment, "kill")

    def join(self) -> None:
        """Wait until it has come to its end by itself."""
        wait_until(lambda: self.machine.run(f"test -e /proc/{self.pid}").code, "the run has ended", 3000)

    def end(self) -> None:
        """Kill it now, if it is still there."""
        self.wait(Moment("now", condition="true"), "kill")

    def cut_power(self, moment: Moment) -> str:
        """Kill everything on the host, and start the host again. What the kernel had not written yet survives that."""
        ran = self.wait(moment, "look")
        self.machine.power_cut()
        return ran

    def last(self) -> str:
        """The last state or step that had begun."""
        text = self.machine.run(f"cat {OUTPUT} {LOG}").stdout
        found = re.findall(r"^bootstrap: .*|Running state \[.*?\]|Completed state \[.*?\]", text, re.MULTILINE)
        return found[-1].replace("Running state ", "").strip("[]") if found else "before its first word"


def timeline(machine: Machine) -> tuple[list[tuple[float, str]], float]:
    """When each state of the last run began, in seconds since the first, and when the last ended."""
    events = []
    for line in machine.read(LOG).splitlines():
        if match := re.match(r"\S+ (\d+):(\d+):(\d+),(\d+) .*((?:Running|Completed) state \[.*?\])", line):
            hours, minutes, seconds, thousandths = map(int, match.groups()[:4])
            events.append((hours * 3600 + minutes * 60 + seconds + thousandths / 1000, match[5]))
    first = events[0][0]
    return [(when - first, what) for when, what in events], events[-1][0] - first


def spread(machine: Machine, number: int) -> list[Moment]:
    """So many moments, spread evenly over the time that the states of the last run took."""
    events, end = timeline(machine)
    moments = []
    for index in range(number):
        at = end * (index + 0.5) / number
        when, what = next(event for event in reversed(events) if event[0] <= at)
        moments.append(Moment(what, at - when))
    return moments
