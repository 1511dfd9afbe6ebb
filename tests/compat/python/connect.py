"""Kafka Connect copies a file into a topic and out again, byte for byte, while the broker is killed."""

import json
import os
import shutil
import time
import urllib.error
import urllib.request

from clients import JARS, java
from groups import Member

LINES = 2000
PATIENCE_SECONDS = 120
SOURCE = "org.apache.kafka.connect.file.FileStreamSourceConnector"
SINK = "org.apache.kafka.connect.file.FileStreamSinkConnector"


class Files:
    """A folder with what goes in and what comes out."""

    def __init__(self, context, name, filler):
        self.filler = filler
        self.folder = f"{context.options.build}/{name}"
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        self.source, self.sink = f"{self.folder}/in.txt", f"{self.folder}/out.txt"
        self.written = 0

    def append(self, count):
        with open(self.source, "a") as file:
            for number in range(self.written, self.written + count):
                file.write(f"line {number} {self.filler * (number % 50)}\n")
        self.written += count

    def properties(self, name, entries):
        path = f"{self.folder}/{name}.properties"
        with open(path, "w") as file:
            file.writelines(f"{key}={value}\n" for key, value in entries.items())
        return path

    def bytes(self):
        return os.path.getsize(self.source)

    def read(self):
        try:
            with open(self.sink, "rb") as file:
                return file.read()
        except FileNotFoundError:
            return b""

    def wait(self, worker):
        with open(self.source, "rb") as file:
            wanted = file.read()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (found := self.read()) != wanted:
            assert wanted.startswith(found), f"what came out is not what went in: {self.folder}"
            assert worker.process.poll() is None, f"ended: {worker.seen[-3:]}"
            assert time.monotonic() < deadline, f"{len(found)} of {len(wanted)} bytes"
            time.sleep(0.2)


def worker(context, files, port, more):
    text = "org.apache.kafka.connect.storage.StringConverter"
    return files.properties(
        "worker",
        {
            "bootstrap.servers": context.bootstrap,
            "key.converter": text,
            "value.converter": text,
            "listeners": f"HTTP://127.0.0.1:{port}",
            "plugin.path": f"{JARS}/libs",
            "plugin.discovery": "service_load",
            "offset.flush.interval.ms": 500,
            "producer.enable.idempotence": "true",
            "consumer.auto.offset.reset": "earliest",
            **more,
        },
    )


def connectors(files, topic):
    source = {"connector.class": SOURCE, "tasks.max": 1, "file": files.source, "topic": topic}
    sink = {"connector.class": SINK, "tasks.max": 1, "file": files.sink, "topics": topic}
    # A sink's name is its group's: two of one name would share what is committed.
    return {f"in-{topic}": source, f"out-{topic}": sink}


def connect_copies_files(context):
    """ConnectStandalone, a file source and a file sink."""
    files = Files(context, "connect-standalone", "é")
    topic = context.topic(partitions=1)
    own = {"offset.storage.file.filename": f"{files.folder}/offsets"}
    settings = worker(context, files, context.options.port + 2, own)
    paths = [
        files.properties(name, {"name": name, **entries})
        for name, entries in connectors(files, topic).items()
    ]
    files.append(LINES)
    running = Member(java("org.apache.kafka.connect.cli.ConnectStandalone", settings, *paths))
    try:
        files.wait(running)
        files.append(LINES)
        context.broker.restart()
        files.append(LINES)
        files.wait(running)
    finally:
        running.stop()


def ask(port, path, body=None):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method="PUT" if body else "GET")
    request.add_header("Content-Type", "application/json")
    data = json.dumps(body).encode() if body else None
    with urllib.request.urlopen(request, data, timeout=60) as answer:
        return json.load(answer)


def wait_for(port, path, condition):
    """Until the worker answers, and as wanted: it is not there at once, nor all of it."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            said = ask(port, path)
            if condition(said):
                return said
        except (urllib.error.URLError, OSError) as error:
            said = error
        assert time.monotonic() < deadline, f"{path}: {said}"
        time.sleep(0.2)


def place(said):
    """The one offset that a connector has stored, or none yet."""
    offsets = [entry["offset"] for entry in said["offsets"]]
    return next((n for offset in offsets for n in (offset or {}).values()), None)


def runs(said):
    states = [said["connector"], *said["tasks"]]
    return len(states) > 1 and all(state["state"] == "RUNNING" for state in states)


def connect_keeps_its_state_in_topics(context):
    """ConnectDistributed: what it was told and how far it is outlives the worker and the broker."""
    # The file source counts characters where it stores bytes: here the two are the same.
    files = Files(context, "connect-distributed", "x")
    topic = context.topic(partitions=1)
    port = context.options.port + 2
    own = {"group.id": "connect-cluster"}
    for kind in ["config", "offset", "status"]:
        own[f"{kind}.storage.topic"] = f"connect-{kind}"
        own[f"{kind}.storage.replication.factor"] = 1
    own["offset.storage.partitions"] = own["status.storage.partitions"] = 3
    settings = worker(context, files, port, own)
    command = java("org.apache.kafka.connect.cli.ConnectDistributed", settings)
    files.append(LINES)
    running = [Member(command)]
    try:
        wait_for(port, "/connectors", lambda said: said == [])
        for name, entries in connectors(files, topic).items():
            ask(port, f"/connectors/{name}/config", entries)
        files.wait(running[0])
        # Both sides have said how far they are: what is beyond that would be copied again.
        wait_for(port, f"/connectors/in-{topic}/offsets", lambda said: place(said) == files.bytes())
        wait_for(port, f"/connectors/out-{topic}/offsets", lambda said: place(said) == files.written)
        running[0].stop()
        context.broker.restart()
        running.append(Member(command))
        for name in connectors(files, topic):
            wait_for(port, f"/connectors/{name}/status", runs)
        files.append(LINES)
        files.wait(running[1])
    finally:
        for member in running:
            if member.process.poll() is None:
                member.stop()


ALL = [connect_copies_files, connect_keeps_its_state_in_topics]
