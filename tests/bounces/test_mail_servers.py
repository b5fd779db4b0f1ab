"""Mail servers that refuse, fall silent, drip, or make no sense: each is one line, and none hangs us."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import ClassVar

import pytest

from digest.bounces.errors import MailboxUnavailable
from digest.bounces.mailbox import After, Letter, open_mailbox, parse_mailbox_url
from digest.bounces.reading import READ_LIMIT
from digest.errors import ConfigError


@contextmanager
def server(
    *, greeting: bytes = b"", answers: dict[bytes, bytes] | None = None
) -> Iterator[tuple[int, list[bytes]]]:
    """A line server that answers by the first word of a command, or stays silent."""
    heard: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rwb") as stream:
                if greeting:
                    stream.write(greeting)
                    stream.flush()
                while line := stream.readline():
                    heard.append(line.strip())
                    answer = (answers or {}).get(line.strip(), (answers or {}).get(line.split()[0].strip()))
                    if answer is not None:
                        stream.write(answer)
                        stream.flush()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], heard
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(2)


class TestPop3:
    ANSWERS: ClassVar = {
        b"USER": b"+OK\r\n",
        b"PASS": b"+OK\r\n",
        b"LIST": b"+OK\r\n1 40\r\n2 50000000\r\n.\r\n",
        b"RETR": b"+OK\r\nSubject: 1\r\n\r\nhello " + b"y" * 5000 + b"\r\n.\r\n",
        b"TOP": b"+OK\r\nSubject: 2\r\n\r\nbegin\r\n.\r\n",
        b"DELE": b"+OK\r\n",
        b"QUIT": b"+OK\r\n",
    }

    def test_mail_is_read_and_deleted_at_the_end_of_the_session(self) -> None:
        with server(greeting=b"+OK\r\n", answers=self.ANSWERS) as (port, heard):
            mailbox = open_mailbox(parse_mailbox_url(f"pop3://u:p@127.0.0.1:{port}"), timeout=5)
            (letters,) = mailbox.batches()
            assert [letter.raw[:10] for letter in letters] == [b"Subject: 1", b"Subject: 2"]
            assert b"DELE 1" not in heard
            mailbox.settle(letters)
            mailbox.close()
            assert heard[-3:] == [b"DELE 1", b"DELE 2", b"QUIT"]

    def read(self, **answers: bytes) -> list[Letter]:
        told = {**self.ANSWERS, **{name.encode(): answer for name, answer in answers.items()}}
        with server(greeting=b"+OK\r\n", answers=told) as (port, _):
            address = parse_mailbox_url(f"pop3://u:p@127.0.0.1:{port}")
            with closing(open_mailbox(address, timeout=5)) as mailbox:
                (letters,) = mailbox.batches()
            return letters

    def test_a_line_of_megabytes_blocks_nothing(self) -> None:
        long = b"+OK\r\nSubject: 2\r\n\r\n" + b"y" * (READ_LIMIT + 100_000) + b"\r\n.\r\n"
        assert len(self.read(TOP=long)[1].raw) == READ_LIMIT

    def test_dots_that_were_stuffed_in_are_taken_out(self) -> None:
        first = self.read(RETR=b"+OK\r\nSubject: 1\r\n\r\n..\r\n...\r\na.\r\n.\r\n")[0]
        assert first.raw == b"Subject: 1\r\n\r\n.\r\n..\r\na.\r\n"

    def test_a_server_without_top_is_read_all_the_same(self) -> None:
        assert self.read(TOP=b"-ERR what?\r\n")[1].raw.startswith(b"Subject: 1")

    def test_a_list_that_makes_no_sense_is_one_line(self) -> None:
        with pytest.raises(MailboxUnavailable, match="pop3"):
            self.read(LIST=b"+OK\r\nmany\r\n.\r\n")

    def test_a_wrong_password_is_one_line(self) -> None:
        answers = {**self.ANSWERS, b"PASS": b"-ERR no\r\n"}
        with (
            server(greeting=b"+OK\r\n", answers=answers) as (port, _),
            pytest.raises(MailboxUnavailable, match="pop3"),
        ):
            open_mailbox(parse_mailbox_url(f"pop3://u:p@127.0.0.1:{port}"), timeout=5)

    def test_it_cannot_move(self) -> None:
        with pytest.raises(ConfigError):
            open_mailbox(parse_mailbox_url("pop3://u:p@127.0.0.1:1"), after=After.MOVE)


@pytest.mark.parametrize("scheme", ["imap", "pop3"])
def test_a_mailbox_that_refuses_is_named(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(MailboxUnavailable, match=f"{scheme}://127.0.0.1:{port}"):
        open_mailbox(parse_mailbox_url(f"{scheme}://u:p@127.0.0.1:{port}"), timeout=2)


@pytest.mark.parametrize("scheme", ["imap", "pop3"])
def test_a_mailbox_that_stalls_is_given_up(scheme: str) -> None:
    with server() as (port, _), pytest.raises(MailboxUnavailable, match="stalls"):
        open_mailbox(parse_mailbox_url(f"{scheme}://u:p@127.0.0.1:{port}"), timeout=0.3)


@contextmanager
def drip(beginning: bytes) -> Iterator[int]:
    """A server that says something every twentieth of a second, and never comes to an end."""
    listener = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            try:
                connection.sendall(beginning)
                while not done.wait(0.05):
                    connection.sendall(b"x")
            except OSError:
                return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        done.set()
        thread.join(2)
        listener.close()


@pytest.mark.parametrize(
    ("scheme", "greeting"),
    [("imap", b"* OK "), ("pop3", b"+OK "), ("imaps", b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc")],
)
def test_a_mailbox_that_drips_is_given_up(scheme: str, greeting: bytes) -> None:
    begin = time.monotonic()
    with drip(greeting) as port, pytest.raises(MailboxUnavailable, match=r"too slow: not done in 0\.4 s"):
        open_mailbox(parse_mailbox_url(f"{scheme}://u:p@127.0.0.1:{port}"), timeout=5, exchange=0.4)
    assert time.monotonic() - begin < 3


def test_a_server_cannot_make_us_hold_gigabytes() -> None:
    with (
        server(greeting=b"* OK [X] {9000000000}\r\n") as (port, _),
        pytest.raises(MailboxUnavailable, match="9000000000 bytes at once"),
    ):
        open_mailbox(parse_mailbox_url(f"imap://u:p@127.0.0.1:{port}"), timeout=5)
