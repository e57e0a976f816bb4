"""The walk of an RDB beside redis-check-rdb, which decodes every value: both find the same keys."""

import json
import re

from machine import Contender, Failed
from groups import size_gb, warm


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
