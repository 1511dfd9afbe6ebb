"""The clients under test: how each is asked to create, produce and consume."""

import base64
import os
import subprocess

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
JARS = os.path.join(HERE, "java", "target")


def run(command, **options):
    """Runs a client; its output as text, or an error that shows what it said."""
    done = subprocess.run(command, capture_output=True, timeout=180, **options)
    if done.returncode != 0:
        said = (done.stdout[-2000:] + done.stderr[-2000:]).decode(errors="replace")
        raise AssertionError(f"{' '.join(command[:6])} …: exit {done.returncode}\n{said}")
    return done.stdout


def java(main, *arguments):
    path = f"{JARS}/compat-1.jar:{JARS}/libs/*"
    quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"
    return ["java", "-Xmx512m", "-XX:TieredStopAtLevel=1", quiet, "-cp", path, main, *arguments]


class Program:
    """A client that follows the argument order of the Java program."""

    def __init__(self, name, prefix):
        self.name, self.prefix = name, prefix

    def produce(self, bootstrap, topic, cases, acks, codec, idempotent):
        flag = "true" if idempotent else "false"
        run([*self.prefix, "produce", bootstrap, topic, cases, acks, codec, flag])

    def consume(self, bootstrap, topic, partition, start, count):
        said = run([*self.prefix, "consume", bootstrap, topic, str(partition), start, str(count)])
        return said.decode().splitlines()


class Kcat:
    """kcat, through its own formats."""

    name = "kcat"
    # Sizes first, then the bytes: values may hold anything.
    FORMAT = "%p %o %T %K %S %h\n%k%s\n"

    def produce(self, bootstrap, topic, cases, acks, codec, idempotent):
        """One call a record: what kcat reads from a file is one message, byte for byte."""
        with open(cases) as lines:
            for line in lines:
                partition, _, key, value, headers = line.rstrip("\n").split("\t")
                command = ["kcat", "-P", "-b", bootstrap, "-t", topic, "-p", partition]
                command += ["-X", f"acks={acks}", "-z", codec, "-X", "message.max.bytes=2000000"]
                command += ["-X", f"enable.idempotence={'true' if idempotent else 'false'}"]
                if value == "-":
                    # A null value is an empty one with -Z; kcat skips a line that is all empty.
                    line = base64.b64decode(key) + b"|\n"
                    command += ["-Z", "-K", "|"]
                elif key != "-":
                    command += ["-k", base64.b64decode(key).decode()]
                if headers != "-":
                    for header in headers.split(","):
                        name, _, text = header.partition("=")
                        command += ["-H", f"{name}={base64.b64decode(text).decode()}"]
                if value == "-":
                    run(command, input=line)
                    continue
                path = cases + ".value"
                with open(path, "wb") as file:
                    file.write(base64.b64decode(value))
                run([*command, path])

    def consume(self, bootstrap, topic, partition, start, count):
        if start == "end":
            said = run(["kcat", "-Q", "-b", bootstrap, "-t", f"{topic}:{partition}:-1"])
            return ["end " + said.decode().strip().rsplit(" ", 1)[1]]
        offset = {"start": "beginning"}.get(start, start)
        if start.startswith("@"):
            offset = "s" + start
        command = ["kcat", "-C", "-b", bootstrap, "-t", topic, "-p", str(partition), "-q"]
        said = run([*command, "-o", offset, "-c", str(count), "-f", self.FORMAT])
        return list(self.parse(said))

    @staticmethod
    def parse(said):
        at = 0
        while at < len(said):
            end = said.index(b"\n", at)
            head = said[at:end].decode().split(" ", 5)
            partition, offset, timestamp, key_size, value_size, headers = head
            at = end + 1
            fields = []
            for size in (int(key_size), int(value_size)):
                if size < 0:
                    fields.append("-")
                    continue
                fields.append(base64.b64encode(said[at : at + size]).decode())
                at += size
            at += 1
            pairs = []
            for header in filter(None, headers.split(",")):
                name, _, text = header.partition("=")
                pairs.append(f"{name}={base64.b64encode(text.encode()).decode()}")
            pairs = ",".join(pairs) or "-"
            yield "\t".join([partition, offset, timestamp, *fields, pairs])


def all_clients(build):
    return [
        Program("java", java("compat.Compat")),
        Program("librdkafka", [f"{build}/venv/bin/python", f"{HERE}/python/compat.py"]),
        Program("franz-go", [f"{build}/compat-go"]),
        Kcat(),
    ]
