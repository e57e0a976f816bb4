"""What is measured, one function a group. Goals are those of the table the bench is made for."""

import functools
import json
import os
import shutil
import socket
import statistics
import subprocess
import threading

from machine import Contender, Failed, shell
from servers import Redis, Sink

REPOSITORY = "s3://bench/redkeep"
SLOW = ("-L", "30", "-B", "50000000")  # 30 ms an answer, 50 MB/s a connection
GROWING = ("100m", "main", "10g")  # the same data, more of it
DELTA_MB = 2  # of memory that differs between runs of the same thing


def size_gb(path):
    return os.path.getsize(path) / 1e9


def pack(bench, dump, env, *options):
    """redkeep's own part of a backup: what follows the server's save."""
    return Contender("", [bench.tool("pack_bench"), *options, REPOSITORY, dump], env=env)


def unpack(bench, target, env, **settings):
    """The real command: it needs no server."""
    settings = {"REPOSITORY": REPOSITORY, "INSTANCE": "bench", "COMPRESS_WORKERS": "2", **settings}
    env = {**env, **{f"REDKEEP_{name}": value for name, value in settings.items()}}
    return Contender("", [os.path.join(bench.build, "redkeep"), "restore", "--target", target],
                     env=env)


def named(name, contender):
    contender.name = name
    return contender


def empty(directory):
    shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(directory)
    os.sync()  # nobody pays for what another one wrote


def warm(bench, path):
    bench.output(bench.tool("pagecache"), "warm", path)


def count_stored(sink):
    def on_sample(_contender, sample):
        sample.stored_mb = sink.stored_mb()
    return on_sample


def crc(bench, report):
    speed = json.loads(bench.output(bench.tool("crc_bench"), bench.data["main"]))
    print(f"  best of {speed['runs']}, MB/s from RAM: {speed['ram']}, by tables"
          f" {speed['ram_table']}; from the cache: {speed['cache']}, by tables"
          f" {speed['cache_table']}")
    report.at_least("CRC64 of an RDB in memory", "slice-by-8", speed["ram"] / speed["ram_table"], 8)
    report.note(f"CRC64 of a block just read: {speed['cache'] / speed['cache_table']:.1f} x"
                " slice-by-8")


def backup(bench, report):
    dump, sink = bench.data["main"], bench.sink
    env = sink.env()
    aws = f"/usr/bin/aws --endpoint-url {sink.url} s3 cp --no-progress"

    def fresh():
        sink.reset()
        warm(bench, dump)

    def fresh_restic():
        fresh()
        bench.output("restic", "-q", "--no-cache", "init", env=env)

    ours = named("redkeep, 2 workers", pack(bench, dump, env, "-w", "2"))
    one = named("redkeep, 1 worker", pack(bench, dump, env, "-w", "1"))
    zstd = Contender("zstd -1 -T2 to /dev/null", shell(f"zstd -q -1 -T2 -c {dump} >/dev/null"))
    rcat = Contender("zstd -1 | rclone rcat",
                     shell(f"zstd -q -1 -c {dump} | rclone -q rcat sink:bench/dump.zst"))
    rclone = Contender("rclone copyto", ["rclone", "-q", "copyto", dump, "sink:bench/dump.rdb"])
    restic = Contender("restic backup", ["restic", "-q", "--no-cache", "backup", dump],
                       prepare=fresh_restic)
    awscli = Contender("zstd -1 | aws s3 cp -",
                       shell(f"zstd -q -1 -c {dump} | {aws} - s3://bench/dump.zst"))
    everyone = [ours, one, zstd, rcat, rclone, restic, awscli]
    for contender in everyone:
        contender.env = env
        contender.prepare = contender.prepare or fresh
    bench.interleave(everyone, bench.runs, count_stored(sink))
    report.table(f"backup of {size_gb(dump):.2f} GB", everyone)

    for peer, wall, cpu in ((zstd, 1.0, 1.1), (rcat, 0.45, 0.5), (rclone, 0.45, None),
                            (restic, 0.22, None), (awscli, 0.5, None)):
        report.at_most("backup, wall", peer.name, ours.median("wall_s") / peer.median("wall_s"),
                       wall)
        if cpu:
            report.at_most("backup, CPU", peer.name, ours.median("cpu_s") / peer.median("cpu_s"),
                           cpu)
    report.at_most("backup, peak memory", "2 workers", ours.peak_mb(), 48, "MB")
    report.at_most("backup, peak memory", "1 worker", one.peak_mb(), 28, "MB")
    bench.pack_wall_s = ours.median("wall_s")


def restore(bench, report):
    dump, sink = bench.data["main"], bench.sink
    env = sink.env()
    aws = ["/usr/bin/aws", "--endpoint-url", sink.url, "s3", "cp", "--no-progress"]
    target = os.path.join(bench.work, "restored")
    bench.output(*shell(f"zstd -q -1 -c {dump} | {' '.join(aws)} - s3://bench/dump.zst"), env=env)
    bench.output(*aws, dump, "s3://bench/dump.rdb", env=env)
    bench.output("restic", "-q", "--no-cache", "init", env=env)
    bench.output("restic", "-q", "--no-cache", "backup", dump, env=env)
    bench.output(*pack(bench, dump, env, "-w", "2").command, env=env)

    def fresh():
        empty(target)

    ours = named("redkeep, 2 workers", unpack(bench, target, env))
    rcat = Contender("rclone cat | zstd -d",
                     shell(f"rclone -q cat sink:bench/dump.zst | zstd -q -d -o {target}/dump.rdb"))
    restic = Contender("restic restore", ["restic", "-q", "--no-cache", "restore", "latest",
                                          "--target", target])
    awscli = Contender("aws s3 cp", [*aws, "s3://bench/dump.rdb", f"{target}/dump.rdb"])
    everyone = [ours, rcat, restic, awscli]
    for contender in everyone:
        contender.env = contender.env or env
        contender.prepare = fresh
    bench.interleave(everyone, bench.runs)
    fresh()
    bench.output(*ours.command, env=ours.env)
    bench.output("cmp", dump, os.path.join(target, "dump.rdb"))
    shutil.rmtree(target)
    report.table(f"restore of {size_gb(dump):.2f} GB", everyone)

    for peer, wall, cpu in ((rcat, 0.95, 0.85), (restic, 0.4, None), (awscli, 0.7, None)):
        report.at_most("restore, wall", peer.name, ours.median("wall_s") / peer.median("wall_s"),
                       wall)
        if cpu:
            report.at_most("restore, CPU", peer.name, ours.median("cpu_s") / peer.median("cpu_s"),
                           cpu)
    report.at_most("restore, peak memory", "2 workers", ours.peak_mb(), 64, "MB")


def slow_remote(bench, report):
    """The default of connections against one: with values that nothing compresses, where the wire
    is the limit, and with the mixed set, where a backup waits for the compressor."""
    sink = Sink(bench, *SLOW)
    env = sink.env()
    target = os.path.join(bench.work, "restored")
    runs = min(bench.runs, 3)
    one_back = named("restore, 1 connection", unpack(bench, target, env, UPLOAD_PARALLEL="1"))
    back = named("restore, default", unpack(bench, target, env))
    one_back.prepare = back.prepare = lambda: empty(target)
    try:
        for name, what in (("random", "random values"), ("main", "mixed values")):
            dump = bench.data[name]
            one = named("backup, 1 connection", pack(bench, dump, env, "-w", "2", "-c", "1"))
            auto = named("backup, default", pack(bench, dump, env, "-w", "2"))
            one.prepare = auto.prepare = sink.reset
            one_back.samples, back.samples = [], []
            bench.interleave([one, auto], runs, count_stored(sink))
            bench.interleave([one_back, back], runs)
            report.table(f"slow remote, {what}: 30 ms an answer, 50 MB/s a connection",
                         [one, auto, one_back, back])
            for job, slow, quick in (("backup", one, auto), ("restore", one_back, back)):
                ratio = slow.median("wall_s") / quick.median("wall_s")
                if (name, job) == ("main", "backup"):
                    report.note(f"slow remote, backup of {what}: {ratio:.1f} x 1 connection; not"
                                " the connections are its limit, but zstd in 2 workers")
                else:
                    report.at_least(f"slow remote, {job}", f"1 connection, {what}", ratio, 8)
                report.at_most(f"slow remote, {job}, peak memory", what, quick.peak_mb(),
                               48 if job == "backup" else 64, "MB")
    finally:
        sink.stop()
        shutil.rmtree(target, ignore_errors=True)


def page_cache(bench, report):
    """What a backup leaves of the dump in the page cache, from none and from half of it cached."""
    dump, tool = bench.data["main"], bench.tool("pagecache")
    command = pack(bench, dump, None, "-w", "2").command
    env = bench.sink.env()
    bench.output(tool, "drop", dump)
    bench.output(*command, env=env)
    cold = int(bench.output(tool, "count", dump))
    bench.sink.reset()

    bench.output(tool, "drop", dump)
    half = int(bench.output(tool, "warm", dump, str(os.path.getsize(dump) // 2)))
    bench.output(*command, env=env)
    left = int(bench.output(tool, "count", dump))
    print(f"  none cached: {cold} bytes afterwards; {half} cached: {left} afterwards")
    report.at_most("page cache left behind", "none cached before", cold, 0, "bytes")
    report.at_most("page cache left behind", "half cached before", max(0, left - half), 0, "bytes")
    report.note(f"page cache: of {half / 1e6:.0f} MB that were cached before, "
                f"{min(left, half) / 1e6:.0f} MB still were afterwards")


def read_from_disk(bench, dump):
    """The largest dump may not fit into the page cache, so none is in it."""
    bench.sink.reset()
    bench.output(bench.tool("pagecache"), "drop", dump)


def growth(bench, report):
    env = bench.sink.env()
    sizes = []
    for name in (name for name in GROWING if name in bench.data):
        dump = bench.data[name]
        contender = named(f"{size_gb(dump):.2f} GB", pack(bench, dump, env, "-w", "2"))
        contender.prepare = functools.partial(read_from_disk, bench, dump)
        contender.dump = dump
        sizes.append(contender)
        bench.interleave([contender], 1 if name == "10g" else bench.runs, count_stored(bench.sink))
    report.table("backup as the data grows", sizes)
    for small, large in zip(sizes, sizes[1:]):
        per_gb = [c.median("wall_s") / size_gb(c.dump) for c in (small, large)]
        report.at_most("growth, time a GB", f"{large.name} against {small.name}",
                       per_gb[1] / per_gb[0], 1.1)
        report.at_most("growth, more memory", f"{large.name} against {small.name}",
                       large.peak_mb() - small.peak_mb(), DELTA_MB, "MB")


class Loop:
    """A command over and over in the background, until the with block ends."""

    def __init__(self, command, env):
        self.command, self.env = command, env
        self.stopping = threading.Event()
        self.process = None
        self.finished = 0
        self.failed = 0
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        while not self.stopping.is_set():
            self.process = subprocess.Popen(self.command, env=self.env, start_new_session=True,
                                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                            stderr=subprocess.DEVNULL)
            if self.process.wait() == 0:
                self.finished += 1
            elif not self.stopping.is_set():
                self.failed += 1
                return

    def __enter__(self):
        if self.command:
            self.thread.start()
        return self

    def __exit__(self, *_exception):
        self.stopping.set()
        if self.command:
            if self.process and self.process.poll() is None:
                self.process.terminate()
            self.thread.join()


def free_port():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return unused.getsockname()[1]


def fill_keys(redis):
    """The 100,000 keys of 256 bytes that the probe asks for."""
    commands = "".join(f"SET key:{key:08d} {'v' * 256}\r\n" for key in range(100_000))
    redis.cli("--pipe", input=commands)


def beside_redis(bench, report):
    """Latency of a Redis with an AOF while a backup of another dump goes on."""
    dump, sink = bench.data["main"], bench.sink
    env = sink.env()
    contenders = {
        "nothing": None,
        "redkeep, default workers": pack(bench, dump, None).command,
        "rclone copyto": ["rclone", "-q", "copyto", dump, "sink:bench/dump.rdb"],
    }
    p99 = {name: [] for name in contenders}
    port = free_port()
    redis = Redis(bench, "probed", "--appendonly", "yes", "--auto-aof-rewrite-percentage", "0",
                  port=port)
    try:
        fill_keys(redis)
        for number in range(bench.runs):
            for name, command in contenders.items():
                sink.reset()
                warm(bench, dump)
                with Loop(command, env) as loop:
                    found = json.loads(bench.output(bench.tool("probe"), "-p", str(port)))
                if loop.failed:
                    raise Failed(f"beside Redis: {' '.join(command)} failed")
                p99[name].append(found["p99_ms"])
                print(f"  {number + 1}/{bench.runs} {name}: p99 {found['p99_ms']:.2f} ms,"
                      f" p99.9 {found['p999_ms']:.2f} ms", flush=True)
    finally:
        redis.stop()
    median = {name: statistics.median(values) for name, values in p99.items()}
    print("  p99, medians: " + ", ".join(f"{n} {m:.2f} ms" for n, m in median.items()))
    report.at_most("Redis beside a backup, p99", "rclone copyto",
                   median["redkeep, default workers"] / median["rclone copyto"], 0.35)
    report.note("p99 of Redis: " + ", ".join(f"{n} {m:.2f} ms" for n, m in median.items()))


SCRIPT = """
cli() { redis-cli -s "$SOCKET" "$@"; }
before=$(cli lastsave); sleep 1.1
cli bgsave
while [ "$(cli lastsave)" = "$before" ]; do sleep 0.2; done
date +saved=%s.%N >"$TIMES"
cp "$DATA/dump.rdb" "$DATA/copy.rdb"
gzip "$DATA/copy.rdb"
/usr/bin/aws --endpoint-url "$AWS_ENDPOINT_URL_S3" s3 cp --no-progress "$DATA/copy.rdb.gz" \
    s3://bench/copy.rdb.gz
date +done=%s.%N >>"$TIMES"
"""


def seconds_after_save(path):
    with open(path, encoding="ascii") as times:
        marks = dict(line.strip().split("=") for line in times)
    return float(marks["done"]) - float(marks["saved"])


def live_server(bench, report):
    """The usual script, and the real commands, with a live server: one run each, it takes long."""
    sink = bench.sink
    redis = Redis(bench, "live", dump=bench.data["main"])
    try:
        times = os.path.join(bench.work, "times")
        env = {**sink.env(), "SOCKET": redis.socket, "DATA": redis.dir, "TIMES": times}
        script = Contender("BGSAVE + cp + gzip + upload", shell(SCRIPT), env=env)
        bench.interleave([script], 1, count_stored(sink))
        everyone = [script, *real_commands(bench, redis)]
    finally:
        redis.stop()
    report.table("with a live server (its save included)", everyone)
    if not hasattr(bench, "pack_wall_s"):
        contender = named("redkeep", pack(bench, bench.data["main"], sink.env(), "-w", "2"))
        contender.prepare = sink.reset
        bench.interleave([contender], bench.runs)
        bench.pack_wall_s = contender.median("wall_s")
    after_save = seconds_after_save(times)
    report.at_most("backup, wall", "cp + gzip + upload, without the save",
                   bench.pack_wall_s / after_save, 0.15)
    for contender in everyone[1:]:
        report.note(f"{contender.name}: {contender.median('wall_s'):.1f} s")
    report.note(f"script: {script.median('wall_s'):.1f} s, of it {after_save:.1f} s after the save")
    report.note("backup with the save on both sides: "
                f"{everyone[1].median('wall_s') / script.median('wall_s'):.2f} x the script")


def real_commands(bench, redis):
    """The commands as a user runs them, the server's save and all."""
    sink = bench.sink
    target = os.path.join(bench.work, "restored")
    env = {
        **unpack(bench, target, sink.env()).env,
        "REDKEEP_REDIS_URL": f"unix://{redis.socket}",
        "REDKEEP_DATA_DIR": redis.dir,
    }
    backup_command = Contender("redkeep backup", [os.path.join(bench.build, "redkeep"), "backup"],
                               env=env, prepare=sink.reset)
    bench.interleave([backup_command], 1, count_stored(sink))
    restore_command = named("redkeep restore", unpack(bench, target, sink.env()))
    restore_command.prepare = lambda: empty(target)
    bench.interleave([restore_command], 1)
    shutil.rmtree(target)
    return [backup_command, restore_command]
