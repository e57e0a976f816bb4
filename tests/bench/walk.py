"""The walk of an RDB beside redis-check-rdb, which decodes every value: both find the same keys. And
a whole verification beside a plain reading of the same object."""

import json
import os
import re

from groups import REPOSITORY, pack, size_gb, warm
from machine import Contender, Failed, shell
from servers import Sink

GIGABIT, HALF_A_GIGABIT = ("-B", "125000000"), ("-B", "62500000")  # a connection


def walk(bench, report):
    for name in ("main", "random"):
        walk_one(bench, report, name)


def walk_one(bench, report, name):
    dump = bench.data[name]
    ours = Contender("walk and CRC64", [bench.tool("walk_bench"), dump])
    theirs = Contender("redis-check-rdb", ["redis-check-rdb", dump])
    keys = json.loads(bench.output(*ours.command))["keys"]
    checked = re.search(r"(\d+) keys read", bench.output(*theirs.command))
    if not checked or int(checked.group(1)) != keys:
        raise Failed(f"walk_bench counts {keys} keys in {dump}, redis-check-rdb does not")

    for contender in (ours, theirs):
        contender.prepare = lambda: warm(bench, dump)
    bench.interleave([ours, theirs], bench.runs)
    report.table(f"verify: {keys} keys, {size_gb(dump):.2f} GB of {name} data", [ours, theirs])
    report.at_least("verify: walk the RDB and count keys", f"redis-check-rdb, {name} data",
                    theirs.median("wall_s") / ours.median("wall_s"), 5)
    report.note(f"verify: walk and CRC64 of {name} data at "
                f"{size_gb(dump) / ours.median('wall_s'):.1f} GB/s")


def stored(bench, sink):
    """Puts a backup there; the key of its data."""
    env = sink.env()
    bench.output(*pack(bench, bench.data["main"], env, "-w", "2").command, env=env)
    return re.search(r"\S*data\.tar\.zst",
                     bench.output("rclone", "lsf", "-R", "sink:bench", env=env)).group(0)


def verify(bench, report):
    """A store that gives a gigabit, whether by one connection or by two: what verify does with the
    bytes must not hold it up."""
    one, two = Sink(bench, *GIGABIT), Sink(bench, *HALF_A_GIGABIT)
    settings = {"REPOSITORY": REPOSITORY, "INSTANCE": "bench", "COMPRESS_WORKERS": "2",
                "UPLOAD_PARALLEL": "2", "CONFIG": os.devnull}
    settings = {f"REDKEEP_{name}": text for name, text in settings.items()}
    ours = Contender("redkeep verify", [os.path.join(bench.build, "redkeep"), "verify"],
                     env={**two.env(), **settings})
    try:
        stored(bench, two)
        plain = Contender("rclone cat",
                          shell(f"rclone -q cat sink:bench/{stored(bench, one)} >/dev/null"),
                          env=one.env())
        answer = json.loads(bench.output(*ours.command, "--json", env=ours.env))["results"][0]
        if not answer["ok"] or not answer["walked"]:
            raise Failed(f"verify: {answer['why']}")
        bench.interleave([ours, plain], min(bench.runs, 3))
        report.table(f"verify of {size_gb(bench.data['main']):.2f} GB in a store behind 1 Gbit/s",
                     [ours, plain])
        report.at_most("verify, wall", "rclone cat, 1 Gbit/s",
                       ours.median("wall_s") / plain.median("wall_s"), 1.1)
        report.at_most("verify, peak memory", "2 workers", ours.peak_mb(), 64, "MB")
    finally:
        one.stop()
        two.stop()
