"""What it costs a client to send: a text to the bytes of a masked frame, beside the peers.

The frame alone (the header, a key that cannot be foreseen, the masked payload), and the whole way of a message through
a connection to what goes out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from measuring import Case, Contender, Input, Run, Take
from test_websocket import URL, switching

from tokenwire import WebSocketConnection
from tokenwire.framing.websocket import TEXT, FrameWriter

__all__ = ["CASES"]

#: Messages of a stream.
COUNT = 1000


def tokenwire_frame() -> Run:
    frame = FrameWriter(client=True).frame
    return lambda payloads, take: take([frame(TEXT, payload) for payload in payloads])


def tokenwire_message() -> Run:
    connection = WebSocketConnection(URL, compression=False)
    connection.receive_data(switching(connection.data_to_send()))

    def run(texts: Sequence[str], take: Take) -> None:
        for text in texts:
            connection.send(text)
            take((connection.data_to_send(),))

    return run


def wsproto_frame() -> Run:
    from wsproto.frame_protocol import FrameProtocol, Opcode

    frame = FrameProtocol(client=True, extensions=[])._serialize_frame
    return lambda payloads, take: take([frame(Opcode.TEXT, payload) for payload in payloads])


def wsproto_message() -> Run:
    from wsproto.connection import Connection, ConnectionType
    from wsproto.events import TextMessage

    connection = Connection(ConnectionType.CLIENT)
    return lambda texts, take: take([connection.send(TextMessage(data=text)) for text in texts])


def websockets_frame() -> Run:
    """Its masking is written in C."""
    from websockets.frames import Frame, Opcode

    def run(payloads: Sequence[bytes], take: Take) -> None:
        take([Frame(Opcode.TEXT, payload).serialize(mask=True) for payload in payloads])

    return run


def websockets_message() -> Run:
    from websockets.client import ClientProtocol
    from websockets.protocol import State
    from websockets.uri import parse_uri

    protocol = ClientProtocol(parse_uri(URL), state=State.OPEN)

    def run(texts: Sequence[str], take: Take) -> None:
        for text in texts:
            protocol.send_text(text.encode())
            take(protocol.data_to_send())

    return run


def shown(frame: bytes) -> bytes:
    """What a server reads in a frame, by the letter of RFC 6455, 5.2 and 5.3."""
    assert frame[0] == 0x81
    assert frame[1] & 0x80
    width = {126: 2, 127: 8}.get(frame[1] & 0x7F, 0)
    size = int.from_bytes(frame[2 : 2 + width], "big") if width else frame[1] & 0x7F
    key, masked = frame[2 + width : 6 + width], frame[6 + width :]
    assert len(masked) == size
    return bytes(octet ^ key[place % 4] for place, octet in enumerate(masked))


def frame_case(size: int, name: str) -> Case:
    def input_() -> Input:
        payload = (b"masked " * size)[:size]
        count = max(10, COUNT * 64 // size)
        return Input([payload] * count, [payload] * count)

    contenders = [
        Contender("tokenwire", tokenwire_frame, shown),
        Contender("wsproto", wsproto_frame, shown),
        Contender("websockets", websockets_frame, shown),
    ]
    return Case(f"masked frame: {name}", input_, contenders)


def message_case(size: int, name: str) -> Case:
    def input_() -> Input:
        text = ("masked " * size)[:size]
        count = max(10, COUNT * 64 // size)
        return Input([text] * count, [text.encode()] * count)

    contenders = [
        Contender("tokenwire", tokenwire_message, shown),
        Contender("wsproto", wsproto_message, shown),
        Contender("websockets", websockets_message, shown),
    ]
    return Case(f"masked message: {name}", input_, contenders)


CASES = [
    case(size, name)
    for case in (frame_case, message_case)
    for size, name in ((64, "64 B"), (1024, "1 KiB"), (64 * 1024, "64 KiB"))
]


def test_masking(measured: Callable[[], None]) -> None:
    measured()
