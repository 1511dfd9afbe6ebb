"""Starts, kills and restarts the broker under test: ours, or Apache Kafka to check the checks."""

import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request

from clients import java

READY_SECONDS = 60

def answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


class Broker:
    """A broker process on loopback with a data directory of its own."""

    def __init__(self, build, port):
        self.port, self.dir = port, f"{build}/data-{port}"
        self.log = open(f"{build}/broker-{port}.log", "ab")
        self.process = None
        shutil.rmtree(self.dir, ignore_errors=True)
        os.makedirs(self.dir)

    @property
    def bootstrap(self):
        return f"127.0.0.1:{self.port}"

    def spawn(self):
        """Starts the process and doesn't wait for it to serve."""
        self.process = subprocess.Popen(self.command(), stdout=self.log, stderr=self.log)

    def start(self):
        """Starts the process at once, as a supervisor does after a kill, and waits for service."""
        self.spawn()
        deadline = time.monotonic() + READY_SECONDS
        while not self.is_ready():
            code = self.process.poll()
            assert code is None, f"the broker ended with {code} instead of starting; {self.said()}"
            assert time.monotonic() < deadline, f"not ready after {READY_SECONDS} s; {self.said()}"
            time.sleep(0.02)

    def is_ready(self):
        return answers(self.port)

    def said(self):
        with open(self.log.name, "rb") as file:
            last = file.read().decode(errors="replace").splitlines()[-1:]
        return f"the last line of {self.log.name} is {last}"

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def restart(self):
        self.kill()
        self.start()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)


class Corelog(Broker):
    def __init__(self, build, port, binary, options=()):
        super().__init__(build, port)
        self.binary, self.options = binary, list(options)

    def is_ready(self):
        """By HTTP: for some ms, the listener of a killed process still takes connections."""
        try:
            ready = f"http://127.0.0.1:{self.port + 1}/ready"
            return urllib.request.urlopen(ready, timeout=1).status == 200
        except OSError:
            return False

    def command(self):
        return [
            self.binary,
            "serve",
            "--data",
            self.dir,
            "--listen-kafka",
            self.bootstrap,
            "--listen-http",
            f"127.0.0.1:{self.port + 1}",
            "--listen-native",
            "off",
            "--cores",
            "2",
            *self.options,
        ]


class Kafka(Broker):
    """Apache Kafka in KRaft mode, from the jars that the Java clients come with."""

    def __init__(self, build, port):
        super().__init__(build, port)
        self.config = f"{build}/kafka-{port}.properties"
        lines = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{port + 1}",
            "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{port + 1}",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": self.dir,
            "offsets.topic.replication.factor": "1",
            "message.max.bytes": "2000000",
        }
        with open(self.config, "w") as file:
            file.writelines(f"{k}={v}\n" for k, v in lines.items())
        tool = "kafka.tools.StorageTool"
        cluster = "AAAAAAAAAAAAAAAAAAAAAQ"
        format_ = java(tool, "format", "-t", cluster, "-c", self.config)
        subprocess.run(format_, check=True, capture_output=True)

    def command(self):
        return java("kafka.Kafka", self.config)
