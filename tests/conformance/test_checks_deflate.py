"""The checks of permessage-deflate on WebSockets made by hand, and the suite's own inflating."""

from __future__ import annotations

import zlib
from hashlib import sha256

import pytest
from hand_made import handshake, verdict
from hypothesis import given
from hypothesis import strategies as st

from tokenwire_conformance.judging.judge import select
from tokenwire_conformance.probes.socket_talk import frame
from tokenwire_conformance.reading.deflate import inflated
from tokenwire_conformance.reading.frames import CLOSE, CONTINUATION, PING, TEXT
from tokenwire_conformance.reading.transcript import Transcript

Said = tuple[str, bytes]

DEFLATE = "permessage-deflate"
TAIL = b"\x00\x00\xff\xff"
NOISE = b" ".join(sha256(b"%d" % n).hexdigest().encode() for n in range(10))

DELTA, DONE = b'{"type":"content_delta","content":"Gr\xc3\xbc\xc3\x9fe"}', b'{"type":"done"}'
ERROR = b'{"type":"error","error":{"code":"invalid_json","message":"The message is not JSON."}}'


def deflated(payload: bytes, window: bytes = b"", *, bits: int = zlib.MAX_WBITS, level: int = -1) -> bytes:
    deflater = zlib.compressobj(level, wbits=-bits, zdict=window)
    return (deflater.compress(payload) + deflater.flush(zlib.Z_SYNC_FLUSH)).removesuffix(TAIL)


def server(payload: bytes, opcode: int = TEXT, *, rsv: int = 4, fin: bool = True) -> Said:
    return "<", frame(opcode, payload, rsv=rsv, fin=fin, masked=False)


ASKED = (">", frame(TEXT, deflated(b'{"messages":[]}'), rsv=4))
PLAIN = (">", frame(TEXT, b'{"messages":[]}'))
ANSWERED = (server(deflated(DELTA)), server(deflated(DONE)))
SOUND = handshake("ws-answer", PLAIN, server(DELTA, rsv=0), server(DONE, rsv=0))


def agreed(probe: str, *said: Said, offer: str = DEFLATE, answer: str = DEFLATE, end: str = "left open") -> Transcript:
    """A WebSocket on which permessage-deflate was agreed to."""
    extensions = "Sec-WebSocket-Extensions"
    return handshake(probe, *said, ask={extensions: offer}, fields={extensions: answer}, end=end)


BASE = agreed("ws-deflate", ASKED, *ANSWERED)


# Inflating.


@given(st.binary(max_size=3000), st.binary(max_size=600), st.integers(9, 15), st.integers(0, 9))
def test_what_was_deflated_inflates_within_the_window_that_it_was_deflated_with(
    payload: bytes, window: bytes, bits: int, level: int
) -> None:
    repeated = payload + window + payload
    message = deflated(repeated, window, bits=bits, level=level)
    assert inflated(message, window, bits) == repeated
    assert inflated(message, window) == repeated


@pytest.mark.parametrize("bits", [9, 10, 12])
def test_a_window_is_kept_to_the_byte(bits: int) -> None:
    text = b"a text that is referred to"
    noise = (NOISE * 10)[: (1 << bits) - len(text)]
    near = deflated(text + noise + text, bits=15)
    far = deflated(text + noise + b"!" + text, bits=15)
    assert inflated(near, bits=bits) == text + noise + text
    assert inflated(far, bits=bits + 1).endswith(text)
    # The noise repeats itself only at distances that are as short.
    with pytest.raises(zlib.error, match="too far back"):
        inflated(far, bits=bits)


# RFC 7692, 7.2.3.1 to 7.2.3.6.
EXAMPLES = ["f248cdc9c90700", "000500faff48656c6c6f00", "f348cdc9c9070000", "f24805000000ffffcac9c90700"]


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_examples_of_the_standard_inflate(example: str) -> None:
    assert inflated(bytes.fromhex(example)) == b"Hello"


def test_a_message_may_refer_to_the_one_before_also_behind_a_last_block() -> None:
    deflater = zlib.compressobj(wbits=-15)
    first = deflater.compress(b"Hello, ") + deflater.flush(zlib.Z_FINISH)
    assert inflated(first + deflated(b"Hello, Hello", b"Hello, ")) == b"Hello, Hello, Hello"
    assert inflated(bytes.fromhex("f200110000"), b"Hello") == b"Hello"


@pytest.mark.parametrize("broken", [b"", b"\x06", b"\xff", deflated(DELTA)[:-1], deflated(DELTA)[:-4]])
def test_what_does_not_inflate_raises(broken: bytes) -> None:
    with pytest.raises(zlib.error):
        inflated(broken)


# What the server agrees to.

# (offer, answer, verdict)
NEGOTIATED: list[tuple[str, str, str]] = [
    (DEFLATE, DEFLATE, "PASS"),
    (f"{DEFLATE}; client_max_window_bits", DEFLATE, "PASS"),
    (f"{DEFLATE}; client_max_window_bits", f"{DEFLATE}; client_max_window_bits=8", "PASS"),
    (f"{DEFLATE}; client_max_window_bits", f'{DEFLATE}; client_max_window_bits="8"', "PASS"),
    (f"{DEFLATE}; client_max_window_bits=10", f"{DEFLATE}; client_max_window_bits=10", "PASS"),
    (f"{DEFLATE}; client_max_window_bits=10", f"{DEFLATE}; client_max_window_bits=11", "FAIL"),
    (f"{DEFLATE}; client_max_window_bits", f"{DEFLATE}; client_max_window_bits", "FAIL"),
    (DEFLATE, f"{DEFLATE}; client_max_window_bits=15", "FAIL"),
    (DEFLATE, f"{DEFLATE}; server_max_window_bits=10; client_no_context_takeover", "PASS"),
    (DEFLATE, f"{DEFLATE}; server_no_context_takeover", "PASS"),
    (DEFLATE, f"{DEFLATE}; server_max_window_bits=08", "FAIL"),
    (DEFLATE, f"{DEFLATE}; server_max_window_bits=16", "FAIL"),
    (DEFLATE, f"{DEFLATE}; server_max_window_bits", "FAIL"),
    (DEFLATE, f"{DEFLATE}; server_no_context_takeover=1", "FAIL"),
    (DEFLATE, f"{DEFLATE}; server_no_context_takeover; server_no_context_takeover", "FAIL"),
    (DEFLATE, f"{DEFLATE}; level=9", "FAIL"),
    (DEFLATE, f"{DEFLATE}, {DEFLATE}", "FAIL"),
    (f"{DEFLATE}; server_no_context_takeover", DEFLATE, "FAIL"),
    (f"{DEFLATE}; server_max_window_bits=9", DEFLATE, "FAIL"),
    (f"{DEFLATE}; server_max_window_bits=9", f"{DEFLATE}; server_max_window_bits=8", "PASS"),
    (f"{DEFLATE}; server_max_window_bits=9", f"{DEFLATE}; server_max_window_bits=10", "FAIL"),
    (f"{DEFLATE}; server_max_window_bits=9, {DEFLATE}", DEFLATE, "PASS"),
    # To accept these is another check's finding.
    (f"{DEFLATE}; server_max_window_bits=16", DEFLATE, "PASS"),
    ("x-unknown", DEFLATE, "NOT-APPLICABLE"),
    (DEFLATE, "", "NOT-APPLICABLE"),
]


@pytest.mark.parametrize(("offer", "answer", "wanted"), NEGOTIATED)
def test_an_answer_fits_the_offer(offer: str, answer: str, wanted: str) -> None:
    assert verdict("wsz.negotiate", agreed("ws-deflate", offer=offer, answer=answer)).verdict == wanted


def test_the_answer_that_does_not_fit_is_shown() -> None:
    result = verdict("wsz.negotiate", agreed("ws-deflate", answer=f"{DEFLATE}; server_max_window_bits=08"))
    assert "server_max_window_bits is '08', not a number from 8 to 15" in result.message
    assert result.evidence[0].data.startswith(b"Sec-WebSocket-Extensions: permessage-deflate; server_max")


BAD_OFFERS = ("ws-deflate-unknown", "ws-deflate-invalid", "ws-deflate-twice")


@pytest.mark.parametrize("accepted", BAD_OFFERS)
def test_none_of_the_bad_offers_is_accepted(accepted: str) -> None:
    declined = [handshake(probe) for probe in BAD_OFFERS if probe != accepted]
    assert verdict("wsz.decline", BASE, *declined, handshake(accepted, status=400)).verdict == "PASS"
    assert verdict("wsz.decline", BASE, *declined, agreed(accepted)).verdict == "FAIL"


@pytest.mark.parametrize(
    ("second", "wanted"),
    [
        (handshake("ws-deflate-second"), "PASS"),
        (agreed("ws-deflate-second"), "PASS"),
        (agreed("ws-deflate-second", answer=f"{DEFLATE}; x_tokenwire_unknown"), "WARN"),
        (handshake("ws-deflate-second", status=400), "WARN"),
        (handshake("ws-deflate-second", status=503), "INCONCLUSIVE"),
    ],
)
def test_the_second_offer_is_taken_or_none(second: Transcript, wanted: str) -> None:
    assert verdict("wsz.fallback-offer", BASE, second).verdict == wanted


@pytest.mark.parametrize("check", [check.id for check in select(["wsz."])])
def test_a_server_need_not_compress(check: str) -> None:
    declined = handshake("ws-deflate", ask={"Sec-WebSocket-Extensions": DEFLATE})
    assert verdict(check, SOUND, declined).verdict == "NOT-APPLICABLE"


# What the server sends.

CUT = deflated(DELTA) + TAIL
# (check, what the server says, verdict)
SAID: list[tuple[str, list[Said], str]] = [
    ("wsz.rsv1", [*ANSWERED], "PASS"),
    ("wsz.rsv1", [server(b"", PING)], "FAIL"),
    ("wsz.rsv1", [server(b"\x03\xe8", CLOSE)], "FAIL"),
    ("wsz.rsv1", [server(deflated(DELTA)[:9], fin=False), server(deflated(DELTA)[9:], CONTINUATION)], "FAIL"),
    ("wsz.rsv1", [server(deflated(DELTA)[:9], fin=False), server(deflated(DELTA)[9:], CONTINUATION, rsv=0)], "PASS"),
    ("wsz.tail", [*ANSWERED], "PASS"),
    ("wsz.tail", [server(DELTA, rsv=0)], "INCONCLUSIVE"),
    ("wsz.tail", [server(CUT)], "FAIL"),
    ("wsz.tail", [server(CUT + b"\x00")], "PASS"),
    ("wsz.tail", [server(DELTA)], "FAIL"),
    ("wsz.tail", [server(deflated(DELTA)[:-2])], "FAIL"),
    # Fragments that were flushed: the tail of the first one stays, or it does not inflate.
    ("wsz.tail", [server(CUT, fin=False), server(deflated(DONE), CONTINUATION, rsv=0)], "PASS"),
    ("wsz.tail", [server(deflated(DELTA), fin=False), server(deflated(DONE), CONTINUATION, rsv=0)], "FAIL"),
    # A message that refers to the one before it.
    ("wsz.tail", [server(deflated(DELTA)), server(deflated(DELTA, DELTA))], "PASS"),
    ("wsz.tail", [server(deflated(DELTA, DELTA))], "FAIL"),
]


@pytest.mark.parametrize(("check", "said", "wanted"), SAID)
def test_what_a_server_sends(check: str, said: list[Said], wanted: str) -> None:
    assert verdict(check, agreed("ws-deflate", ASKED, *said)).verdict == wanted


def test_after_what_does_not_inflate_nothing_more_is_said() -> None:
    result = verdict("wsz.tail", agreed("ws-deflate", ASKED, server(b"\xff"), server(b"\xff"), *ANSWERED))
    assert result.message == "a compressed message does not inflate: invalid block type"


NO_CONTEXT = f"{DEFLATE}; server_no_context_takeover"
AGAIN = server(deflated(DELTA, DELTA))


@pytest.mark.parametrize(
    ("answer", "said", "wanted"),
    [
        (NO_CONTEXT, [*ANSWERED], "PASS"),
        (NO_CONTEXT, [*ANSWERED, server(deflated(DONE, DELTA + DONE))], "FAIL"),
        (NO_CONTEXT, [server(deflated(DELTA))], "INCONCLUSIVE"),
        (NO_CONTEXT, [server(DELTA, rsv=0), server(DONE, rsv=0)], "NOT-APPLICABLE"),
        ("", [*ANSWERED], "INCONCLUSIVE"),
    ],
)
def test_without_context_each_message_inflates_by_itself(answer: str, said: list[Said], wanted: str) -> None:
    probe = agreed("ws-deflate-no-context", ASKED, *said, offer=NO_CONTEXT, answer=answer)
    result = verdict("wsz.no-context", BASE, probe)
    assert result.verdict == wanted
    if wanted == "FAIL":
        assert result.evidence[0].data == said[-1][1]
        assert verdict("wsz.tail", probe).verdict == "PASS"


NINE = f"{DEFLATE}; server_max_window_bits=9"
LONG = DELTA + NOISE + DELTA


@pytest.mark.parametrize(
    ("answer", "said", "wanted"),
    [
        (NINE, [server(deflated(LONG, bits=9))], "PASS"),
        (NINE, [server(deflated(LONG))], "FAIL"),
        (NINE, [server(deflated(LONG, bits=9)), server(deflated(DELTA, LONG[:-200]))], "FAIL"),
        (NINE, [*ANSWERED], "INCONCLUSIVE"),
        (NINE, [server(DELTA, rsv=0)], "INCONCLUSIVE"),
        ("", [server(DELTA, rsv=0)], "INCONCLUSIVE"),
        (f"{DEFLATE}; server_max_window_bits=8", [server(deflated(LONG, level=0))], "PASS"),
        (f"{DEFLATE}; server_max_window_bits=8", [server(deflated(NOISE[:300] * 2))], "FAIL"),
    ],
)
def test_no_message_refers_back_further_than_agreed(answer: str, said: list[Said], wanted: str) -> None:
    probe = agreed("ws-deflate-window", ASKED, *said, offer=NINE, answer=answer)
    assert verdict("wsz.window-bits", BASE, probe).verdict == wanted


# What the server must take, and must not.

TWICE = agreed("ws-deflate-no-context", ASKED, *ANSWERED, ASKED, *ANSWERED)


@pytest.mark.parametrize(
    ("others", "wanted"),
    [
        ([agreed("ws-deflate-context", ASKED, *ANSWERED, ASKED, *ANSWERED)], "PASS"),
        ([agreed("ws-deflate-context", ASKED, *ANSWERED, ASKED, end="eof"), TWICE], "FAIL"),
        ([agreed("ws-deflate-context", ASKED, *ANSWERED, ASKED, server(ERROR, rsv=0)), TWICE], "FAIL"),
        # A server that hangs up after every answer has not failed on the second question.
        ([agreed("ws-deflate-context", ASKED, *ANSWERED, end="eof")], "INCONCLUSIVE"),
        (
            [agreed("ws-deflate-context", ASKED, answer=f"{DEFLATE}; client_no_context_takeover"), TWICE],
            "INCONCLUSIVE",
        ),
    ],
)
def test_a_message_may_refer_to_an_earlier_one(others: list[Transcript], wanted: str) -> None:
    assert verdict("wsz.client-context", SOUND, BASE, *others).verdict == wanted


def test_a_compressed_question_that_is_not_answered_is_a_finding_by_itself() -> None:
    result = verdict("wsz.client-context", SOUND, agreed("ws-deflate", ASKED, server(ERROR, rsv=0)))
    assert "is not answered: the server says invalid_json" in result.message


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ([*ANSWERED], "PASS"),
        ([server(ERROR, rsv=0)], "FAIL"),
        ([server(b"\x03\xea", CLOSE, rsv=0)], "FAIL"),
        ([], "FAIL"),
    ],
)
@pytest.mark.parametrize("check", ["wsz.uncompressed", "wsz.blocks"])
def test_what_is_unusual_but_sound_is_answered(check: str, said: list[Said], wanted: str) -> None:
    probes = ("ws-deflate-plain", "ws-deflate-blocks", "ws-deflate-last-block")
    others = [agreed(probe, ASKED, *said) for probe in probes]
    assert verdict(check, SOUND, BASE, *others).verdict == wanted
    assert verdict(check, handshake("ws-answer", PLAIN), BASE, *others).verdict == "INCONCLUSIVE"


@pytest.mark.parametrize(("echo", "wanted"), [(b"a text, whole", "PASS"), (b"a text", "FAIL")])
def test_an_echo_that_is_cut_was_not_understood(echo: bytes, wanted: str) -> None:
    def echoed(probe: str, said: bytes) -> Transcript:
        extensions = {"Sec-WebSocket-Extensions": DEFLATE}
        asked = (">", frame(TEXT, b"a text, whole"))
        return handshake(probe, asked, server(said, rsv=0), ask=extensions, fields=extensions, dialect="raw")

    probes = ("ws-answer", "ws-deflate", "ws-deflate-blocks")
    sound = [echoed(probe, b"a text, whole") for probe in probes]
    assert verdict("wsz.blocks", *sound, echoed("ws-deflate-last-block", echo)).verdict == wanted


@pytest.mark.parametrize(
    ("said", "end", "wanted"),
    [
        ([server(b"\x03\xf1", CLOSE, rsv=0)], "eof", "PASS"),
        ([server(b"\x03\xf1", CLOSE, rsv=0)], "left open", "PASS"),
        ([], "reset", "PASS"),
        ([server(b"", PING, rsv=0)], "left open", "INCONCLUSIVE"),
        # The beginning of an echo.
        ([("<", frame(TEXT, b" " * 99, length=1 << 27, masked=False))], "closed by us", "WARN"),
        ([server(ERROR, rsv=0)], "left open", "WARN"),
    ],
)
def test_a_bomb_is_taken_when_something_is_said_to_it(said: list[Said], end: str, wanted: str) -> None:
    bomb = (">", frame(TEXT, b"\x00" * 130 * 1024, rsv=4))
    result = verdict("wsz.bomb", BASE, SOUND, agreed("ws-deflate-bomb", bomb, *said, end=end))
    assert result.verdict == wanted
    assert wanted != "WARN" or result.message == "a message of 130 KiB that inflates to 128 MiB is taken"
