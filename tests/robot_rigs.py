"""The other ends of the drivers, on loopback: sockets, a Tritium gateway, a rosbridge and a bus of servos."""

import json
import os
import pty
import select
import socket
import struct
import threading
import time
import tty
from pathlib import Path

import numpy as np
from dynamixel_sdk import port_handler
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

from faceimit.robot.profile import load_profile

TOKEN = "t0ken-for-tests"


def wait_for(condition, within=3.0):
    """True as soon as a condition holds, False if it does not in time."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Rig:
    """What a driver talks to. `heard` are the commands it got, in its own form."""

    can_go = True

    def __init__(self, robot, **options):
        self.profile, self.options, self.heard = load_profile(robot), options, []
        self.back()

    def count(self):
        return len(self.heard)

    def last(self):
        """The last command as a vector; not a number, as long as none was heard."""
        return self.vector(self.heard[-1]) if self.heard else np.full(1, np.nan)

    def expected(self, values):
        """The vector that values (30,) should become."""
        return self.profile.to_actuators(values)

    def slack(self):
        """How far what it shows may be from what it was told."""
        return 0.0

    def gone(self):
        """Vanish."""

    def back(self):
        """Be there (again)."""

    def vector(self, command):
        return np.asarray(command, dtype=np.float64)


class UdpRig(Rig):
    def __init__(self, robot, **options):
        self.port = free_port(socket.SOCK_DGRAM)
        super().__init__(robot, port=self.port, **options)

    def back(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", self.port))
        self.listening = True
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()

    def listen(self):
        while self.listening:
            if select.select([self.socket], [], [], 0.01)[0]:
                self.heard.append(self.socket.recv(65536))

    def gone(self):
        self.listening = False
        self.thread.join(2)
        self.socket.close()


class WebsocketRig(Rig):
    """A websocket server that can vanish, with its connections, and return to its port."""

    def __init__(self, robot, **options):
        self.port, self.connections, self.delay, self.server = free_port(), set(), 0.0, None
        super().__init__(robot, port=self.port, timeout=2.0, **options)

    def back(self):
        self.server = serve(
            self.handle, "127.0.0.1", self.port, process_request=self.admit, compression=None, close_timeout=0.2
        )
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def gone(self):
        if self.server is not None:
            self.server.shutdown()
            for connection in list(self.connections):
                connection.socket.shutdown(socket.SHUT_RDWR)
            self.thread.join(2)
            self.server = None

    def admit(self, connection, request):
        return None

    def handle(self, connection):
        self.connections.add(connection)
        try:
            for text in connection:
                if self.delay:
                    time.sleep(self.delay)
                self.hear(connection, json.loads(text))
        except (ConnectionClosed, OSError):
            pass
        finally:
            self.connections.discard(connection)


class Gateway(WebsocketRig):
    """Tritium's websocket gateway."""

    def __init__(self, robot="ameca", **options):
        self.sessions, self.requests, self.late_refusal, self.errors = [], [], False, None
        super().__init__(robot, **options)

    def admit(self, connection, request):
        self.sessions.append(request.headers.get("x-tritium-session-metadata"))
        if request.headers.get("x-tritium-token") != TOKEN and not self.late_refusal:
            return connection.respond(401, "no such token\n")
        return None

    def hear(self, connection, message):
        self.requests.append(message)
        if self.late_refusal:
            connection.close(1008, "no such token")
            return
        assert message["type"] == "graphql"
        sent = message["variable_values"].get("input")
        data = {"data": {"__typename": "Query"}}
        if sent is not None:
            assert "postMessage(input: $input)" in message["document"]
            assert sent["channel"] == "faceimit"
            self.heard.append(sent["message"])
            data = {"data": {"postMessage": True}}
        if self.errors:
            data = {"errors": self.errors}
        answer = {"type": "graphql_response", "request_id": message["request_id"], "data": data}
        connection.send(json.dumps(answer))

    def vector(self, command):
        return np.array([command["values"][actuator.name] for actuator in self.profile.actuators])


class Rosbridge(WebsocketRig):
    """rosbridge's JSON."""

    def __init__(self, robot="ameca", **options):
        self.operations = []
        super().__init__(robot, **options)

    def hear(self, connection, message):
        self.operations.append(message)
        if message["op"] == "publish":
            self.heard.append(message["msg"])

    def vector(self, command):
        turns = [np.pi / 180 if actuator.unit == "degree" else 1.0 for actuator in self.profile.actuators]
        return np.array(command["position"]) / turns


def crc16(data):
    """Dynamixel's checksum: polynomial 0x8005, most significant bit first."""
    value = 0
    for byte in data:
        value ^= byte << 8
        for _ in range(8):
            value = ((value << 1) ^ 0x8005 if value & 0x8000 else value << 1) & 0xFFFF
    return value


class ServoBus(Rig):
    """Servos that speak protocol 2.0 on a pty; the driver finds them under a link that stays the same."""

    def __init__(self, robot="hobby_head", folder=Path(), silent=(), **options):
        self.device = str(folder / "servo")
        # milliseconds the SDK waits, half of it: these servos share a processor with everything else
        port_handler.LATENCY_TIMER = 60 if silent else 300
        self.silent, self.instructions, self.torque = set(silent), [], {}
        self.positions = {actuator.channel: 2048 for actuator in load_profile(robot).actuators}
        super().__init__(robot, device=self.device, baud=1000000, **options)

    def back(self):
        self.master, self.slave = pty.openpty()
        tty.setraw(self.master)
        Path(self.device).unlink(missing_ok=True)
        Path(self.device).symlink_to(os.ttyname(self.slave))
        self.running = True
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def gone(self):
        if self.running:
            self.running = False
            self.thread.join(2)
            Path(self.device).unlink(missing_ok=True)
            os.close(self.slave)
            os.close(self.master)

    def serve(self):
        waiting = b""
        while self.running:
            if not select.select([self.master], [], [], 0.02)[0]:
                continue
            waiting += os.read(self.master, 4096)
            while (start := waiting.find(b"\xff\xff\xfd\x00")) >= 0 and len(waiting) >= start + 7:
                size = struct.unpack_from("<H", waiting, start + 5)[0]
                if len(waiting) < start + 7 + size:
                    break
                packet, waiting = waiting[start : start + 7 + size], waiting[start + 7 + size :]
                assert crc16(packet[:-2]) == struct.unpack("<H", packet[-2:])[0]
                self.obey(packet[4], packet[7], packet[8:-2])

    def obey(self, servo, instruction, parameters):
        self.instructions.append((servo, instruction, bytes(parameters)))
        if instruction == 0x01 and servo in self.positions and servo not in self.silent:
            self.answer(servo, struct.pack("<HB", 1200, 45))
        elif instruction == 0x82:
            address, size = struct.unpack_from("<HH", parameters)
            assert (address, size) == (132, 4)
            for number in parameters[4:]:
                if number not in self.silent:
                    self.answer(number, struct.pack("<i", self.positions[number]))
        elif instruction == 0x83:
            self.write(*struct.unpack_from("<HH", parameters), parameters[4:])

    def write(self, address, size, rows):
        found = {}
        for at in range(0, len(rows), size + 1):
            found[rows[at]] = int.from_bytes(rows[at + 1 : at + 1 + size], "little", signed=True)
        if address == 64:
            self.torque.update(found)
        elif address == 116:
            self.positions.update(found)
            if self.torque:  # before that the driver only holds the servos where they are
                self.heard.append([found[actuator.channel] for actuator in self.profile.actuators])

    def answer(self, servo, parameters):
        body = b"\xff\xff\xfd\x00" + bytes([servo]) + struct.pack("<H", len(parameters) + 4) + b"\x55\x00" + parameters
        os.write(self.master, body + struct.pack("<H", crc16(body)))

    def expected(self, values):
        return np.rint((self.profile.to_actuators(values) - 1500) * 0.09 * 4096 / 360 + 2048)
