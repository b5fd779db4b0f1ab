"""HTTP connections that nobody waits for for ever: heads are bounded in size and time, and so is reading."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LONGEST_HEAD = 10.0  # seconds from the first byte (or the connection) to the end of the head
LARGEST_HEAD = 64 * 1024  # bytes; a browser's has one or two thousand
LONGEST_STANDSTILL = 30.0  # seconds that an answer waits for a reader who takes next to nothing of it
LEAST_TAKEN = 16 * 1024  # bytes of an answer that its reader takes in that time


class PatientProtocol(HttpToolsProtocol):
    """uvicorn's own, which waits for a head for ever and takes one of any size."""

    _head_timer: asyncio.TimerHandle | None = None
    _reader_timer: asyncio.TimerHandle | None = None
    _in_head = True
    _head_bytes = 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._watch_head()

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if not self._in_head:
            self._head_bytes = 0
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None
        elif self._head_bytes > LARGEST_HEAD:
            self._end(b"431 Request Header Fields Too Large")
        elif self._head_timer is None:
            self._watch_head()

    def on_message_begin(self) -> None:
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._reader_timer is None:
            self._watch_reader()

    def resume_writing(self) -> None:
        if self._reader_timer is not None:
            self._reader_timer.cancel()
            self._reader_timer = None
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._head_timer, self._reader_timer):
            if timer is not None:
                timer.cancel()
        self._head_timer = self._reader_timer = None
        super().connection_lost(exc)

    def _watch_head(self) -> None:
        self._head_timer = self.loop.call_later(LONGEST_HEAD, self._end, b"408 Request Timeout")

    def _watch_reader(self) -> None:
        waiting = self.transport.get_write_buffer_size()
        self._reader_timer = self.loop.call_later(LONGEST_STANDSTILL, self._look_at_reader, waiting)

    def _look_at_reader(self, waiting: int) -> None:
        if waiting - self.transport.get_write_buffer_size() < LEAST_TAKEN:
            self.transport.abort()
        else:
            self._watch_reader()

    def _end(self, status: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(
                b"HTTP/1.1 " + status + b"\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            )
            self.transport.close()
