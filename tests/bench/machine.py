"""Runs commands one at a time on a machine that is not ours alone, and tells what each one cost."""

import json
import os
import statistics
import subprocess
import time
from dataclasses import dataclass, field

TICKS = os.sysconf("SC_CLK_TCK")
CORES = os.cpu_count()
NOISY = 0.15  # share of the machine used by others above which a run counts only for want of better
QUIET_WAIT_S = 5


def busy_s():
    """CPU seconds that the whole machine has used since it started."""
    with open("/proc/stat", encoding="ascii") as stat:
        user, nice, system, _idle, _iowait, irq, softirq = map(int, stat.readline().split()[1:8])
    return (user + nice + system + irq + softirq) / TICKS


def process_cpu_s(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def wait_until_quiet():
    """Until others use less than NOISY of the machine, or QUIET_WAIT_S have passed."""
    deadline = time.monotonic() + QUIET_WAIT_S
    while time.monotonic() < deadline:
        before, began = busy_s(), time.monotonic()
        time.sleep(0.3)
        if (busy_s() - before) / CORES / (time.monotonic() - began) < NOISY:
            return


@dataclass
class Sample:
    wall_s: float
    cpu_s: float
    peak_mb: float
    others: float  # share of the machine that others used meanwhile
    stored_mb: float = 0.0


@dataclass
class Contender:
    name: str
    command: list
    prepare: object = None  # called before each run, outside the time
    env: dict = None
    samples: list = field(default_factory=list)

    def quiet(self):
        return [sample for sample in self.samples if sample.others <= NOISY]

    def clean(self):
        """The runs that count: those on a quiet machine, or all when there was none."""
        return self.quiet() or self.samples

    def median(self, what):
        return statistics.median(getattr(sample, what) for sample in self.clean())

    def peak_mb(self):
        return max(sample.peak_mb for sample in self.samples)


class Failed(Exception):
    """A command of the benchmark failed: the run is worth nothing."""


class Bench:
    """The tools, the place to work in, and the helpers' processes whose CPU time is not others'."""

    def __init__(self, build, work, env):
        self.build = build
        self.work = work
        self.env = env
        self.helpers = []  # pids: the sink, a redis-server

    def tool(self, name):
        return os.path.join(self.build, "tests", "bench", name)

    def output(self, *command, env=None, **options):
        """stdout of a command that must succeed."""
        done = subprocess.run(command, env=env or self.env, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, check=False, **options)
        if done.returncode != 0:
            raise Failed(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
        return done.stdout

    def measure(self, command, env=None):
        report = os.path.join(self.work, "measured.json")
        log_path = os.path.join(self.work, "command.log")
        helpers_before = sum(process_cpu_s(pid) for pid in self.helpers)
        busy_before = busy_s()
        with open(log_path, "wb") as log:
            done = subprocess.run([self.tool("measure"), report, *command], env=env or self.env,
                                  stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                  start_new_session=True, check=False)
        busy = busy_s() - busy_before
        helpers = sum(process_cpu_s(pid) for pid in self.helpers) - helpers_before
        if done.returncode != 0:
            with open(log_path, encoding="utf-8", errors="replace") as log:
                raise Failed(f"exit {done.returncode}: {' '.join(command)}\n{log.read()[-2000:]}")
        with open(report, encoding="ascii") as measured:
            cost = json.load(measured)
        cpu_s = cost["user_s"] + cost["system_s"]
        others = max(0.0, busy - helpers - cpu_s) / CORES / max(cost["wall_s"], 0.01)
        peak_mb = max(cost["largest_kb"], cost["tree_kb"]) * 1024 / 1e6
        return Sample(cost["wall_s"], cpu_s, peak_mb, others)

    def interleave(self, contenders, runs, on_sample=None):
        """Every contender in turn, `runs` times: A B C A B C ..."""
        for number in range(runs):
            for contender in contenders:
                if contender.prepare:
                    contender.prepare()
                wait_until_quiet()
                sample = self.measure(contender.command, contender.env)
                if on_sample:
                    on_sample(contender, sample)
                contender.samples.append(sample)
                print(f"  {number + 1}/{runs} {contender.name}: {sample.wall_s:.2f} s", flush=True)


def shell(text):
    """A pipeline whose failure anywhere is a failure."""
    return ["bash", "-c", "set -euo pipefail; " + text]
