"""`redkeep prune` over many backups: how long a decision takes, and how often it asks the store."""

import json
import os

from groups import REPOSITORY
from machine import Contender

COUNT = 100_000
OBJECTS = 2 * COUNT


def prune(bench, env, instance):
    """A dry run that keeps them all: what is only counted is not read."""
    settings = {"REPOSITORY": REPOSITORY, "INSTANCE": instance, "KEEP_LAST": str(COUNT),
                "CONFIG": os.devnull}
    return Contender("redkeep prune", [os.path.join(bench.build, "redkeep"), "prune"],
                     env={**env, **{f"REDKEEP_{name}": text for name, text in settings.items()}})


def retention(bench, report):
    env = bench.sink.env()
    decided = json.loads(bench.output(bench.tool("retention_bench"), "decide", str(COUNT)))
    report.at_most("retention decides on 100,000 backups", "", decided["seconds"], 1, "s")

    bench.output(bench.tool("retention_bench"), "fill", REPOSITORY, "many", str(COUNT), env=env)
    nothing, many = prune(bench, env, "nobody"), prune(bench, env, "many")
    asked = []
    for contender in (nothing, many):
        before = bench.sink.requests()
        bench.output(*contender.command, env=contender.env)
        asked.append(bench.sink.requests() - before - 1)
    lists = asked[1] - (asked[0] - 1)  # whoever has no backups asks once, too
    report.at_most("retention, list requests per 1000 objects", "", lists / (OBJECTS / 1000), 1, "")
    bench.interleave([many], min(bench.runs, 3))
    report.table("prune, a dry run over 100,000 backups", [many])
    report.note(f"prune lists and decides on 100,000 backups in {many.median('wall_s'):.2f} s,"
                f" {asked[1]} requests, {many.peak_mb():.0f} MB")
