"""`redkeep run`: what it costs while it waits, whether it answers while a backup takes both cores,
and whether those who ask it hold up a backup."""

import json
import os
import signal
import statistics
import subprocess
import time
import urllib.error
import urllib.request

from groups import Loop, fill_keys, pack
from machine import CORES, TICKS, Contender, Failed, Sample, busy_s, wait_until_quiet
from servers import Redis

TOKEN = "bench-token"
QUIET_S = 30  # after the first backup, before its memory is looked at
IDLE_S = 60
PROBES_A_SECOND = 100
PROBED_S = 6
FLOOD_A_SECOND = 10_000
LISTEN_WAIT_S = 10
BACKUP_WAIT_S = 300


def tree_cpu_s(pid):
    """Of the process, and with the children that it has waited for."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        user, system, *children = map(int, stat.read().rsplit(")", 1)[1].split()[11:15])
    return (user + system) / TICKS, (user + system + sum(children)) / TICKS


class Sidecar:
    """redkeep run beside a server, on a port of the kernel's choice."""

    def __init__(self, bench, redis, **settings):
        self.log = os.path.join(bench.work, "sidecar.log")
        settings = {
            "REDIS_URL": f"unix://{redis.socket}", "DATA_DIR": redis.dir,
            "REPOSITORY": "s3://bench/redkeep", "INSTANCE": "bench", "BACKUP_SCHEDULE": "off",
            "HTTP_LISTEN": "127.0.0.1:0", "HTTP_TOKEN": TOKEN, "DRAIN_TIMEOUT": "2s",
            "LOG_FORMAT": "json", **settings,
        }
        env = {**bench.sink.env(), **{f"REDKEEP_{name}": text for name, text in settings.items()}}
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([os.path.join(bench.build, "redkeep"), "run"], env=env,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.pid = self.process.pid
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self.url = self._find_url()
        self.port = self.url.rsplit(":", 1)[1]
        self.until(lambda: self.status()["ready"], "the server to be ready")

    def _find_url(self):
        deadline = time.monotonic() + LISTEN_WAIT_S
        while time.monotonic() < deadline and self.process.poll() is None:
            for line in self.log_lines():
                if " answers /livez" in line.get("msg", ""):
                    return line["msg"].split()[0]
            time.sleep(0.05)
        raise self.failed("redkeep run does not listen")

    def log_lines(self):
        with open(self.log, encoding="utf-8") as log:
            return [json.loads(line) for line in log if line.endswith("}\n")]

    def failed(self, why):
        self.stop()
        with open(self.log, encoding="utf-8") as log:
            return Failed(f"{why}\n{log.read()[-2000:]}")

    def ask(self, path, method="GET"):
        request = urllib.request.Request(self.url + path, method=method,
                                         headers={"Authorization": f"Bearer {TOKEN}"})
        try:
            with self.opener.open(request, timeout=30) as answer:
                return answer.read()
        except urllib.error.HTTPError as refused:
            raise self.failed(f"{method} {path}: {refused.code} {refused.read()}") from refused

    def status(self):
        return json.loads(self.ask("/status"))

    def job(self, kind):
        return next(job for job in self.status()["jobs"] if job["kind"] == kind)

    def is_quiet(self):
        return not any(job["running"] for job in self.status()["jobs"])

    def until(self, condition, what):
        deadline = time.monotonic() + BACKUP_WAIT_S
        while not condition():
            if time.monotonic() > deadline:
                raise self.failed(f"waited too long for {what}")
            time.sleep(0.1)

    def wait_for_backup(self, number):
        """Until so many have ended; how long the last one took, and of it the server's save."""
        self.until(lambda: self.job("backup")["count_ok"] >= number or
                   self.job("backup")["count_failed"] > 0, "a backup")
        self.until(self.is_quiet, "its jobs to end")
        job = self.job("backup")
        if job["count_failed"]:
            raise self.failed(f"a backup failed: {job['last_message']}")
        return job["last_took_seconds"], self.status()["backups"][0]["save_seconds"]

    def backup(self):
        number = self.job("backup")["count_ok"] + 1
        self.ask("/backup", "POST")
        return self.wait_for_backup(number)

    def memory_mb(self):
        """What the kernel counts for the process, by name."""
        with open(f"/proc/{self.pid}/smaps_rollup", encoding="ascii") as rollup:
            rows = [line.split() for line in rollup if line.endswith(" kB\n")]
        return {row[0].rstrip(":"): int(row[1]) * 1024 / 1e6 for row in rows}

    def peak_mb(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as status:
            row = next(line for line in status if line.startswith("VmHWM:"))
        return int(row.split()[1]) * 1024 / 1e6

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Requests:
    """http_flood in the background, until the with block ends; then .found is what it saw."""

    def __init__(self, bench, port, rate, *options):
        self.command = [bench.tool("http_flood"), "-p", str(port), "-r", str(rate),
                        "-t", str(BACKUP_WAIT_S), *options]
        self.process = None
        self.found = None

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_exception):
        self.process.send_signal(signal.SIGTERM)
        answer, _ = self.process.communicate()
        if self.process.returncode == 0:
            self.found = json.loads(answer)


def judge_answers(found):
    if found is None or found["errors"] or found["answered"] != found["sent"]:
        raise Failed(f"requests without an answer: {found}")
    return found


def sidecar(bench, report):
    idle(bench, report)
    redis = Redis(bench, "watched", dump=bench.data["main"])
    try:
        readiness(bench, report, redis)
        flood(bench, report, redis)
    finally:
        redis.stop()


def idle(bench, report):
    """By the default schedule but for the hour, which may be full in the middle of it."""
    redis = Redis(bench, "idle")
    try:
        fill_keys(redis)
        watching = Sidecar(bench, redis, BACKUP_SCHEDULE="@every 12h")
        try:
            watching.wait_for_backup(1)
            time.sleep(QUIET_S)
            memory = watching.memory_mb()
            before = tree_cpu_s(watching.pid)[1]
            time.sleep(IDLE_S)
            cpu_s = tree_cpu_s(watching.pid)[1] - before
        finally:
            watching.stop()
    finally:
        redis.stop()
    private = memory["Private_Clean"] + memory["Private_Dirty"]
    report.at_most("sidecar idle, private memory", f"{QUIET_S} s after a backup", private, 6, "MB")
    report.at_most("sidecar idle, resident memory", "were nothing shared with others",
                   memory["Rss"], 6, "MB")
    report.at_most("sidecar idle, CPU", f"one core, {IDLE_S} s", cpu_s / IDLE_S * 100, 0.2, "%")
    report.note(f"sidecar idle: {private:.2f} MB private, of it {memory['Private_Dirty']:.2f} dirty"
                f" and {memory['Anonymous']:.2f} anonymous; what is private depends on who else has"
                " mapped the same libraries, resident is all of it")


def probe(bench, watching):
    """/readyz, with a connection of its own for each request, as kubelet does."""
    return Requests(bench, watching.port, PROBES_A_SECOND, "-1", "-c", "16")


def readiness(bench, report, redis):
    command = pack(bench, bench.data["main"], None, "-w", "2").command
    p99 = {"nothing": [], "a backup's work on both cores": []}
    worst = 0
    watching = Sidecar(bench, redis, COMPRESS_WORKERS="2")
    try:
        for number in range(bench.runs):
            for name, busy in zip(p99, (None, command)):
                bench.sink.reset()
                wait_until_quiet()
                with Loop(busy, bench.sink.env()) as loop, probe(bench, watching) as asked:
                    time.sleep(PROBED_S)
                found = judge_answers(asked.found)
                if loop.failed:
                    raise Failed(f"{' '.join(busy)} failed")
                p99[name].append(found["p99_ms"])
                worst = max(worst, found["max_ms"])
                print(f"  {number + 1}/{bench.runs} /readyz beside {name}: p99"
                      f" {found['p99_ms']:.2f} ms, at most {found['max_ms']:.2f} ms", flush=True)
        bench.sink.reset()
        with probe(bench, watching) as asked:
            took_s, save_s = watching.backup()
        found = judge_answers(asked.found)
    finally:
        watching.stop()
    median = {name: statistics.median(values) for name, values in p99.items()}
    for name, value in list(median.items())[1:]:
        report.at_most("/readyz, p99", f"beside {name}", value, 50, "ms")
    report.at_most("/readyz, p99", "a whole backup, 2 workers", found["p99_ms"], 50, "ms")
    report.note("/readyz, p99: " + ", ".join(f"beside {n} {m:.2f} ms" for n, m in median.items())
                + f", at most {worst:.1f} ms; over a whole backup of {took_s:.1f} s (its save"
                f" {save_s:.1f} s) {found['p99_ms']:.2f} ms, at most {found['max_ms']:.1f} ms")


class Bare:
    """The cheapest server that can answer the same requests."""

    def __init__(self, bench):
        self.process = subprocess.Popen([bench.tool("http_flood"), "-s"], text=True,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.pid = self.process.pid
        self.port = self.process.stdout.readline().strip()
        if not self.port:
            raise Failed("http_flood -s did not start")

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()


class Crowd:
    """A backup while ten thousand requests a second go to somebody, or to nobody."""

    def __init__(self, name, server):
        self.contender = Contender(name, [])
        self.server = server  # the one that answers: Sidecar, Bare or None
        self.rates, self.generator_us, self.server_us = [], [], []

    def run(self, bench, redis, watching):
        ours = {redis.process.pid, watching.pid, *bench.helpers}
        if isinstance(self.server, Bare):
            ours.add(self.server.pid)
        bench.sink.reset()
        os.sync()  # nobody pays for what another one wrote
        wait_until_quiet()
        busy, began = busy_s(), time.monotonic()
        cpu = sum(tree_cpu_s(pid)[1] for pid in ours) + time.process_time()
        watching_cpu = tree_cpu_s(watching.pid)[1]
        took_s, save_s, asking_cpu = self.backup(bench, watching)
        cpu = sum(tree_cpu_s(pid)[1] for pid in ours) + time.process_time() + asking_cpu - cpu
        others = (busy_s() - busy - cpu) / CORES / (time.monotonic() - began)
        sample = Sample(took_s, tree_cpu_s(watching.pid)[1] - watching_cpu, watching.peak_mb(),
                        max(0.0, others), bench.sink.stored_mb())
        sample.pack_s = took_s - save_s
        self.contender.samples.append(sample)
        return took_s

    def backup(self, bench, watching):
        if self.server is None:
            return *watching.backup(), 0
        answering = tree_cpu_s(self.server.pid)[0]
        with Requests(bench, self.server.port, FLOOD_A_SECOND) as asked:
            took = watching.backup()
        self.count(judge_answers(asked.found), tree_cpu_s(self.server.pid)[0] - answering)
        return *took, asked.found["cpu_s"]

    def count(self, found, server_s):
        self.rates.append(found["answered"] / found["wall_s"])
        self.generator_us.append(found["cpu_s"] / found["answered"] * 1e6)
        self.server_us.append(server_s / found["answered"] * 1e6)


def flood(bench, report, redis):
    watching = Sidecar(bench, redis)
    bare = Bare(bench)
    crowds = [Crowd("nobody asks", None), Crowd("10,000 /readyz a second", watching),
              Crowd("10,000 a second to a bare server", bare)]
    try:
        for number in range(bench.runs):
            for crowd in crowds:
                took_s = crowd.run(bench, redis, watching)
                print(f"  {number + 1}/{bench.runs} backup, {crowd.contender.name}: {took_s:.2f} s",
                      flush=True)
    finally:
        bare.stop()
        watching.stop()
    report.table("backup by the sidecar, the save included (CPU with the job's, memory its own)",
                 [crowd.contender for crowd in crowds])
    nobody, asked, others = crowds
    base, pack_s = nobody.contender.median("wall_s"), nobody.contender.median("pack_s")
    report.at_most("backup, wall", f"{asked.contender.name}; nobody asks",
                   asked.contender.median("wall_s") / base, 1.05)
    report.at_least("/readyz, answered meanwhile", "10,000 a second",
                    min(asked.rates) / FLOOD_A_SECOND, 0.99)
    for crowd in (asked, others):
        report.note(f"backup, {crowd.contender.name}: {crowd.contender.median('wall_s') / base:.3f}"
                    f" x the wall of nobody ({crowd.contender.median('pack_s') / pack_s:.3f} x"
                    " what follows the save); CPU a request: who asks"
                    f" {statistics.median(crowd.generator_us):.1f} us, who answers"
                    f" {statistics.median(crowd.server_us):.1f} us")
