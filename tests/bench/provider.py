"""A provider of messages in a process of its own, fast enough to measure against.

    python -m tests.bench.provider FILE [--delay 0.1] [--seed S] [--certificate PEM]

It speaks SendGrid's v3/mail/send, prints its address, and appends the attempt of every message that
it accepts to FILE before anything of an answer leaves. With `--seed` each request meets a fate from
a seeded plan, noted in FILE.fates; without, all are accepted after `--delay` seconds. Once
FILE.calm exists all are.
"""

import argparse
import asyncio
import os
import re
import socket
import ssl
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random

ATTEMPT = re.compile(rb'"attempt_id": ?"(\w+)"')
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
HANG = 3600  # seconds
FATES = {
    "accept": 58,
    "slow": 12,
    "400": 3,
    "401": 1,
    "413": 2,
    "429": 5,
    "500": 3,
    "502": 2,
    "503": 4,
    "accept then reset": 3,
    "reset before accepting": 3,
    "half a body": 2,
    "accept then hang": 1,
    "hang": 1,
}
ACCEPTING = ("accept", "slow", "accept then reset", "half a body", "accept then hang")


class Provider:
    def __init__(
        self, file: Path, *, delay: float, fate: Callable[[], str], calm: Callable[[], bool]
    ) -> None:
        self._accepted, self._fates = (
            os.open(each, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            for each in (file, file.with_suffix(".fates"))
        )
        self._delay, self._fate, self._calm = delay, fate, calm

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, and as many messages on it as come."""
        with suppress(OSError, asyncio.IncompleteReadError):
            while await self._answer(reader, writer):
                pass
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection is kept."""
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
        body = await reader.readexactly(length)
        fate = "accept" if self._calm() else self._fate()
        attempt = ATTEMPT.search(body)
        os.write(self._fates, f"{fate}\n".encode())
        if fate in ACCEPTING and attempt:
            os.write(self._accepted, attempt[1] + b"\n")
        await asyncio.sleep(self._delay * (5 if fate == "slow" else 1))
        if fate in ("hang", "accept then hang"):
            await asyncio.sleep(HANG)
        if fate in ("accept then reset", "reset before accepting"):
            connection: socket.socket = writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            return False
        writer.write(answer_of(fate))
        await writer.drain()
        return fate != "half a body" and b"connection: close" not in head


def answer_of(fate: str) -> bytes:
    status = fate if fate.isdigit() else "202"
    body = b'{"errors": [{"message": "as planned"}]}' if fate.isdigit() else b""
    missing = 10 if fate == "half a body" else 0
    headers = [f"HTTP/1.1 {status} As Planned", f"Content-Length: {len(body) + missing}"]
    headers += ["Retry-After: 1"] if status == "429" else []
    headers += ["X-Message-Id: theirs"] if status == "202" else []
    return "\r\n".join([*headers, "", ""]).encode() + body


def plan(seed: int | None) -> Callable[[], str]:
    random = Random(seed)
    names, weights = list(FATES), list(FATES.values())
    return lambda: "accept" if seed is None else random.choices(names, weights)[0]


async def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("file", type=Path)
    options.add_argument("--delay", type=float, default=0.1)
    options.add_argument("--seed", type=int)
    options.add_argument("--certificate")
    chosen = options.parse_args()
    calm = chosen.file.with_suffix(".calm")
    provider = Provider(chosen.file, delay=chosen.delay, fate=plan(chosen.seed), calm=calm.exists)
    tls = None
    if chosen.certificate:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(chosen.certificate)
    server = await asyncio.start_server(provider.serve, "127.0.0.1", 0, ssl=tls, backlog=1024)
    port = server.sockets[0].getsockname()[1]
    print(f"{'https' if tls else 'http'}://127.0.0.1:{port}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
