"""What people have kept of a stream, read: which bytes come out, and which layers are still there."""

from __future__ import annotations

import base64
import copy
import json
import re
from collections.abc import Iterator, Sequence
from functools import reduce
from math import isfinite
from operator import getitem
from typing import Any

import pytest

from capturing import FORMS, bare, chrome_har, curl_i, curl_raw, mitmproxy_har, response_of, trace
from growth import growth
from tokenwire.errors import InvalidRecording, LocalProtocolError
from tokenwire.recording import Entry, Recording
from tokenwire.recording.captures import Capture, Form, Layer, read_captures
from tokenwire.recording.format import entry_line, header_line

ASKED = b'{"model":"m","stream":true,"messages":[]}'
REQUEST = (
    b"POST /v1/chat/completions?v=1 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n" % len(ASKED)
)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
EVENTS = [b'data: {"text": "   Gr\xc3\xbc\xc3\x9fe \xf0\x9f\x98\x80"}\n\n', b": alive\r\n\r\n", b"data: [DONE]\n\n"]
BODY = b"".join(EVENTS)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def recording(body: Sequence[bytes] = (), head: bytes = HEAD, ending: str = "left open") -> Recording:
    pieces = body or [*map(chunk, EVENTS), b"0\r\n\r\n"]
    reads = [Entry(0.25 * number, "<", data) for number, data in enumerate([head, *pieces], 1)]
    return Recording({}, [Entry(0.0, ">", REQUEST), Entry(0.0, ">", ASKED), *reads, Entry(9.0, ending)])


def one(data: bytes, form: Form | None = None) -> Capture:
    [capture] = read_captures(data, "FILE", form)
    return capture


def layers(capture: Capture) -> set[str]:
    return {layer.name for layer in capture.missing}


def test_our_own_recording_shows_everything() -> None:
    made = recording()
    capture = one("".join([header_line({}), *map(entry_line, made.entries)]).encode())
    assert capture.recording.entries == made.entries
    assert capture.missing == {}


def test_curl_i_has_lost_the_chunks() -> None:
    capture = one(curl_i(recording()))
    assert capture.source == "curl -i"
    assert capture.recording.received == HEAD + BODY
    assert layers(capture) == {"REQUEST", "FRAMING", "AFTER", "END", "TIMES"}


def test_raw_it_has_them() -> None:
    capture = one(curl_raw(recording()))
    assert capture.source == "curl --raw -i"
    assert capture.recording.received == recording().received
    assert layers(capture) == {"REQUEST", "AFTER", "END", "TIMES"}


@pytest.mark.parametrize("size", [b"  5\r\n", b"0x5\r\n", b"5 \r\n", b"5;ext=1\r\n", b"-5\r\n", b"5\n", b"G\r\n"])
def test_a_chunk_size_that_is_wrong_is_one_all_the_same(size: bytes) -> None:
    assert one(HEAD + size + b"data:\r\n0\r\n\r\n").source == "curl --raw -i"


@pytest.mark.parametrize("body", [b"data\n\n", b"data: 5\n\n", b": hi\n\n", b'{"error": 1}', b"", b"retry: 5\n\n"])
def test_and_what_is_none_is_none(body: bytes) -> None:
    assert one(HEAD + body).source == "curl -i"


def test_without_chunks_nothing_is_lost_with_them() -> None:
    head = b"HTTP/1.1 401 No\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n"
    assert layers(one(head + b"{}")) == {"REQUEST", "AFTER", "END", "TIMES"}


def test_a_coding_that_curl_took_off_is_gone_and_one_that_is_there_is_not() -> None:
    head = HEAD.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")
    assert "CODING" in layers(one(head + BODY))
    assert "CODING" not in layers(one(head + b"\x1f\x8b\x08\x00\x00\x00\x00\x00"))
    assert "CODING" not in layers(one(head + chunk(b"\x1f\x8b\x08\x00\x00\x00\x00\x00")))


def test_heads_before_the_last_are_part_of_it_or_responses_of_their_own() -> None:
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    moved = b"HTTP/1.1 307 Moved\r\nLocation: /v1\r\nContent-Length: 5\r\n\r\n"
    first, second = read_captures(moved + hint + HEAD + BODY, "FILE")
    assert (first.label, first.recording.received) == ("response 1, 307", moved)
    assert (second.label, second.recording.received) == ("response 2, 200", hint + HEAD + BODY)
    assert second.offset == -len(moved)


TUNNEL = b"HTTP/1.1 200 Connection established\r\nVia: 1.1 p\r\n\r\n"


@pytest.mark.parametrize(("make", "source"), [(curl_i, "curl -i"), (curl_raw, "curl --raw -i")])
@pytest.mark.parametrize("status", [b"200", b"204", b"299"])
def test_what_a_proxy_says_of_its_tunnel_is_no_response(make: Any, source: str, status: bytes) -> None:
    tunnel = TUNNEL.replace(b"200", status)
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    capture = one(tunnel + hint + make(recording()))
    assert (capture.source, capture.label) == (source, "")
    assert capture.recording.received == hint + make(recording())
    assert capture.offset == -len(tunnel)


@pytest.mark.parametrize("make", [curl_i, curl_raw])
def test_refusals_without_credentials_are_responses_of_their_own(make: Any) -> None:
    proxys = b"HTTP/1.1 407 No\r\nProxy-Authenticate: Basic\r\nContent-Length: 4\r\n\r\n"
    servers = b"HTTP/1.1 401 No\r\nWWW-Authenticate: Digest\r\nContent-Length: 4\r\n\r\n"
    first, second, third = read_captures(proxys + TUNNEL + servers + make(recording()), "FILE")
    assert (first.label, first.recording.received) == ("response 1, 407", proxys)
    assert (second.label, second.recording.received) == ("response 2, 401", servers)
    assert (third.label, third.recording.received) == ("response 3, 200", make(recording()))


@pytest.mark.parametrize(
    "body", [b"HTTP/ is a protocol", curl_i(recording())], ids=["that begins with HTTP/", "that is a response"]
)
@pytest.mark.parametrize("field", [b"", b"Content-Type: message/http\r\n", b"content-length: 9\r\n"])
def test_a_response_with_a_body_is_no_proxys(field: bytes, body: bytes) -> None:
    response = b"HTTP/1.1 200 OK\r\n" + field + b"\r\n" + body
    is_a_tunnel = not field and body == curl_i(recording())
    assert one(response, "curl-i").recording.received == (body if is_a_tunnel else response)


def test_the_work_on_many_heads_grows_with_their_number() -> None:
    def read(size: int) -> object:
        return read_captures(b"HTTP/1.1 200 OK\r\n\r\n" * size + HEAD + BODY * 20, "FILE", "curl-i")

    assert growth(read, 10_000, 80_000) < 24  # 8 is linear, 64 quadratic


@pytest.mark.parametrize("make", [curl_i, trace])
def test_http_2_has_neither_such_a_head_nor_chunks(make: Any) -> None:
    head = b"HTTP/2 200 \r\ncontent-type: text/event-stream\r\n\r\n"
    assert {"HEAD", "FRAMING"} <= layers(one(make(recording(EVENTS, head))))


# curl --trace.


def test_a_trace_has_every_byte_with_its_time() -> None:
    made = recording()
    capture = one(trace(made))
    assert capture.recording.entries == made.entries
    assert capture.missing == {}


def test_without_times_it_says_so() -> None:
    capture = one(trace(recording(), times=False))
    assert layers(capture) == {"TIMES"}
    assert capture.recording.received == recording().received
    assert capture.recording.sent == REQUEST + ASKED


@pytest.mark.parametrize("ending", ["eof", "reset", "left open", "closed by us"])
def test_how_the_connection_ended_is_what_curl_noticed(ending: str) -> None:
    assert one(trace(recording(ending=ending))).recording.entries[-1].kind == ending


def test_a_trace_that_stops_before_the_end_does_not_show_it() -> None:
    capture = one(trace(recording(ending="")))
    assert layers(capture) == {"END"}


@pytest.mark.parametrize(
    ("head", "ending"),
    [(HEAD, "closed by us"), (b"HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", "eof")],
)
def test_that_curl_closes_is_the_end_of_a_body_without_a_length(head: bytes, ending: str) -> None:
    made = trace(recording(head=head, ending="")) + b"12:00:10.000000 == Info: Closing connection 0\n"
    assert one(made).recording.entries[-1].kind == ending


def test_every_byte_survives_whatever_stands_beside_it() -> None:
    every = bytes(range(256)) + b"   " * 11 + b"\r\n" + b" " * 16
    for cut in range(17):
        made = recording([chunk(every[cut:])])
        assert one(trace(made)).recording.received == made.received


def test_requests_of_one_trace_are_told_apart_and_a_tunnel_is_left_out() -> None:
    tunnel = Recording(
        {},
        [
            Entry(0, ">", b"CONNECT h:443 HTTP/1.1\r\n\r\n"),
            Entry(0, "<", b"HTTP/1.1 200 Connection established\r\n\r\n"),
        ],
    )
    moved = recording([b"{}"], b"HTTP/1.1 307 Moved\r\nContent-Length: 2\r\n\r\n")
    text = trace(tunnel).replace(b"Send data", b"Send header") + trace(moved) + trace(recording())
    first, second = read_captures(text, "FILE")
    assert (first.label, second.label) == (
        "request 1, POST /v1/chat/completions",
        "request 2, POST /v1/chat/completions",
    )
    assert first.recording.received == moved.received
    assert second.recording.received == recording().received


def test_transfers_at_once_are_told_apart_by_their_ids() -> None:
    one_of_them = trace(recording(), times=False).replace(b"=> ", b"[0-0] => ").replace(b"<= ", b"[0-0] <= ")
    other = trace(recording([b"x"]), times=False).replace(b"=> ", b"[1-1] => ").replace(b"<= ", b"[1-1] <= ")
    half = one_of_them.index(b"[0-0] <= Recv data")
    first, second = read_captures(one_of_them[:half] + other + one_of_them[half:], "FILE")
    assert first.recording.received == recording().received
    assert second.recording.received == recording([b"x"]).received


def test_what_is_not_of_the_program_is_left_out() -> None:
    tls = b"=> Send SSL data, 2 bytes (0x2)\n0000: 16 03                                           ..\n"
    assert one(b"== Info: Trying\n" + tls + trace(recording(), times=False) + tls).recording.sent == REQUEST + ASKED


def test_trailers_that_are_told_twice_are_there_once() -> None:
    text = trace(recording()).replace(
        b"== Info",
        b"<= Recv header, 6 bytes (0x6)\n0000: 58 3a 20 31 0d 0a                               X: 1..\n== Info",
    )
    assert one(text).recording.received == recording().received


def test_midnight_is_no_step_back() -> None:
    text = trace(recording()).replace(b"12:00:00.0", b"23:59:59.9").replace(b"12:00:0", b"00:00:0")
    times = [entry.seconds for entry in one(text).recording.entries]
    assert times == sorted(times)
    assert times[-1] < 20


def test_a_curl_that_traces_without_chunks_is_noticed() -> None:
    assert layers(one(trace(recording(EVENTS)))) == {"FRAMING"}


# A body alone.


@pytest.mark.parametrize(
    ("body", "media_type"),
    [(BODY, b"text/event-stream"), (b'{"done": false}\n{"done": true}\n', b"application/x-ndjson")],
)
def test_a_bare_body_gets_a_head_that_is_not_shown(body: bytes, media_type: bytes) -> None:
    capture = one(body)
    assert capture.recording.received[capture.offset :] == body
    assert media_type in capture.recording.received[: capture.offset]
    assert layers(capture) == {"REQUEST", "FIELDS", "HEAD", "FRAMING", "CODING", "AFTER", "END", "TIMES"}


# HAR.


@pytest.mark.parametrize("make", [chrome_har, mitmproxy_har])
def test_a_har_has_fields_and_text(make: Any) -> None:
    capture = one(make(recording()))
    text = capture.recording.received.partition(b"\r\n\r\n")[2]
    assert text == BODY
    assert capture.recording.sent.endswith(ASKED)
    assert capture.recording.sent.startswith(b"POST /v1/chat/completions?v=1 HTTP/1.1\r\n")
    assert layers(capture) == {"HEAD", "FRAMING", "CODING", "OCTETS", "AFTER", "END", "TIMES"}


def changed(**members: Any) -> dict[str, Any]:
    entry: dict[str, Any] = json.loads(chrome_har(recording()))["log"]["entries"][0]
    for path, value in members.items():
        *parents, last = path.split("__")
        place = entry
        for parent in parents:
            place = place[parent]
        place[last] = value
    return entry


def har(*entries: Any) -> bytes:
    return json.dumps({"log": {"entries": entries}}).encode()


def test_streams_among_other_entries_are_found_and_named() -> None:
    page = {"request": {"method": "GET", "url": "http://h/"}, "response": {"content": {"mimeType": "text/html"}}}
    refused = changed(response__content={"mimeType": "application/json", "text": "{}"}, response__status=401)
    refused["response"]["headers"] = []
    first, second = read_captures(har(page, changed(), page, refused), "FILE")
    assert first.label == "entry 2, POST http://127.0.0.1/v1/chat/completions"
    assert second.label.startswith("entry 4")
    assert second.recording.received.startswith(b"HTTP/1.1 401")


@pytest.mark.parametrize(
    ("url", "accept"),
    [
        ("http://h/v1beta/models/m:streamGenerateContent?alt=sse", "*/*"),
        ("http://h/model/m/converse-stream", "*/*"),
        ("http://h/events", "text/event-stream"),
    ],
)
def test_what_was_asked_to_be_a_stream_is_one_whatever_came(url: str, accept: str) -> None:
    asked = changed(request__url=url, request__headers=[{"name": "Accept", "value": accept}])
    asked["response"] |= {"status": 500, "headers": [], "content": {"mimeType": "application/json", "text": "{}"}}
    del asked["request"]["postData"]
    assert one(har(asked)).recording.received.startswith(b"HTTP/1.1 500")


def test_what_a_har_leaves_out_is_missing() -> None:
    gone = changed(response__content={"size": 90, "mimeType": "text/event-stream"})
    assert "BODY" in layers(one(har(gone)))
    unasked = changed()
    del unasked["request"]["postData"]
    assert "REQUEST" in layers(one(har(unasked)))


def test_that_the_connection_broke_is_known_where_the_browser_says_it() -> None:
    capture = one(har(changed(response___error="net::ERR_INCOMPLETE_CHUNKED_ENCODING")))
    assert "END" not in layers(capture)
    assert capture.recording.entries[-1].kind == "reset"


def test_a_request_without_a_response_has_none() -> None:
    nothing = changed(response={"status": 0, "content": {}, "headers": [], "_error": "net::ERR_CONNECTION_RESET"})
    assert one(har(nothing)).recording.received == b""


@pytest.mark.parametrize("sent", ["send", "sent"])
def test_messages_of_a_websocket_come_in_frames_that_are_made_up(sent: str) -> None:
    messages = [
        {"type": sent, "time": 1700000000.5, "opcode": 1, "data": '{"stream": true}'},
        {"type": "receive", "time": 1700000001.0, "opcode": 1, "data": '{"type": "done"}'},
        {"type": "receive", "time": 1700000001.5, "opcode": 2, "data": base64.b64encode(b"\xff\x00").decode()},
        {"type": "receive", "time": 1700000001.5, "opcode": 8, "data": ""},
    ]
    upgrade = {
        "request": {"method": "GET", "url": "ws://h/v1", "headers": [{"name": "Sec-WebSocket-Key", "value": "abc"}]},
        "response": {"status": 101, "statusText": "Switching Protocols", "headers": [], "content": {}},
        "_webSocketMessages": messages,
    }
    capture = one(har(upgrade))
    assert [entry.seconds for entry in capture.recording.entries] == [0.0, 0.0, 0.0, 0.5, 1.0]
    assert capture.recording.entries[2].data == b'\x81\x90\x00\x00\x00\x00{"stream": true}'
    assert capture.recording.received.endswith(b'\x81\x10{"type": "done"}\x82\x02\xff\x00')
    assert "FRAMES" in layers(capture)
    assert "TIMES" not in layers(capture)


@pytest.mark.parametrize(
    "entry",
    [
        None,
        5,
        {},
        {"request": None, "response": None},
        {"request": [], "response": {"headers": [1, {"name": 2}], "content": []}},
        changed(response__status="200"),
        changed(response__headers={}),
        changed(request__postData=None),
        changed(request__url=None),
        changed(response__statusText="a\r\nb"),
        changed(_webSocketMessages=[1, {"opcode": 1}, {"opcode": 2, "data": "%"}]),
    ],
)
def test_members_of_other_types_break_nothing(entry: Any) -> None:
    assert read_captures(har(entry, changed()), "FILE")[-1].recording.received.endswith(BODY)


MESSAGES = [
    {"type": "send", "time": 1700000000.5, "opcode": 1, "data": "a"},
    {"type": "receive", "time": 1700000001.0, "opcode": 2, "data": "/w=="},
]
ODD = [
    *(None, True, False, 0, 1, 5, -1, 1000, 1.0, 1.5, 10**400, float("nan"), float("inf"), -float("inf")),
    *("", "a", "http://[", "http://me:canary@[/?key=canary", "http://h:x/", "\r\n", "\ud800", "é", "base64", "101"),
    *([], [200], [[]], [None, 5, {}], {}, {"a": 1}, {"text": 5}, {"name": "a", "value": 5}),
]


def places(value: Any, above: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where each value in it stands."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in items:
        yield (*above, name)
        yield from places(member, (*above, name))


SOUND = {
    "events": changed(response__content__encoding="base64", response__content__size=5),
    "messages": changed(_webSocketMessages=MESSAGES),
}


@pytest.mark.parametrize(
    ("kind", "place"), [(kind, place) for kind, sound in SOUND.items() for place in places(sound)], ids=str
)
def test_any_value_at_any_place_leaves_the_other_entries_readable(kind: str, place: tuple[str | int, ...]) -> None:
    *above, last = place
    for odd in ODD:
        entry = copy.deepcopy(SOUND[kind])
        reduce(getitem, above, entry)[last] = odd
        captures = read_captures(har(entry, changed()), "FILE")
        assert captures[-1].recording.received.endswith(BODY)
        assert last != "url" or not any("canary" in capture.label for capture in captures)
        assert all(re.match(rb"(?:HTTP/1.1 \d{3}[ \r]|\Z)", capture.recording.received) for capture in captures)
        assert all(isfinite(each.seconds) for capture in captures for each in capture.recording.entries)


@pytest.mark.parametrize("form", ["har", None])
@pytest.mark.parametrize("odd", ODD)
def test_a_har_without_a_list_of_entries_is_none(odd: Any, form: Form | None) -> None:
    for value in ({"log": {"entries": odd}}, {"log": odd}, odd):
        with pytest.raises(InvalidRecording):
            read_captures(json.dumps(value).encode(), "FILE", form)


@pytest.mark.parametrize("form", ["har", None])
@pytest.mark.parametrize("blank", [b"", b" \n"])
def test_a_har_may_begin_with_a_bom(blank: bytes, form: Form | None) -> None:
    assert one(b"\xef\xbb\xbf" + blank + har(changed()), form).recording.received.endswith(BODY)


# What is none of them.


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"hello", "looks like text that begins 'hello'"),
        (b"\x00\x01\x02\x03", "looks like binary data"),
        (b"\xd4\xc3\xb2\xa1\x02\x00", "packets (pcap)"),
        (b"\x0a\x0d\x0d\x0a\x02\x00", "packets (pcap)"),
        (b"\x1f\x8b\x08\x00", "a compressed file. Unpack it first"),
        (b"3425:9:websocket;0:~", "mitmproxy's own. Make a HAR of it"),
        (b"*   Trying 127.0.0.1:80...\n> GET / HTTP/1.1\n", "`curl -v` prints"),
        (b"< HTTP/1.1 200 OK\n", "`curl -v` prints"),
        (b"<!DOCTYPE html>\n<html>", "an HTML page"),
        (b'{"a": 1}', "neither a HAR"),
        (b'{"constants": {}, "events": []}', "a net log of Chrome"),
        (b'{"log": ', "JSON that is broken"),
        (b'{"log": {"entries": []}}', "a HAR of 0 entries"),
        (b'{"log": {}}', "is no HAR"),
        (b"== Info: Trying\n", "it has no request"),
        (
            b"=> Send header, 3 bytes (0x3)\n0000: 47 45 54                                        GET\n",
            "no request was answered",
        ),
        (
            b"=> Send header, 9 bytes (0x9)\n0000: GET / HTTP/1.1\n",
            "--trace-ascii writes it, which has lost bytes (line 2)",
        ),
        (b"=> Send data, 4 bytes (0x4)\n0000: 61 62 63 64 \n", "--trace-ascii"),
        (b"=> Send data, 4 bytes (0x4)\nhello\n", "line 2 is neither"),
    ],
)
def test_what_is_none_of_them_is_told_with_what_it_looks_like(data: bytes, words: str) -> None:
    with pytest.raises(InvalidRecording) as caught:
        read_captures(data, "FILE")
    assert str(caught.value).startswith("FILE ")
    assert words in str(caught.value)


@pytest.mark.parametrize("form", ["wire", "curl-i", "curl-raw", "curl-trace", "har", "body"])
def test_a_form_that_was_named_is_the_one_that_is_read(form: Form) -> None:
    with pytest.raises(InvalidRecording, match="FILE"):
        read_captures(b"hello", "FILE", form)


def test_a_form_that_does_not_exist_is_a_mistake() -> None:
    with pytest.raises(LocalProtocolError, match="curl-trace"):
        read_captures(b"", "FILE", "pcap")  # type: ignore[arg-type]


def test_named_a_body_that_looks_like_chunks_has_none() -> None:
    assert "FRAMING" in layers(one(HEAD + b"5\r\nhello\r\n0\r\n\r\n", "curl-i"))


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_recognised_by_itself(form: str) -> None:
    capture = one(FORMS[form](recording()))
    assert capture.source.replace("a ", "").split(",")[0] in form
    body = capture.recording.received.partition(b"\r\n\r\n")[2]
    assert (body if "FRAMING" in layers(capture) else response_of(capture.recording)[2]) == BODY


def test_a_bare_body_that_was_coded_is_read_decoded() -> None:
    assert one(bare(recording())).recording.received.endswith(BODY)


def test_the_value_of_a_layer_is_what_it_is() -> None:
    assert len({layer.value for layer in Layer}) == len(Layer)
