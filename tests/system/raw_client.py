"""HTTP/2 and gRPC by hand, for what no client library would send. Needs python3-h2."""

import os
import select
import socket
import struct
import subprocess
import time

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings

from harness import PATIENCE_SECONDS, ROOT

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, END_HEADERS = 0x1, 0x4
CANCEL = 0x8

OK, CANCELLED, UNKNOWN, INVALID_ARGUMENT, DEADLINE_EXCEEDED = range(5)
PERMISSION_DENIED, RESOURCE_EXHAUSTED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE = 7, 8, 12, 13, 14
UNAUTHENTICATED = 16


def encode(message, text, package="records.api.v1"):
    """The bytes of a message, from its text form."""
    files = [os.path.join("proto/records/api/v1", name) for name in sorted(os.listdir(
        os.path.join(ROOT, "proto/records/api/v1")))]
    done = subprocess.run(["protoc", "-I", "proto", f"--encode={package}.{message}", *files], cwd=ROOT, check=True,
                          input=text.encode("utf-8"), capture_output=True)
    return done.stdout


def frame(kind, flags, stream, payload=b"", length=None):
    """An HTTP/2 frame; `length` lies about its size."""
    size = len(payload) if length is None else length
    return struct.pack(">I", size)[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def prefixed(message, compressed=0, length=None):
    """A gRPC message with its prefix; `length` lies about its size."""
    return bytes([compressed]) + struct.pack(">I", len(message) if length is None else length) + message


def literal(name, value):
    """A header field as HPACK takes it without a table and without Huffman, which is slow here."""
    def text(data):
        if len(data) < 127:
            return bytes([len(data)]) + data
        rest, size = len(data) - 127, b"\x7f"
        while rest >= 128:
            size, rest = size + bytes([rest % 128 + 128]), rest // 128
        return size + bytes([rest]) + data
    return b"\x10" + text(name) + text(value)


def connect(address):
    host, port = address.rsplit(":", 1)
    sock = socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


class Call:
    """What came back on one stream."""

    def __init__(self):
        self.headers, self.data, self.ended, self.reset = {}, b"", False, None

    @property
    def status(self):
        """The gRPC status; None while there is none."""
        return int(self.headers["grpc-status"]) if "grpc-status" in self.headers else None

    @property
    def message(self):
        return self.headers.get("grpc-message", "")

    def replies(self):
        at, replies = 0, []
        while len(self.data) >= at + 5:
            size = struct.unpack(">I", self.data[at + 1:at + 5])[0]
            if len(self.data) < at + 5 + size:
                break
            replies.append(self.data[at + 5:at + 5 + size])
            at += 5 + size
        return replies


class Connection:
    """One connection. Reads only when asked, so that it can be a reader that never reads."""

    def __init__(self, address, window=None):
        self.address, self.closed, self.calls, self.why = address, False, {}, ""
        self.sock = connect(address)
        config = h2.config.H2Configuration(client_side=True, header_encoding="utf-8", validate_outbound_headers=False,
                                           normalize_outbound_headers=False)
        self.h2 = h2.connection.H2Connection(config)
        self.h2.initiate_connection()
        if window is not None:
            self.h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window})
        self.flush()

    def flush(self):
        data = self.h2.data_to_send()
        if data:
            self.send_raw(data)

    def send_raw(self, data):
        """False: the server has closed the connection, or does not read any more."""
        if self.closed:
            return False
        try:
            self.sock.sendall(data)
            return True
        except OSError:
            self.closed = True
            return False

    def headers(self, method, token=None, purpose="service-delivery", extra=()):
        headers = [(":method", "POST"), (":scheme", "http"), (":path", "/records.api.v1." + method),
                   (":authority", self.address), ("te", "trailers"), ("content-type", "application/grpc")]
        if token is not None:
            headers.append(("authorization", "Bearer " + token))
        if purpose is not None:
            headers.append(("purpose", purpose))
        return headers + list(extra)

    def begin(self, method, body=b"", token=None, end=True, **more):
        """Opens a stream; returns its number. `body` is sent as it is."""
        stream = self.h2.get_next_available_stream_id()
        self.calls[stream] = Call()
        self.h2.send_headers(stream, self.headers(method, token, **more), end_stream=end and not body)
        self.flush()
        if body:
            self.send_body(stream, body, end)
        return stream

    def send_body(self, stream, body, end=True):
        while True:
            room = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size, len(body))
            part, body = body[:room], body[room:]
            if part or not body:
                self.h2.send_data(stream, part, end_stream=end and not body)
                self.flush()
            if not body:
                return
            if room == 0 and not self.pump(PATIENCE_SECONDS):
                return
            if self.calls[stream].ended:
                return

    def cancel(self, stream):
        self.h2.reset_stream(stream, CANCEL)
        self.flush()

    def pump(self, seconds):
        """Reads what has come, waiting up to `seconds`. False: nothing came, or the connection is closed."""
        if self.closed or not select.select([self.sock], [], [], seconds)[0]:
            return False
        try:
            data = self.sock.recv(1 << 16)
            events = self.h2.receive_data(data) if data else []
        except (OSError, h2.exceptions.ProtocolError) as error:
            self.why, data, events = str(error), b"", []
        if not data:
            self.closed = True
            return False
        for event in events:
            self.take(event)
        self.flush()
        return True

    def take(self, event):
        call = self.calls.get(getattr(event, "stream_id", None))
        if isinstance(event, h2.events.ConnectionTerminated):
            self.closed, self.why = True, f"{event.error_code} {event.additional_data}"
        elif call is None:
            return
        elif isinstance(event, (h2.events.ResponseReceived, h2.events.TrailersReceived)):
            call.headers.update(event.headers)
        elif isinstance(event, h2.events.DataReceived):
            call.data += event.data
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            call.ended = True
        elif isinstance(event, h2.events.StreamReset):
            call.ended, call.reset = True, event.error_code

    def wait(self, stream, seconds=PATIENCE_SECONDS):
        """Reads until the call has ended; fails when the connection ends first."""
        call, deadline = self.calls[stream], time.monotonic() + seconds
        while not call.ended:
            left = deadline - time.monotonic()
            if left <= 0 or (not self.pump(left) and not call.ended):
                raise ConnectionError("no answer: " + (f"closed {self.why}" if self.closed else f"{seconds} s"))
        del self.calls[stream]
        return call

    def unary(self, method, message, token=None, **more):
        return self.wait(self.begin(method, prefixed(message), token, **more))

    def ended_by_server(self, seconds=PATIENCE_SECONDS):
        """Reads until the server closes the connection; False when it does not."""
        deadline = time.monotonic() + seconds
        while not self.closed and time.monotonic() < deadline:
            self.pump(deadline - time.monotonic())
        return self.closed

    def close(self):
        self.sock.close()
        self.closed = True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
