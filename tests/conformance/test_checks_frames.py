"""The checks of WebSocket frames and of the closing on connections made by hand: what they find, and what not."""

from __future__ import annotations

import pytest
from hand_made import handshake, verdict

from tokenwire_conformance.probes.socket_talk import frame
from tokenwire_conformance.reading.frames import BINARY, CLOSE, PING, PONG, TEXT
from tokenwire_conformance.reading.transcript import Transcript

Said = tuple[str, bytes]


def server(payload: bytes, opcode: int = TEXT) -> Said:
    return "<", frame(opcode, payload, masked=False)


def client(payload: bytes, opcode: int = TEXT) -> Said:
    return ">", frame(opcode, payload)


def closing(code: int, reason: bytes = b"") -> Said:
    """A Close of the server."""
    return server(code.to_bytes(2, "big") + reason, CLOSE)


DELTA, DONE = server(b'{"type":"content_delta","content":"Hi"}'), server(b'{"type":"done"}')
ERROR = server(b'{"type":"error","error":{"code":"invalid_json","message":"The message is not JSON."}}')
ASK = client(b'{"messages":[]}')
PINGED = client(b"tokenwire", PING)
EMPTY_CLOSE = server(b"", CLOSE)
LEFT = client(b"\x03\xe8", CLOSE)
SOUND = handshake("ws-answer", ASK, DELTA, DONE, LEFT, closing(1000), end="eof")
REFUSED = handshake("ws-answer", ASK, ERROR, LEFT, closing(1000), end="eof")


# What the server sends.

MESSAGES: list[tuple[bytes, str]] = [
    (b'{"type":"done"}', "PASS"),
    (b'\r\n {"type":"done"}\n', "PASS"),
    (b"{}\n{}", "FAIL"),
    (b"{}{}", "FAIL"),
    (b"ping", "FAIL"),
    (b"", "FAIL"),
    (b'{"a": NaN}', "FAIL"),
    (b'data: {"type":"done"}\n\n', "FAIL"),
    (b'{"a":"\xff"}', "PASS"),  # wsf.utf8-sent says it
    (b"[" * 100_000, "FAIL"),
]


@pytest.mark.parametrize(("payload", "said"), MESSAGES, ids=[repr(row[0][:30]) for row in MESSAGES])
def test_a_text_message_is_one_json_text(payload: bytes, said: str) -> None:
    assert verdict("wsf.json-message", handshake("ws-answer", ASK, server(payload))).verdict == said


def test_binary_messages_and_dialects_without_json_are_not_judged_as_json() -> None:
    in_bytes = handshake("ws-answer", ASK, server(b"\x00\x01", BINARY))
    echo = handshake("ws-answer", ASK, server(b"hello"), dialect="raw")
    assert [verdict("wsf.json-message", one).verdict for one in (in_bytes, echo)] == ["INCONCLUSIVE", "NOT-APPLICABLE"]


SENT = ["wsf.server-unmasked", "wsf.rsv-sent", "wsf.opcode-sent", "wsf.minimal-length", "wsf.control-sent",
        "wsf.sequence-sent", "wsf.utf8-sent", "wsc.code-sent", "wsc.silent-after"]  # fmt: skip


@pytest.mark.parametrize("check", SENT)
def test_what_a_sound_server_sends_passes(check: str) -> None:
    assert verdict(check, SOUND).verdict == "PASS"


@pytest.mark.parametrize("check", [*SENT, "wsc.clean", "wsc.terminal-first"])
def test_where_nothing_was_sent_nothing_is_judged(check: str) -> None:
    assert verdict(check, handshake("ws-answer", ASK, end="eof")).verdict == "NOT-APPLICABLE"
    assert verdict(check, handshake("ws-answer", status=404)).verdict == "NOT-APPLICABLE"


def test_what_is_wrong_in_every_frame_is_told_once_with_the_first_of_them() -> None:
    masked = handshake("ws-answer", ASK, DELTA, *[("<", frame(TEXT, b"{}")) for _ in range(3)])
    result = verdict("wsf.server-unmasked", masked)
    assert result.message == "a frame of the server is masked (3 times)"
    (evidence,) = result.evidence
    assert masked.received[evidence.offset :].startswith(evidence.data)
    assert evidence.data[:2] == b"\x81\x82"


# What the server must take.

# (check, probe, what came behind the question, verdict)
TAKEN: list[tuple[str, str, tuple[Said, ...], str, str]] = [
    ("wsf.fragments", "ws-fragments", (ASK, DELTA, DONE), "left open", "PASS"),
    ("wsf.fragments", "ws-fragments", (ASK, ERROR), "left open", "FAIL"),
    ("wsf.fragments", "ws-fragments", (ASK, closing(1011)), "eof", "FAIL"),
    ("wsf.fragments", "ws-fragments", (ASK,), "reset", "FAIL"),
    ("wsf.fragments", "ws-fragments", (ASK,), "closed by us", "FAIL"),
    ("wsf.fragments", "ws-fragments", (ASK, DELTA), "closed by us", "FAIL"),
    ("wsf.utf8-split", "ws-split-character", (ASK, DELTA, DONE), "left open", "PASS"),
    ("wsf.utf8-split", "ws-split-character", (ASK, closing(1007)), "eof", "FAIL"),
    ("wsf.dribble", "ws-dribble", (ASK, DELTA, DONE), "left open", "PASS"),
    ("wsf.dribble", "ws-dribble", (ASK,), "reset", "FAIL"),
    ("wsf.control-between", "ws-ping-between", (PINGED, server(b"tokenwire", PONG), DELTA, DONE), "eof", "PASS"),
    ("wsf.control-between", "ws-ping-between", (PINGED, DELTA, DONE, server(b"tokenwire", PONG)), "eof", "PASS"),
    ("wsf.control-between", "ws-ping-between", (PINGED, DELTA, DONE), "eof", "FAIL"),
    ("wsf.control-between", "ws-ping-between", (PINGED, server(b"", PONG), DELTA, DONE), "eof", "FAIL"),
    ("wsf.control-between", "ws-ping-between", (PINGED, server(b"tokenwire", PONG), ERROR), "eof", "FAIL"),
    ("wsf.binary-policy", "ws-binary", (client(b"{}", BINARY), closing(1003)), "eof", "PASS"),
    ("wsf.binary-policy", "ws-binary", (client(b"{}", BINARY), closing(1007)), "eof", "PASS"),
    ("wsf.binary-policy", "ws-binary", (client(b"{}", BINARY), ERROR, LEFT, closing(1000)), "eof", "PASS"),
    ("wsf.binary-policy", "ws-binary", (client(b"{}", BINARY), DELTA, LEFT, closing(1000)), "eof", "PASS"),
    ("wsf.binary-policy", "ws-binary", (client(b"{}", BINARY), closing(1011)), "eof", "WARN"),
    ("wsf.binary-policy", "ws-binary", (client(b"{}", BINARY),), "reset", "WARN"),
    ("wsf.binary-policy", "ws-binary", (client(b"{}", BINARY), LEFT, closing(1000)), "eof", "WARN"),
    ("wsf.binary-policy", "ws-binary", (DELTA, client(b"{}", BINARY), LEFT, closing(1000)), "eof", "WARN"),
    ("wsf.binary-policy", "ws-binary", (), "eof", "INCONCLUSIVE"),
]


@pytest.mark.parametrize(("check", "probe", "said", "end", "expected"), TAKEN)
def test_what_is_sound_in_another_shape_is_answered(
    check: str, probe: str, said: tuple[Said, ...], end: str, expected: str
) -> None:
    result = verdict(check, SOUND, handshake(probe, *said, end=end))
    assert result.verdict == expected, result.message


# What the server must not take.

REACTIONS: list[tuple[tuple[Said, ...], str, str]] = [
    ((closing(1002),), "eof", ""),
    ((closing(1002),), "left open", ""),
    ((EMPTY_CLOSE,), "eof", ""),
    ((), "eof", ""),
    ((), "reset", ""),
    ((ERROR, closing(1002)), "eof", ""),  # what was not understood may be told before the connection fails
    ((server(b"ours", PONG), closing(1002)), "eof", ""),  # nobody asked for it (5.5.3)
    ((server(b"", PONG), closing(1002)), "eof", ""),
    ((), "closed by us", "goes on"),
    ((ERROR,), "closed by us", "goes on"),
    ((DELTA, DONE), "closed by us", "as if it were valid"),
    ((DELTA, DONE, closing(1000)), "eof", "as if it were valid"),
    ((DELTA,), "closed by us", "as if it were valid"),
]
REFUSING = [
    ("wsf.need-mask", "ws-unmasked"),
    ("wsf.rsv", "ws-rsv1"),
    ("wsf.rsv", "ws-rsv2"),
    ("wsf.opcode", "ws-opcode-3"),
    ("wsf.opcode", "ws-opcode-b"),
    ("wsf.length-msb", "ws-length-msb"),
    ("wsf.control-len", "ws-long-ping"),
    ("wsf.control-fin", "ws-fragmented-ping"),
    ("wsf.continuation", "ws-stray"),
    ("wsf.continuation", "ws-interleaved"),
    ("wsf.utf8-reject", "ws-bad-utf8"),
]


def tried(check: str, probe: str, *said: Said, end: str) -> tuple[str, str]:
    """The verdict and the words, when all other probes of the check were answered as they should be."""
    right = [handshake(other, ASK, closing(1002), end="eof") for name, other in REFUSING if name == check != probe]
    others = [transcript for transcript in right if transcript.name != probe]
    result = verdict(check, SOUND, *others, handshake(probe, *said, end=end))
    return result.verdict, result.message


@pytest.mark.parametrize(("check", "probe"), REFUSING)
@pytest.mark.parametrize(("said", "end", "words"), REACTIONS)
def test_what_is_invalid_ends_the_connection(
    check: str, probe: str, said: tuple[Said, ...], end: str, words: str
) -> None:
    judged, message = tried(check, probe, ASK, *said, end=end)
    breach = "WARN" if check == "wsf.length-msb" else "FAIL"
    assert judged == (breach if words else "PASS"), message
    assert words in message


@pytest.mark.parametrize("size", [9, 125, 126])
def test_a_ping_that_must_not_be_taken_gets_no_pong(size: int) -> None:
    ping = client(b"tokenwire" * 14, PING)
    pong = server((b"tokenwire" * 14)[:size], PONG)
    assert tried("wsf.control-len", "ws-long-ping", ping, pong, closing(1002), end="eof") == (
        "FAIL",
        "a ping of 126 bytes is answered by a pong",
    )


def test_later_frames_are_not_processed_after_an_invalid_one() -> None:
    def judged(*said: Said) -> str:
        return verdict("wsf.fail-no-process", SOUND, handshake("ws-after-error", ASK, *said)).verdict

    assert judged(closing(1002)) == "PASS"
    assert judged() == "PASS"  # that the connection goes on is wsf.opcode
    assert judged(DELTA, DONE, closing(1002)) == "FAIL"
    assert judged(DELTA) == "FAIL"


def test_the_codes_of_failing_are_told_by_what_the_server_did() -> None:
    def judged(**said: Said | None) -> tuple[str, str]:
        probes = [
            handshake(f"ws-{name.replace('_', '-')}", ASK, *([close] if close else []), end="eof")
            for name, close in said.items()
        ]
        result = verdict("wsf.fail-code", SOUND, *probes)
        return result.verdict, result.message

    fine = closing(1002)
    assert judged(unmasked=fine, bad_utf8=closing(1007), length_msb=closing(1009))[0] == "PASS"
    assert judged(unmasked=closing(1000), rsv1=closing(1000), bad_utf8=closing(1007)) == (
        "WARN",
        "the server closes with 1000, where 1002 would say why, after ws-unmasked, ws-rsv1",
    )
    assert judged(unmasked=None, bad_utf8=fine) == (
        "WARN",
        (
            "the server drops the connection without a Close, where 1002 would say why, after ws-unmasked; "
            "the server closes with 1002, where 1007 would say why, after ws-bad-utf8"
        ),
    )
    assert judged() == ("NOT-APPLICABLE", "no invalid frame made the server fail a connection")


ASKING = sorted(
    {check for check, *_ in TAKEN} | {check for check, _ in REFUSING} | {"wsf.fail-no-process", "wsf.fail-code"}
)


@pytest.mark.parametrize("check", ASKING)
def test_without_an_answer_to_the_plain_question_nothing_is_said(check: str) -> None:
    rows = [*((name, probe) for name, probe, *_ in TAKEN), *REFUSING]
    names = {probe for name, probe in rows if name == check} | {"ws-after-error"}
    probes = [handshake(name, ASK, closing(1000), end="eof") for name in names]
    result = verdict(check, REFUSED, *probes)
    assert result.verdict == "INCONCLUSIVE"
    assert "the server said invalid_json The message is not JSON." in result.message


def test_a_greeting_is_not_taken_for_an_answer() -> None:
    greeting, said = server(b"welcome"), server(b"what?")
    sound = handshake("ws-answer", greeting, ASK, said, dialect="raw")
    refused = handshake("ws-unmasked", greeting, ASK, closing(1002), end="eof", dialect="raw")
    taken = handshake("ws-unmasked", greeting, ASK, said, end="closed by us", dialect="raw")
    assert verdict("wsf.need-mask", sound, refused).verdict == "PASS"
    assert verdict("wsf.need-mask", sound, taken).verdict == "FAIL"
    assert (
        verdict("wsf.need-mask", handshake("ws-answer", greeting, ASK, dialect="raw"), taken).verdict == "INCONCLUSIVE"
    )


# The closing.

ENDINGS: list[tuple[str, tuple[Said, ...], str, str]] = [
    # The server ends without a Close, though the client has not closed.
    ("wsc.clean", (ASK, DELTA, DONE), "reset", "WARN"),
    ("wsc.clean", (ASK, DELTA, DONE), "eof", "WARN"),
    ("wsc.clean", (ASK, DELTA), "eof", "WARN"),
    ("wsc.clean", (ASK, DELTA, DONE, closing(1000)), "eof", "PASS"),
    ("wsc.clean", (ASK, DELTA, DONE, LEFT), "eof", "PASS"),  # wsc.echo says it
    ("wsc.clean", (ASK, DELTA, DONE), "closed by us", "PASS"),
    ("wsc.clean", (ASK, ERROR), "eof", "NOT-APPLICABLE"),
    # It closes before it has said the end.
    ("wsc.terminal-first", (ASK, DELTA, closing(1000)), "eof", "FAIL"),
    ("wsc.terminal-first", (ASK, DELTA, EMPTY_CLOSE), "eof", "FAIL"),
    ("wsc.terminal-first", (ASK, DELTA, closing(1011)), "eof", "FAIL"),
    ("wsc.terminal-first", (ASK, DELTA, DONE, closing(1000)), "eof", "PASS"),
    ("wsc.terminal-first", (ASK, DELTA, ERROR, closing(1011)), "eof", "PASS"),
    ("wsc.terminal-first", (ASK, DELTA, closing(1001)), "eof", "PASS"),
    ("wsc.terminal-first", (ASK, DELTA, LEFT, closing(1000)), "eof", "PASS"),
    ("wsc.terminal-first", (ASK, DELTA, closing(1000), LEFT), "eof", "FAIL"),
    ("wsc.terminal-first", (ASK, DELTA), "eof", "PASS"),  # wsc.clean says it
]


@pytest.mark.parametrize(("check", "said", "end", "expected"), ENDINGS)
def test_how_the_server_ends(check: str, said: tuple[Said, ...], end: str, expected: str) -> None:
    result = verdict(check, handshake("ws-answer", *said, end=end))
    assert result.verdict == expected, result.message


CLOSES: list[tuple[str, str, tuple[Said, ...], str, str]] = [
    ("wsc.echo", "ws-close", (LEFT, closing(1000)), "eof", "PASS"),
    ("wsc.echo", "ws-close", (LEFT, EMPTY_CLOSE), "eof", "PASS"),
    ("wsc.echo", "ws-close", (LEFT,), "eof", "FAIL"),
    ("wsc.echo", "ws-close", (LEFT,), "closed by us", "FAIL"),
    ("wsc.echo", "ws-close", (closing(4401, b"no key"), LEFT), "eof", "NOT-APPLICABLE"),
    ("wsc.echo", "ws-close", (), "reset", "INCONCLUSIVE"),
    ("wsc.server-tcp-first", "ws-close", (LEFT, closing(1000)), "eof", "PASS"),
    ("wsc.server-tcp-first", "ws-close", (LEFT, closing(1000)), "reset", "PASS"),
    ("wsc.server-tcp-first", "ws-close", (LEFT, closing(1000)), "left open", "FAIL"),
    ("wsc.server-tcp-first", "ws-close", (LEFT,), "left open", "NOT-APPLICABLE"),
    *[
        row
        for check, probe, breach in (
            ("wsc.code-reject", "ws-close-1005", "WARN"),
            ("wsc.len1", "ws-close-one-byte", "WARN"),
            ("wsc.reason-utf8", "ws-close-bad-reason", "FAIL"),
        )
        for row in (
            (check, probe, (LEFT, closing(1002)), "eof", "PASS"),
            (check, probe, (LEFT,), "eof", "PASS"),
            (check, probe, (LEFT, closing(1000)), "eof", breach),
            (check, probe, (LEFT,), "closed by us", breach),
        )
    ],
    ("wsc.code-reject", "ws-close-1005", (LEFT, closing(1005)), "eof", "WARN"),
    ("wsc.code-reject", "ws-close-1005", (LEFT, EMPTY_CLOSE), "eof", "WARN"),
    ("wsc.reason-utf8", "ws-close-bad-reason", (LEFT, closing(1007)), "eof", "PASS"),
    ("wsc.reason-utf8", "ws-close-bad-reason", (LEFT, EMPTY_CLOSE), "eof", "INCONCLUSIVE"),
    ("wsc.drain", "ws-drain", (closing(1001), LEFT), "eof", "PASS"),
    ("wsc.drain", "ws-drain", (closing(1012), LEFT), "eof", "PASS"),
    ("wsc.drain", "ws-drain", (closing(1000), LEFT), "eof", "WARN"),
    ("wsc.drain", "ws-drain", (), "eof", "WARN"),
    ("wsc.drain", "ws-drain", (), "closed by us", "WARN"),
    ("wsc.drain", "ws-drain", (LEFT, closing(1000)), "eof", "INCONCLUSIVE"),
]


@pytest.mark.parametrize(("check", "probe", "said", "end", "expected"), CLOSES)
def test_how_a_close_is_met(check: str, probe: str, said: tuple[Said, ...], end: str, expected: str) -> None:
    result = verdict(check, SOUND, handshake(probe, *said, end=end))
    assert result.verdict == expected, result.message


def test_evidence_is_the_frame_that_proves_it() -> None:
    def shown(check: str, *transcripts: Transcript) -> bytes:
        (evidence,) = verdict(check, *transcripts).evidence
        whole = {transcript.name: transcript for transcript in transcripts}[evidence.transcript]
        assert whole.received[evidence.offset :].startswith(evidence.data)
        return evidence.data

    glued = server(b"{}\n{}")
    assert shown("wsf.json-message", handshake("ws-answer", ASK, DELTA, glued)) == glued[1]
    taken = handshake("ws-unmasked", ASK, DELTA, DONE)
    assert shown("wsf.need-mask", SOUND, taken) == DONE[1]
    assert shown("wsc.terminal-first", handshake("ws-answer", ASK, DELTA, closing(1000))) == closing(1000)[1]
