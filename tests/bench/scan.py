"""What a start waits for: the look of a guard at the append-only files of main's data, cached."""

import os
import shutil

from machine import Contender, shell

EMPTY = "tests/data/rdb/redis-7.0-empty.rdb"
MANIFEST = ("file appendonly.aof.1.base.rdb seq 1 type b\n"
            "file appendonly.aof.1.incr.aof seq 1 type i\n")
COUNT = "1300000"  # of main's items: 1.76 GB of commands


def scan(bench, report):
    volume = os.path.join(bench.work, "volume")
    files = os.path.join(volume, "appendonlydir")
    incr = os.path.join(files, "appendonly.aof.1.incr.aof")
    manifest = os.path.join(files, "appendonly.aof.manifest")
    os.makedirs(files)
    shutil.copy(EMPTY, os.path.join(files, "appendonly.aof.1.base.rdb"))
    with open(manifest, "w", encoding="ascii") as out:
        out.write(MANIFEST)
    bench.output(*shell(f"{bench.tool('redisgen')} users {COUNT} >{incr}"))
    os.sync()

    def warm():
        bench.output(bench.tool("pagecache"), "warm", incr)

    env = {"REDKEEP_DATA_DIR": volume, "REDKEEP_APPENDONLY": "yes", "REDKEEP_CONFIG": "/dev/null",
           "REDKEEP_SERVER_VERSION": "7.0.15",
           "REDKEEP_REDIS_URL": f"unix://{bench.work}/nobody.sock"}
    ours = Contender("redkeep guard", [os.path.join(bench.build, "redkeep"), "guard"], env=env)
    peer = Contender("redis-check-aof", ["redis-check-aof", manifest])
    for contender in (ours, peer):
        contender.prepare = warm
        contender.env = {**bench.env, **(contender.env or {})}
    bench.interleave([ours, peer], bench.runs)
    size = os.path.getsize(incr)
    report.table(f"guard of {size / 1e9:.2f} GB of commands, cached", [ours, peer])
    report.at_least("guard, commands a second of CPU", "one core",
                    size / 1e9 / ours.median("cpu_s"), 2, "GB")
    report.at_most("guard, wall", peer.name, ours.median("wall_s") / peer.median("wall_s"), 0.5)
    report.at_most("guard, peak memory", "1.76 GB", ours.peak_mb(), 16, "MB")
    shutil.rmtree(volume)
