#!/usr/bin/python3
"""The judge of speed: redkeep beside zstd, rclone, restic, aws and the usual shell script.

Every contender runs in turn, A B C A B C ..., and medians are compared, so that what else goes on
on the machine meets all of them alike. A missed goal is no failure: the table says so.

Environment: N=5 runs of each, ONLY=backup,restore,... some groups only, BIG=1 adds 10 GB of data.
"""

import os
import shutil
import signal
import sys

import groups
import retention
import scan
import sidecar
import walk
from machine import Bench, Failed
from report import Report
from servers import Sink

DATA = {  # set of redisgen, items
    "100m": ("users", 101_000),
    "main": ("users", 1_300_000),
    "random": ("random", 700_000),
    "10g": ("users", 10_100_000),
}

GROUPS = {
    "crc": groups.crc,
    "backup": groups.backup,
    "restore": groups.restore,
    "slow": groups.slow_remote,
    "cache": groups.page_cache,
    "growth": groups.growth,
    "redis": groups.beside_redis,
    "live": groups.live_server,
    "sidecar": sidecar.sidecar,
    "walk": walk.walk,
    "verify": walk.verify,
    "scan": scan.scan,
    "retention": retention.retention,
}


def clean_environment(home):
    """What every process here gets: nothing of the user's configuration."""
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": home, "LANG": "C.UTF-8",
            "TMPDIR": home}


def make_data(bench, root, name):
    """The dump of that name, made when it is not there; its path."""
    kind, count = DATA[name]
    directory = os.path.join(root, "data", f"{name}-{count}")
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data.sh")
    sys.stdout.write(bench.output(script, bench.tool("redisgen"), kind, str(count), directory))
    sys.stdout.flush()
    return os.path.join(directory, "dump.rdb")


def choose_groups():
    wanted = [name for name in os.environ.get("ONLY", "").split(",") if name] or list(GROUPS)
    unknown = [name for name in wanted if name not in GROUPS]
    if unknown:
        sys.exit(f"ONLY: {', '.join(unknown)}? There are: {', '.join(GROUPS)}")
    return wanted


def main():
    build = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "build")
    root = os.path.join(build, "bench")
    work = os.path.join(root, "work")
    wanted = choose_groups()
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    bench = Bench(build, work, clean_environment(work))
    names = ["100m", "main", "random"] + (["10g"] if os.environ.get("BIG") == "1" else [])
    bench.data = {name: make_data(bench, root, name) for name in names}
    bench.runs = int(os.environ.get("N", "5"))
    if "--data" in sys.argv:
        return 0

    report = Report()
    bench.sink = Sink(bench)
    try:
        for name in wanted:
            print(f"\n== {name}", flush=True)
            bench.sink.reset()
            GROUPS[name](bench, report)
        report.finish(os.path.join(root, "results.json"))
    finally:
        bench.sink.stop()
        shutil.rmtree(work, ignore_errors=True)
    return 0


if __name__ == "__main__":
    # a stop is an exception like any other: the servers are stopped on the way out
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        sys.exit(main())
    except Failed as failure:
        sys.exit(f"bench: {failure}")
