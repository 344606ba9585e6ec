"""Clients that send nothing or half a request, or read no answer, are disconnected without delaying others."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from narrows.explorer.server import WAITING

SERVE = """
import sys, time
from narrows.explorer.connections import Limits
from narrows.explorer.opened import Opened
from narrows.explorer.page import read
from narrows.explorer.server import serve
from narrows.runs import Run

run = Run(sys.argv[1])
if sys.argv[2] == "endless":
    Opened.split = lambda *_: time.sleep(600)
limits = Limits(connections=16, request=1, body=1, answer=1, look=0.05, stop=1)
opened = Opened(run, None, read(run.folder / "explorer.html"), read_only=True)
serve([opened], port=0, on_ready=lambda address: print(address, flush=True), limits=limits)
"""
PATIENCE = 60  # seconds after which something never happens


class Served:
    """A server in a separate process."""

    def __init__(self, folder, how="as it is"):
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(folder), how], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        address, _, self.token = self.process.stdout.readline().strip().partition("/#token=")
        self.port = int(address.rpartition(":")[2])

    def ask(self):
        """Return the status of an honest request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        with contextlib.closing(connection):
            connection.request("GET", "/api/runs/0/edits", headers={"Authorization": f"Bearer {self.token}"})
            return connection.getresponse().status

    def connect(self, said=b""):
        wire = socket.create_connection(("127.0.0.1", self.port), PATIENCE)
        wire.sendall(said)
        return wire

    def post(self, path="/api/edits", length=100):
        return (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nAuthorization: Bearer {self.token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {length}\r\nExpect: 100-continue\r\n\r\n"
        ).encode()

    def end(self):
        self.process.kill()
        self.process.communicate()


@pytest.fixture(scope="module")
def served(finished):
    server = Served(finished.folder)
    yield server
    server.end()


def taken(wire):
    """Everything received until the server closes or resets the connection."""
    found = b""
    with contextlib.suppress(ConnectionError):
        while part := wire.recv(1 << 16):
            found += part
    return found


def is_cut(wire, letters):
    """Whether the server closes a connection while bytes still arrive."""
    wire.settimeout(0.1)
    for letter in letters:
        try:
            wire.sendall(letter)
            if not wire.recv(1 << 16):
                return True
        except TimeoutError:
            continue
        except OSError:
            return True
    return False


def test_who_asks_nothing_goes(served):
    with served.connect() as silent, served.connect(b"GET / HTTP/1.1\r\n") as half:
        assert taken(silent) == taken(half) == b""
    assert served.ask() == 200


def test_who_asks_again_and_then_nothing_goes(served):
    head = f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n\r\n".encode()
    with served.connect(head) as wire:
        assert taken(wire).startswith(b"HTTP/1.1 200 OK\r\n")


def test_letter_by_letter_gains_no_time(served):
    with served.connect(b"GET / HTTP/1.1\r\nX: ") as wire:
        assert is_cut(wire, [b"a"] * 10 * PATIENCE)
    with served.connect(served.post()) as wire:
        assert is_cut(wire, [b" "] * 10 * PATIENCE)


def test_bodies_that_do_not_come_keep_nobody_waiting(served):
    with contextlib.ExitStack() as held:
        stalled = [held.enter_context(served.connect(served.post() + b"{")) for _ in range(10)]
        assert served.ask() == 200
        answers = [taken(wire) for wire in stalled]
    assert all(b" 408 " in answer and b"connection: close" in answer for answer in answers)
    assert json.loads(answers[0].rpartition(b"\r\n\r\n")[2])["error"] == "the body must arrive within 1 seconds"


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="only Linux lists a process's descriptors")
@pytest.mark.parametrize("at_once", [False, True])
def test_more_connections_than_there_may_be_take_no_descriptors(served, at_once):
    descriptors = f"/proc/{served.process.pid}/fd"
    before = len(os.listdir(descriptors))
    with contextlib.ExitStack() as held:
        if at_once:  # the server finds all of them waiting when it goes on
            served.process.send_signal(signal.SIGSTOP)
        for _ in range(50 if at_once else 300):
            held.enter_context(served.connect())
        served.process.send_signal(signal.SIGCONT)
        assert served.ask() == 200
        assert len(os.listdir(descriptors)) <= before + 20


def test_where_all_are_at_work_the_next_is_turned_away(served):
    with contextlib.ExitStack() as held:
        busy = [held.enter_context(served.connect(served.post())) for _ in range(16)]
        assert all(wire.recv(1 << 10).startswith(b"HTTP/1.1 100 ") for wire in busy)  # it is waited for their bodies
        with served.connect() as late:
            assert taken(late) == b""
        assert all(b" 408 " in taken(wire) for wire in busy)  # and are let finish
    assert served.ask() == 200


def test_answers_that_nobody_takes_are_given_up(served):
    ask = f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n\r\n".encode()
    with contextlib.ExitStack() as held:
        wires = [held.enter_context(socket.socket()) for _ in range(6)]  # more than are worked on at once
        for wire in wires:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            wire.settimeout(PATIENCE)
            wire.connect(("127.0.0.1", served.port))
            with contextlib.suppress(ConnectionError):  # it was cut meanwhile
                wire.sendall(ask * 300)
        assert served.ask() == 200  # they take no place of those who ask
        for wire in wires:
            wire.setblocking(False)
            while True:  # until it is cut: what it says is not taken either
                try:
                    wire.send(ask)
                except BlockingIOError:
                    continue
                except OSError:
                    break
                time.sleep(0.05)


def test_a_signal_ends_the_server_whoever_is_connected(finished):
    server = Served(finished.folder)
    try:
        with contextlib.ExitStack() as held:
            for said in [b"", b"GET / ", *[server.post() + b"{"] * (WAITING // 4)]:
                held.enter_context(server.connect(said))
            assert server.ask() == 200
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(PATIENCE) == 143
    finally:
        server.end()


def test_a_signal_ends_the_server_in_the_middle_of_work_that_cannot_be_broken_off(finished):
    server = Served(finished.folder, "endless")
    body = b'{"rows": [1, 2, 3], "parts": 2}'
    try:
        with server.connect(server.post("/api/split", len(body)) + body):
            assert server.ask() == 200
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(PATIENCE) == 143
    finally:
        server.end()
