"""Fetching: every listed attack is refused, bodies are bounded, and hosts are asked politely."""

from __future__ import annotations

import gzip
import ipaddress
import threading
import time
import tracemalloc
import zlib
from collections.abc import Iterable

import pytest

from digest.clock import SystemClock
from digest.errors import SourceForbidden, SourceUnavailable
from digest.sources.guard import checked, is_public
from digest.sources.http import Fetcher, Gone, Request, RetryLater, resolve_by_system
from tests.sources.playing import Answer, Site

ATTACKS = [
    "http://127.0.0.1/",
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f.1/",
    "http://0x7f000001/",
    "http://017700000001/",
    "http://①②⑦.⓪.⓪.①/",
    "http://１２７.０.０.１/",
    "http://[::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[2001:0:7f00:1::]/",
    "http://[fe80::1]/",
    "http://[fd00::1]/",
    "http://[ff02::1]/",
    "http://[::]/",
    "http://0.0.0.0/",
    "http://10.0.0.1/",
    "http://100.64.0.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://172.16.5.4/",
    "http://192.168.1.1/",
    "http://192.0.0.192/",
    "http://198.18.0.1/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "http://localhost/",
    "http://LOCALHOST./",
    "http://metadata.google.internal/",
    "http://example.com\\@127.0.0.1/",
    "http://example.com@127.0.0.1/",
    "file:///etc/passwd",
    "ftp://example.com/feed",
    "gopher://example.com/",
    "javascript:alert(1)",
    "http:///feed",
    "http://exa mple.com/",
    "http://example.com/\r\nHost: inside",
    "http://-bad-.example/",
    "//example.com/feed",
]


def fetcher(**options: object) -> Fetcher:
    return Fetcher(SystemClock(), **{"connect_timeout": 2, "read_timeout": 2, **options})  # type: ignore[arg-type]


@pytest.mark.parametrize("url", ATTACKS)
def test_an_address_that_is_not_the_internets_is_refused(url: str) -> None:
    with fetcher() as http, pytest.raises(SourceForbidden):
        http.get(Request(url))


@pytest.mark.parametrize(
    "text",
    [
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "192.0.0.192",
        "224.0.0.1",
        "ff0e::1",
        "100.64.0.1",
        "2001:db8::1",
        "::ffff:10.0.0.1",
    ],
)
def test_addresses_that_the_standard_library_misjudges_are_not_public(text: str) -> None:
    assert not is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "185.1.1.1"])
def test_public_addresses_are_public(text: str) -> None:
    assert is_public(ipaddress.ip_address(text))


def test_names_in_other_scripts_become_ascii() -> None:
    assert checked("https://bücher.example/ä?q=ü").host == "xn--bcher-kva.example"


def test_a_name_that_resolves_to_a_private_address_is_refused() -> None:
    with (
        fetcher(resolve=lambda host, port: ["10.1.2.3"]) as http,
        pytest.raises(SourceForbidden, match="private"),
    ):
        http.get(Request("http://innocent.example/"))


def test_a_name_that_answers_differently_the_second_time_gains_nothing(site: Site) -> None:
    """The address that was checked is the one connected to: there is no second question."""
    asked: list[str] = []

    def changing(host: str, port: int) -> Iterable[str]:
        asked.append(host)
        return ["192.0.2.1"] if len(asked) == 1 else ["127.0.0.1"]

    site["/"] = "secret"
    port = site.base.rpartition(":")[2]
    with fetcher(resolve=changing) as http, pytest.raises((SourceForbidden, SourceUnavailable)):
        http.get(Request(f"http://changing.example:{port}/"))
    assert len(asked) == 1
    assert site.asked == []


def test_a_redirect_into_the_private_network_is_refused(site: Site) -> None:
    site["/"] = Answer(status=302, headers={"Location": "http://169.254.169.254/latest/"})
    # Unguarded, the hop would be tried (and time out); each hop is judged by itself.
    port = site.base.rpartition(":")[2]

    def public_then_private(host: str, port: int) -> Iterable[str]:
        return ["127.0.0.1"] if host == "public.example" else resolve_by_system(host, port)

    with fetcher(resolve=public_then_private) as http:
        http._pools[False] = http._pool(True)  # the first hop is this test's own site
        with pytest.raises(SourceForbidden, match=r"169\.254"):
            http.get(Request(f"http://public.example:{port}/"))
    assert len(site.asked) == 1


def test_a_guarded_request_never_rides_on_a_private_connection(site: Site) -> None:
    """Connections are pooled: one that a private source opened must not serve a guarded one."""
    site["/"] = "inside"
    port = site.base.rpartition(":")[2]
    with fetcher(resolve=lambda host, port: ["127.0.0.1"]) as http:
        assert http.get(Request(f"http://twofold.example:{port}/", allow_private=True)).body == b"inside"
        with pytest.raises(SourceForbidden):
            http.get(Request(f"http://twofold.example:{port}/"))


def test_a_redirect_to_a_file_is_refused(site: Site) -> None:
    site["/"] = Answer(status=302, headers={"Location": "file:///etc/passwd"})
    with fetcher() as http, pytest.raises(SourceForbidden, match="only http"):
        http.get(Request(site.base + "/", allow_private=True))


def test_redirects_end_after_five(site: Site) -> None:
    for number in range(8):
        site[f"/{number}"] = Answer(status=302, headers={"Location": f"/{number + 1}"})
    with fetcher() as http, pytest.raises(SourceUnavailable, match="more than 5 redirects"):
        http.get(Request(site.base + "/0", allow_private=True))


def test_a_permanent_redirect_is_told(site: Site) -> None:
    site["/old"] = Answer(status=301, headers={"Location": "/new"})
    site["/new"] = "x"
    with fetcher() as http:
        assert http.get(Request(site.base + "/old", allow_private=True)).moved_to == site.base + "/new"


def test_a_passing_redirect_is_not_told(site: Site) -> None:
    site["/old"] = Answer(status=302, headers={"Location": "/new"})
    site["/new"] = "x"
    with fetcher() as http:
        assert http.get(Request(site.base + "/old", allow_private=True)).moved_to == ""


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br"])
def test_a_decompression_bomb_is_stopped_where_it_would_cost(site: Site, coding: str) -> None:
    zeros = bytes(64 * 1024 * 1024)
    pack = {"gzip": lambda body: gzip.compress(body, 6), "deflate": zlib.compress, "br": lightly}[coding]
    site["/"] = Answer(pack(zeros), headers={"Content-Encoding": coding})
    del zeros
    tracemalloc.start()
    with fetcher() as http, pytest.raises(SourceUnavailable, match="larger than"):
        http.get(Request(site.base + "/", allow_private=True, max_body=2 * 1024 * 1024))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 12 * 1024 * 1024


def lightly(body: bytes) -> bytes:
    import brotli

    return bytes(brotli.compress(body, quality=1))


def test_one_encoding_on_top_of_another_is_refused(site: Site) -> None:
    site["/"] = Answer(gzip.compress(gzip.compress(b"x")), headers={"Content-Encoding": "gzip, gzip"})
    with fetcher() as http, pytest.raises(SourceUnavailable, match="not asked for"):
        http.get(Request(site.base + "/", allow_private=True))


@pytest.mark.parametrize("coding", ["gzip", "br"])
def test_damaged_compression_is_one_line(site: Site, coding: str) -> None:
    site["/"] = Answer(b"\x1f\x8bnothing of the kind" * 3, headers={"Content-Encoding": coding})
    with fetcher() as http, pytest.raises(SourceUnavailable, match="damaged compression"):
        http.get(Request(site.base + "/", allow_private=True))


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate"])
def test_honest_compression_is_read(site: Site, coding: str) -> None:
    import brotli

    text = b"news " * 100_000
    body = {"gzip": gzip.compress, "br": brotli.compress, "deflate": zlib.compress}[coding](text)
    site["/"] = Answer(body, headers={"Content-Encoding": coding})
    with fetcher() as http:
        assert http.get(Request(site.base + "/", allow_private=True)).body == text


def test_a_body_that_drips_for_ever_ends_at_the_total_deadline(site: Site) -> None:
    """One byte each 0.2 s never trips a read timeout."""
    site["/"] = Answer(drip=0.2)
    began = time.monotonic()
    with fetcher() as http, pytest.raises(SourceUnavailable, match="too slow"):
        http.get(Request(site.base + "/", allow_private=True, deadline=1.0))
    assert time.monotonic() - began < 3


def test_a_body_that_never_ends_is_cut_by_its_size(site: Site) -> None:
    site["/"] = Answer(b"x" * 300_000)
    with fetcher() as http, pytest.raises(SourceUnavailable, match=r"larger than 0\.0\d+ MB"):
        http.get(Request(site.base + "/", allow_private=True, max_body=100_000))


def test_a_look_takes_only_the_beginning(site: Site) -> None:
    site["/"] = Answer(b"y" * 300_000)
    with fetcher() as http:
        answer = http.get(Request(site.base + "/", allow_private=True, max_body=1000, head_only=True))
    assert len(answer.body) == 1000


def test_validators_are_sent_and_304_is_understood(site: Site) -> None:
    site["/"] = Answer(b"x", etag='"v1"')
    with fetcher() as http:
        assert not http.get(Request(site.base + "/", allow_private=True)).unchanged
        assert http.get(
            Request(site.base + "/", allow_private=True, etag='"v1"', last_modified="Mon")
        ).unchanged
    assert site.asked[-1][1]["if-none-match"] == '"v1"'
    assert site.asked[-1][1]["if-modified-since"] == "Mon"


def test_at_most_two_requests_at_a_time_go_to_one_host(site: Site) -> None:
    site["/"] = "x"
    site.delay = 0.1
    with fetcher() as http:
        threads = [
            threading.Thread(target=http.get, args=(Request(site.base + "/", allow_private=True),))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(site.asked) == 8
    assert site.most_at_once == 2


@pytest.mark.parametrize(("told", "seconds"), [("120", 120), ("99999999", 7 * 86400)])
def test_retry_after_is_heeded_within_reason(site: Site, told: str, seconds: float) -> None:
    site["/"] = Answer(status=429, headers={"Retry-After": told})
    with fetcher() as http, pytest.raises(RetryLater) as caught:
        http.get(Request(site.base + "/", allow_private=True))
    assert caught.value.seconds == seconds


def test_gone_for_good_says_what_to_do(site: Site) -> None:
    site["/"] = Answer(status=410)
    with fetcher() as http, pytest.raises(Gone) as caught:
        http.get(Request(site.base + "/", allow_private=True))
    assert "newsletter.toml" in caught.value.remedy


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500, 502, 503])
def test_an_error_names_the_address_and_the_answer(site: Site, status: int) -> None:
    site["/feed"] = Answer(status=status)
    with fetcher() as http, pytest.raises(SourceUnavailable, match=f"{site.base}/feed.*{status}"):
        http.get(Request(site.base + "/feed", allow_private=True))


def test_a_robot_that_can_be_reached_asks(site: Site) -> None:
    from digest.sources.http import user_agent

    site["/"] = "x"
    with fetcher(user_agent=user_agent("https://paper.example")) as http:
        http.get(Request(site.base + "/", allow_private=True))
    assert "+https://paper.example" in site.asked[0][1]["user-agent"]


def test_a_certificate_that_nobody_vouches_for_is_refused() -> None:
    import http.server
    import ssl

    import trustme

    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with fetcher() as http_client, pytest.raises(SourceUnavailable, match=r"(?i)certificate|TLS"):
            http_client.get(Request(f"https://localhost:{server.server_port}/", allow_private=True))
    finally:
        server.shutdown()
        server.server_close()
