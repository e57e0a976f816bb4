"""The servers that a benchmark needs: the S3 sink and redis-server. Both on loopback only."""

import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.request

from machine import Failed


class Sink:
    """s3sink on a port of the kernel's choice."""

    def __init__(self, bench, *options):
        self.bench = bench
        self.process = subprocess.Popen([bench.tool("s3sink"), *options], stdout=subprocess.PIPE,
                                        stdin=subprocess.DEVNULL, text=True)
        port = self.process.stdout.readline().strip()
        if not port:
            raise Failed("s3sink did not start")
        self.url = f"http://127.0.0.1:{port}"
        bench.helpers.append(self.process.pid)

    def _control(self, what, method):
        request = urllib.request.Request(f"{self.url}/-/{what}", method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=30) as answer:
            return json.load(answer)

    def reset(self):
        self._control("reset", "POST")

    def stored_mb(self):
        return self._control("stats", "GET")["stored_bytes"] / 1e6

    def requests(self):
        """How many it was sent, with this one."""
        return self._control("stats", "GET")["requests"]

    def env(self):
        """For every client: credentials, endpoint, and no look at anything but this sink."""
        return {
            **self.bench.env,
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench-secret",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL_S3": self.url,
            "RCLONE_CONFIG": os.devnull,
            "RCLONE_CONFIG_SINK_TYPE": "s3",
            "RCLONE_CONFIG_SINK_PROVIDER": "Other",
            "RCLONE_CONFIG_SINK_ENDPOINT": self.url,
            "RCLONE_CONFIG_SINK_ACCESS_KEY_ID": "bench",
            "RCLONE_CONFIG_SINK_SECRET_ACCESS_KEY": "bench-secret",
            "RESTIC_PASSWORD": "bench",
            "RESTIC_REPOSITORY": f"s3:{self.url}/bench/restic",
        }

    def stop(self):
        self.bench.helpers.remove(self.process.pid)
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()


class Redis:
    """redis-server in a directory of its own, on a Unix socket there and, with a port, on TCP."""

    def __init__(self, bench, name, *options, port=0, dump=None):
        self.bench = bench
        self.dir = os.path.join(bench.work, name)
        shutil.rmtree(self.dir, ignore_errors=True)
        os.makedirs(self.dir)
        if dump:  # a link: what the server saves later replaces the name, not the file
            os.link(dump, os.path.join(self.dir, "dump.rdb"))
        # not in the directory: the name of a socket may not be longer than 107 bytes
        self.socket_dir = tempfile.mkdtemp(prefix="redkeep-bench-", dir="/tmp")
        self.socket = os.path.join(self.socket_dir, "redis.sock")
        with open(os.path.join(self.dir, "log"), "wb") as log:
            self.process = subprocess.Popen(
                ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--dir", self.dir,
                 "--unixsocket", self.socket, "--save", "", *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=bench.env)
        bench.helpers.append(self.process.pid)
        self._wait()

    def _wait(self):
        for _ in range(600):
            answer = subprocess.run(["redis-cli", "-s", self.socket, "ping"], text=True,
                                    capture_output=True, env=self.bench.env, check=False)
            if answer.stdout.strip() == "PONG":
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        self.stop()
        raise Failed(f"redis-server in {self.dir} does not answer")

    def cli(self, *command, **options):
        return self.bench.output("redis-cli", "-s", self.socket, *command, **options)

    def stop(self):
        if self.process.pid in self.bench.helpers:
            self.bench.helpers.remove(self.process.pid)
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)
        shutil.rmtree(self.socket_dir, ignore_errors=True)
