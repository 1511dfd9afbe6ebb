"""Brokers with a stated durability, each a process with a fresh data directory on loopback."""

import os
import shutil
import signal
import socket
import subprocess
import time

READY_SECONDS = 60
SETTLE_SECONDS = 4
CLUSTER = "AAAAAAAAAAAAAAAAAAAAAQ"


class Broker:
    """Durability is `memory` (acknowledged before a flush) or `disk` (flushed first)."""

    name = ""
    kafka = True

    def __init__(self, options, durability):
        self.options, self.durability = options, durability
        self.port = options.port
        self.dir = os.path.join(options.build, "data")
        self.process = None
        self.start_ms = None

    def prepare(self):
        """What is done once before the first start, such as formatting."""

    def start(self):
        shutil.rmtree(self.dir, ignore_errors=True)
        os.makedirs(self.dir)
        if self.is_taken():
            raise RuntimeError(f"something listens on port {self.port} already: end it, or give --port")
        self.prepare()
        log = open(os.path.join(self.options.build, f"{self.name}-{self.durability}.log"), "wb")
        begin = time.monotonic()
        self.process = subprocess.Popen(self.command(), stdout=log, stderr=log)
        while not self.is_ready():
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended instead of starting: see {log.name}")
            if time.monotonic() - begin > READY_SECONDS:
                raise RuntimeError(f"{self.name} is not ready: see {log.name}")
            time.sleep(0.002)
        self.start_ms = (time.monotonic() - begin) * 1e3

    def is_taken(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def is_ready(self):
        """Whether it answers a request; a listening port alone is not service."""
        raise NotImplementedError

    def exchange(self, request, expected):
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                connection.settimeout(1)
                connection.sendall(request)
                return expected(connection.recv(4096))
        except OSError:
            return False

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)
        # A disk that is told of freed blocks is busy with gigabytes of them for some seconds.
        os.sync()
        time.sleep(SETTLE_SECONDS)

    def rss_mib(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            line = next(line for line in status if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024

    def cpu_seconds(self):
        """User and system time of all its threads."""
        with open(f"/proc/{self.process.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class KafkaProtocol(Broker):
    def is_ready(self):
        # Metadata version 0 of no topics: correlation 7, client "p". Ready once a broker is listed.
        body = b"\0\3\0\0\0\0\0\7\0\1p\0\0\0\0"
        framed = len(body).to_bytes(4, "big") + body
        listed = lambda got: len(got) >= 12 and int.from_bytes(got[8:12], "big") > 0
        return self.exchange(framed, listed)


class Corelog(KafkaProtocol):
    name = "corelog"

    def command(self):
        durability = {"disk": "disk", "memory": "written"}[self.durability]
        return self.serve("2", "--listen-native", "off", "-s", f"broker.corelog.durability={durability}")

    def serve(self, cores, *more):
        return [
            self.options.binary, "serve", "--data", self.dir, "--cores", cores,
            "--listen-kafka", f"127.0.0.1:{self.port}",
            "--listen-http", f"127.0.0.1:{self.port + 1}", *more,
        ]


class BothProtocols(Corelog):
    """Flushed, and with the native protocol, on the third port."""

    def __init__(self, options):
        super().__init__(options, "disk")

    def serve(self, cores, *more):
        return super().serve(cores, "--listen-native", f"127.0.0.1:{self.port + 2}", *more)

    def address(self, driver):
        return f"127.0.0.1:{self.port + (2 if driver == 'native' else 0)}"


class Kafka(KafkaProtocol):
    name = "Apache Kafka"

    def prepare(self):
        lines = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{self.port + 1}",
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self.port + 1}",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": self.dir,
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
        }
        if self.durability == "disk":
            lines["log.flush.interval.messages"] = "1"
        self.config = os.path.join(self.options.build, "kafka.properties")
        with open(self.config, "w") as file:
            file.writelines(f"{key}={value}\n" for key, value in lines.items())
        tool = self.java("kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c", self.config)
        subprocess.run(tool, check=True, capture_output=True)

    def java(self, main, *arguments):
        """With the heap and collector of Kafka's own start script."""
        return [
            "java", "-Xmx1G", "-Xms1G", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20",
            "-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
            "-cp", f"{self.options.jars}/*", main, *arguments,
        ]

    def command(self):
        return self.java("kafka.Kafka", self.config)


class Redis(Broker):
    name = "Redis Streams"
    kafka = False

    def command(self):
        fsync = {"disk": "always", "memory": "everysec"}[self.durability]
        return [
            "redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.dir,
            "--appendonly", "yes", "--appendfsync", fsync, "--save", "",
        ]

    def is_ready(self):
        return self.exchange(b"PING\r\n", lambda got: got == b"+PONG\r\n")

    def measure(self, seconds):
        """50 connections with 16 in flight each, one record of 1,000 B a request."""
        count = int(seconds * 60_000)
        said = subprocess.run(
            [
                "redis-benchmark", "-p", str(self.port), "-c", "50", "-P", "16", "-n", str(count),
                "--csv", "XADD", "stream", "*", "v", "x" * 1000,
            ],
            check=True, capture_output=True, text=True,
        ).stdout
        rows = [line.rsplit(",", 7) for line in said.splitlines() if line.startswith('"XADD')]
        rate, _, _, p50, _, p99, _ = (float(cell.strip('"')) for cell in rows[-1][1:])
        return {"rate": rate, "records": count, "p50": p50 * 1e3, "p99": p99 * 1e3, "p99.9": None}


class Nats(Broker):
    name = "NATS JetStream"
    kafka = False

    def prepare(self):
        sync = {"disk": "always", "memory": '"2m"'}[self.durability]
        self.config = os.path.join(self.options.build, "nats.conf")
        with open(self.config, "w") as file:
            file.write(f'listen: "127.0.0.1:{self.port}"\n')
            file.write(f'jetstream {{ store_dir: "{self.dir}", sync_interval: {sync} }}\n')

    def command(self):
        return [os.path.join(self.options.build, "bin", "nats-server"), "-c", self.config]

    def is_ready(self):
        return self.exchange(b"", lambda got: got.startswith(b"INFO"))

    def measure(self, seconds):
        """One connection with 256 in flight, one record of 1,000 B each. Its tool tells a rate only."""
        count = int(seconds * {"disk": 2_000, "memory": 60_000}[self.durability])
        said = subprocess.run(
            [
                os.path.join(self.options.build, "bin", "nats"), "bench", "peers",
                "-s", f"nats://127.0.0.1:{self.port}", "--js", "--pub", "1", "--pubbatch", "256",
                "--msgs", str(count), "--size", "1000", "--storage", "file", "--no-progress",
            ],
            check=True, capture_output=True, text=True,
        )
        return {"rate": nats_rate(said.stdout + said.stderr), "records": count}


def nats_rate(said):
    """Of a line such as `Pub stats: 107,123 msgs/sec ~ 102.16 MB/sec`."""
    line = next(line for line in said.splitlines() if "msgs/sec" in line)
    return float(line.split("msgs/sec")[0].split()[-1].replace(",", ""))


def all_of(options):
    brokers = [Corelog, Kafka, Redis]
    if os.path.exists(os.path.join(options.build, "bin", "nats")):
        brokers.append(Nats)
    return [broker for broker in brokers if not options.only or broker.__name__.lower() in options.only]
