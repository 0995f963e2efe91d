"""WHATWG HTML 9.2.6, "Interpreting an event stream", transcribed as it stands: slow, whole, one character at a time.

It is the oracle of the parser's tests. Each step is quoted; nothing here is clever, so that it can be checked by
reading it beside the standard.
"""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Interpretation", "interpret"]


@dataclass
class Interpretation:
    """What an EventSource object would have seen: (event, data, id) of each event that was dispatched."""

    last_event_id: str = ""
    retry: int | None = None
    events: list[tuple[str, str, str]] = field(default_factory=list)


def interpret(stream: bytes, last_event_id: str = "") -> Interpretation:
    """All of a stream, from its first byte to the end of the file."""
    # "Streams must be decoded using the UTF-8 decode algorithm. [It] strips one leading UTF-8 BOM, if any."
    if stream[:3] == b"\xef\xbb\xbf":
        stream = stream[3:]
    return _Reader(last_event_id).read(stream.decode("utf-8", "replace"))


class _Reader:
    def __init__(self, last_event_id: str) -> None:
        self.result = Interpretation(last_event_id)
        # "When a stream is parsed, a data buffer, an event type buffer, and a last event ID buffer must be associated
        # with it. They must be initialized to the empty string."
        self.data_buffer = ""
        self.event_type_buffer = ""
        # The standard starts it empty for a fresh EventSource; a reconnection starts from the last event ID string.
        self.last_event_id_buffer = last_event_id

    def read(self, text: str) -> Interpretation:
        for line in lines_of(text):
            self.process_line(line)
        # "Once the end of the file is reached, any pending data must be discarded. (If the file ends in the middle of
        # an event, before the final empty line, the incomplete event is not dispatched.)"
        return self.result

    def process_line(self, line: str) -> None:
        # "If the line is empty (a blank line): Dispatch the event, as defined below."
        if line == "":
            self.dispatch()
        # "If the line starts with a U+003A COLON character (:): Ignore the line."
        elif line[0] == ":":
            pass
        # "If the line contains a U+003A COLON character (:): Collect the characters on the line before the first
        # colon, and let field be that string. Collect the characters on the line after the first colon, and let value
        # be that string. If value starts with a U+0020 SPACE character, remove it from value. Process the field."
        elif ":" in line:
            field_name = ""
            position = 0
            while line[position] != ":":
                field_name += line[position]
                position += 1
            value = line[position + 1 :]
            if value[:1] == " ":
                value = value[1:]
            self.process_field(field_name, value)
        # "Otherwise, the string is not empty but does not contain a colon: Process the field using the whole line as
        # the field name, and the empty string as the field value."
        else:
            self.process_field(line, "")

    def process_field(self, name: str, value: str) -> None:
        # "If the field name is "event": Set the event type buffer to the field value."
        if name == "event":
            self.event_type_buffer = value
        # "If the field name is "data": Append the field value to the data buffer, then append a single U+000A LINE
        # FEED (LF) character to the data buffer."
        elif name == "data":
            self.data_buffer += value
            self.data_buffer += "\n"
        # "If the field name is "id": If the field value does not contain U+0000 NULL, then set the last event ID
        # buffer to the field value. Otherwise, ignore the field."
        elif name == "id":
            if "\x00" not in value:
                self.last_event_id_buffer = value
        # "If the field name is "retry": If the field value consists of only ASCII digits, then interpret the field
        # value as an integer in base ten, and set the event stream's reconnection time to that integer. Otherwise,
        # ignore the field."
        elif name == "retry":
            self.process_retry(value)
        # "Otherwise: The field is ignored."

    def process_retry(self, value: str) -> None:
        # Our parser takes no more than 15 digits, a limit that the standard leaves to the implementation.
        if 0 < len(value) <= 15 and all(character in "0123456789" for character in value):
            number = 0
            for digit in value:
                number = number * 10 + "0123456789".index(digit)
            self.result.retry = number

    def dispatch(self) -> None:
        # "Set the last event ID string of the event source to the value of the last event ID buffer."
        self.result.last_event_id = self.last_event_id_buffer
        # "If the data buffer is an empty string, set the data buffer and the event type buffer to the empty string
        # and return."
        if self.data_buffer == "":
            self.event_type_buffer = ""
            return
        # "If the data buffer's last character is a U+000A LINE FEED (LF) character, then remove the last character
        # from the data buffer."
        if self.data_buffer[-1] == "\n":
            self.data_buffer = self.data_buffer[:-1]
        # "Initialize event's type attribute to "message", its data attribute to data, [...] and its lastEventId
        # attribute to the last event ID string. If the event type buffer has a value other than the empty string,
        # change the type of the newly created event to equal the value of the event type buffer."
        event_type = "message"
        if self.event_type_buffer != "":
            event_type = self.event_type_buffer
        self.result.events.append((event_type, self.data_buffer, self.result.last_event_id))
        # "Set the data buffer and the event type buffer to the empty string."
        self.data_buffer = ""
        self.event_type_buffer = ""


def lines_of(text: str) -> list[str]:
    """The lines that ended: "a CRLF pair, a single LF not preceded by CR, and a single CR not followed by LF"."""
    lines = []
    line = ""
    position = 0
    while position < len(text):
        if text[position] == "\r" and text[position + 1 : position + 2] == "\n":
            lines.append(line)
            line = ""
            position += 2
        elif text[position] in "\r\n":
            lines.append(line)
            line = ""
            position += 1
        else:
            line += text[position]
            position += 1
    return lines
