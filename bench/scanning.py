"""How many samples a minute this host takes and has scanned, where the time goes, and how that compares with a plain
loop over the engines.

The samples are small texts, binaries and EICAR test files, none of them known to the host. `pipeline` hands them in
through nginx and the API and waits for the last verdict. `loop` runs the same engines, with the same options, over
the same files in one process, without broker, database, web server and sandbox; it needs the role worker.
"""

import argparse
import http.client
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from typing import Any
from uuid import uuid4

from services import BENCH, SCANNING, Database, counted, processor_seconds

ROOT = Path("/opt/phagescan")
WORKER = Path("/etc/phagescan/worker.toml")
BUDGET = 20
"""Processor milliseconds a sample, of everything but engines and scan worker."""

ALONE = 5
BUSY = 0.5
"""Load above which this machine does something else as well: rates, waits and the loop are then too slow."""

SETTLED = 11
"""Seconds of rest before counters are read: idle sessions of PostgreSQL add theirs within ten."""

STAGES = {
    "upload to dispatch": "dispatched_at - created_at",
    "dispatch to verdict": "answered_at - dispatched_at",
    "of that in engines": "duration * interval '1 second'",
}
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-" + b"STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


def make(count: int) -> list[bytes]:
    """Samples of up to 20 kB that nobody has seen."""
    chance = random.SystemRandom()
    kinds = (
        lambda: " ".join(str(chance.random()) for _ in range(chance.randrange(10, 500))).encode(),
        lambda: b"\x7fELF" + chance.randbytes(chance.randrange(100, 20_000)),
        lambda: chance.randbytes(chance.randrange(100, 20_000)),
        lambda: EICAR + b"\n" * chance.randrange(1, 50),
    )
    return [kinds[number % len(kinds)]() + f"\n{chance.random()}".encode() for number in range(count)]


def token() -> str:
    """A new token of the admin."""
    command = ["runuser", "-u", "avuser", "--", sys.executable, "manage.py", "token", "admin"]
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


class Uploader:
    """Connections to nginx that are kept, each with a thread."""

    def __init__(self, threads: int) -> None:
        """Open none yet."""
        boundary = uuid4().hex
        self.head = (
            f"--{boundary}\r\n"
            'Content-Disposition: form-data; name="file"; filename="bench"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        ).encode()
        self.tail = f"\r\n--{boundary}--\r\n".encode()
        self.headers = {
            "Authorization": f"Bearer {token()}",
            "Content-Type": f"multipart/form-data; boundary={boundary}",
        }
        self.connections = [http.client.HTTPConnection("127.0.0.1", timeout=60) for _ in range(threads)]

    def hand_in(self, samples: list[bytes]) -> None:
        """Until all are taken: each connection has its share, one after the other."""
        threads = len(self.connections)
        with ThreadPoolExecutor(threads) as pool:
            shares = [samples[number::threads] for number in range(threads)]
            list(pool.map(self.send, self.connections, shares))

    def send(self, connection: http.client.HTTPConnection, samples: list[bytes]) -> None:
        """By one connection, which is opened again where nginx has closed it after a thousand requests."""
        for sample in samples:
            connection.request("POST", "/api/samples", self.head + sample + self.tail, self.headers)
            answer = connection.getresponse()
            said = answer.read()
            if answer.status != HTTPStatus.ACCEPTED:
                raise SystemExit(f"bench: an upload was answered {answer.status}: {said.decode(errors='replace')}")

    def rest(self) -> None:
        """Close them: nginx drops those that are idle for long."""
        for connection in self.connections:
            connection.close()


def finished(database: Database, since: float, pause: float) -> float:
    """When the last run since then was finished, by the clock of this host: how often it is asked adds nothing."""
    runs = f"from scaggr_scanrun where created_at >= to_timestamp({since})"
    while database.ask(f"select exists (select {runs} and finished_at is null)") == "t":
        time.sleep(pause)
    return float(database.ask(f"select extract(epoch from max(finished_at)) {runs}"))  # noqa: S608


def alone(uploader: Uploader, database: Database) -> float:
    """Median of the seconds from the beginning of an upload to its last verdict, while there is no other."""
    took = []
    for sample in make(ALONE):
        begin = time.time()
        uploader.hand_in([sample])
        took.append(finished(database, begin, 0.05) - begin)
    return statistics.median(took)


def loop(samples: list[bytes]) -> dict[str, float]:
    """Seconds that each engine takes for all samples, one after the other."""
    sys.path.insert(0, str(ROOT))
    from engines import engine_class  # noqa: PLC0415

    options = tomllib.loads(WORKER.read_text())["engines"]
    took = {}
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for number, sample in enumerate(samples):
            paths.append(Path(folder, str(number)))
            paths[-1].write_bytes(sample)
        for name in ("yara", "fileinfo"):
            engine = engine_class(name)(options[name])
            begin = time.perf_counter()
            for path in paths:
                engine.scan(path)
            took[name] = time.perf_counter() - begin
    return took


def waits(database: Database, begin: float, end: float) -> dict[str, str]:
    """Seconds that a verdict waits in each stage: median, and what 95 of 100 do not exceed."""
    verdicts = (
        "from scaggr_scanrun join scaggr_verdict on run_id = scaggr_scanrun.id"
        f" where created_at between to_timestamp({begin}) and to_timestamp({end})"
    )
    found = {"verdicts": database.ask(f"select count(*) {verdicts}")}
    found["not given"] = database.ask(
        f"select count(*) {verdicts} and outcome not in ('infected', 'clean', 'described')"
    )
    for stage, span in STAGES.items():
        found[stage] = database.ask(
            "select string_agg(round(x::numeric, 3)::text, ' ') from unnest("  # noqa: S608
            "(select percentile_cont(array[0.5, 0.95]) within group"
            f" (order by extract(epoch from {span})::float) {verdicts})) x"
        )
    return found


def measure(count: int, threads: int) -> dict[str, Any]:
    """All figures."""
    database, uploader, samples = Database(), Uploader(threads), make(count)
    begin = time.time()
    uploader.hand_in(make(20))  # so that every process has loaded what it needs
    finished(database, begin, 0.2)
    uploader.rest()
    time.sleep(SETTLED)
    counters = counted(database)

    before, begin = processor_seconds(database.pid), time.time()
    uploader.hand_in(samples)
    taken = time.time()
    end = finished(database, begin, 1)
    after = processor_seconds(database.pid)
    uploader.rest()
    time.sleep(SETTLED)
    did = [now - then for now, then in zip(counted(database), counters, strict=True)]

    plain = loop(samples) if WORKER.exists() else {}
    used = {service: (after[service] - before[service]) / count * 1000 for service in after}
    transactions, sessions, messages, size = (number / count for number in did)
    return {
        "samples": count,
        "taken": taken - begin,
        "seconds": end - begin,
        "samples a minute": count / (end - begin) * 60,
        "loop": plain,
        "ratio": sum(plain.values()) / (end - begin),
        "alone": alone(uploader, database),
        "transactions": transactions,
        "sessions": sessions,
        "messages": messages,
        "bytes in the database": size,
        "bytes of the file": sum(map(len, samples)) / count,
        "processor": used,
        "master": sum(spent for service, spent in used.items() if service not in (*SCANNING, BENCH)),
        "waits": waits(database, begin, taken),
    }


def show(found: dict[str, Any]) -> None:
    """Print them."""
    times = f"{found['samples']} taken in {found['taken']:.1f} s, all done after {found['seconds']:.1f} s"
    print(f"pipeline  {found['samples a minute']:9,.0f} samples/min   {times}")
    if found["loop"]:
        by_engine = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in found["loop"].items())
        rate = found["samples"] / sum(found["loop"].values()) * 60
        print(f"loop      {rate:9,.0f} samples/min   {by_engine}")
        print(f"ratio     {found['ratio']:9.3f}               pipeline to loop")
    print(f"alone     {found['alone']:9.2f} s             one sample until its last verdict, median of {ALONE}")
    print(f"verdicts  {found['waits']['verdicts']:>9}               {found['waits']['not given']} of them no finding")
    print("\na sample")
    for what in ("transactions", "sessions", "messages"):
        print(f"  {what:24}{found[what]:9.2f}")
    for what in ("bytes in the database", "bytes of the file"):
        print(f"  {what:24}{found[what]:9,.0f}")
    print("\nprocessor milliseconds a sample, by service")
    for service, used in sorted(found["processor"].items(), key=lambda item: -item[1]):
        if service != BENCH:
            print(f"  {service:24}{used:9.1f}")
    print(f"everything but engines and scan worker: {found['master']:.1f} ms, budget {BUDGET}")
    print(f"bench itself, in no sum: {found['processor'][BENCH]:.1f} ms")
    print("\nseconds a sample waits, median and 95 %")
    for stage in STAGES:
        print(f"  {stage:24}{found['waits'][stage]}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="bench/scan", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=5_000, help="how many (default 5000)")
    parser.add_argument("--uploaders", type=int, default=4, help="connections that hand them in (default 4)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument(
        "--workers", metavar="N", help="on the machine that makes the test hosts: one master, and up to N scan workers"
    )
    options = parser.parse_args()
    load = os.getloadavg()[0]
    if load > BUSY:
        print(f"bench: this machine is busy (load {load:.1f}): rates and times will be worth little", file=sys.stderr)
    found = measure(options.samples, options.uploaders)
    if options.json:
        print(json.dumps(found))
    else:
        show(found)


if __name__ == "__main__":
    main()
