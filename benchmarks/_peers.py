"""Whom ``send.py`` is compared with, and talks to: Postfix's generator and sink, smtplib, nodemailer."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import resource
import shutil
import smtplib
import socket
import ssl
import statistics
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from digest.values import Envelope


def free_port() -> int:
    """A TCP port on loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def sink() -> Iterator[int]:
    """The port of Postfix's ``smtp-sink``."""
    port = free_port()
    program = shutil.which("smtp-sink", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    if program is None:
        raise SystemExit("smtp-sink is missing: install postfix")
    user = ["-u", "postfix"] if os.geteuid() == 0 else []
    process = subprocess.Popen(
        [program, *user, "-h", "sink.example", f"127.0.0.1:{port}", "512"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_for(port)
        yield port
    finally:
        process.terminate()
        process.wait()


def wait_for(port: int) -> None:
    """Return when somebody listens there."""
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit("the server did not start")


def smtp_source(port: int, messages: int, size: int, sessions: int) -> dict[str, float]:
    """Postfix's load generator: seconds of wall time and CPU."""
    program = shutil.which("smtp-source", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run(
        [str(program), "-d", "-s", str(sessions), "-m", str(messages), "-l", str(size),
         "-f", "daily@news.example.org", "-t", "reader@example.org", f"127.0.0.1:{port}"],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {"wall": wall, "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime}


def smtplib_loop(port: int, messages: int, copy: Envelope, connections: int) -> float:
    """``smtplib.sendmail`` of ``copy``, by a thread a connection; messages a second."""

    def work(count: int) -> None:
        with smtplib.SMTP("127.0.0.1", port) as client:
            for _ in range(count):
                client.sendmail(copy.sender, [copy.recipient], copy.message)

    start = time.perf_counter()
    with ThreadPoolExecutor(connections) as pool:
        list(pool.map(work, [messages // connections] * connections))
    return messages / (time.perf_counter() - start)


def nodemailer(port: int, messages: int, size: int, connections: int) -> float | None:
    """nodemailer's pool, if npm has it here (``npm install nodemailer`` in benchmarks/)."""
    script = f"""
    const nodemailer = require('nodemailer');
    const pool = nodemailer.createTransport({{pool: true, host: '127.0.0.1', port: {port}, secure: false,
      ignoreTLS: true, maxConnections: {connections}, maxMessages: 1e9}});
    const html = 'x'.repeat(75).concat('\\n').repeat({size} / 76 | 0);
    const start = process.hrtime.bigint();
    Promise.all([...Array({messages}).keys()].map(n => pool.sendMail({{from: 'daily@news.example.org',
      to: `reader${{n}}@example.org`, subject: 'S', html}}))).then(() => {{
      console.log(Number(process.hrtime.bigint() - start) / 1e9); pool.close(); }});
    """
    node = shutil.which("node")
    if node is None:
        return None
    done = subprocess.run(
        [node, "-e", script], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    return messages / float(done.stdout) if done.returncode == 0 else None


def delayed(port: int, target: int, delay: float) -> None:
    """A proxy that holds everything back for half of ``delay`` seconds each way, whatever the load."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        async def deliver() -> None:
            while True:
                due, octets = await line.get()
                if (wait := due - loop.time()) > 0:
                    await asyncio.sleep(wait)
                if not octets:
                    writer.close()
                    return
                writer.write(octets)
                await writer.drain()

        task = asyncio.create_task(deliver())
        try:
            while octets := await reader.read(1 << 18):
                line.put_nowait((loop.time() + delay / 2, octets))
        except OSError:
            pass
        line.put_nowait((loop.time() + delay / 2, b""))
        await asyncio.gather(task, return_exceptions=True)

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", target)
        for end in (writer, back):
            end.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.gather(pump(reader, back), pump(there, writer))

    async def serve() -> None:
        server = await asyncio.start_server(meet, "127.0.0.1", port)
        async with server:
            await server.serve_forever()

    asyncio.run(serve())


def round_trip(port: int, connections: int, times: int = 25) -> float:
    """Seconds that a NOOP takes when ``connections`` say one at the same time: the median."""
    taken: list[float] = []

    def ask() -> None:
        with smtplib.SMTP("127.0.0.1", port) as client:
            for _ in range(times):
                started = time.perf_counter()
                client.noop()
                taken.append(time.perf_counter() - started)

    threads = [threading.Thread(target=ask) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statistics.median(taken)


def tls_server(folder: str, ready: multiprocessing.Queue[int]) -> None:
    """The tests' scripted server with STARTTLS, in a process of its own."""
    import trustme

    from tests.smtp.scripted import ScriptedServer

    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(Path(folder) / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with ScriptedServer(context=context) as server:
        ready.put(server.port)
        time.sleep(3600)
