"""What became of one question of many, in any dialect and over both transports."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from tokenwire.dialects import Dialect
from tokenwire.dialects.answer import Answer
from tokenwire.dialects.decoder import Decoder
from tokenwire.errors import TokenwireError

from .generation import DECODERS_OWN
from .http import Response
from .sockets import Socket
from .transcript import Transcript

__all__ = ["Became", "Outcome"]


class Became(StrEnum):
    """What became of a question."""

    WHOLE = "answered"
    UNANSWERED = "not answered at all"
    REFUSED = "refused"
    BROKEN_OFF = "broken off"
    UNENDED = "left without its end"
    FAILED = "answered with an error inside a success"
    EMPTY = "answered with nothing"


@dataclass(frozen=True)
class Outcome:
    """One question that was asked, and what came."""

    transcript: Transcript
    dialect: Dialect

    @property
    def response(self) -> Response | None:
        """The answer to the request; None where none has begun."""
        responses = self.transcript.responses
        return responses[0] if responses and responses[0].head_complete else None

    @cached_property
    def answer(self) -> Answer:
        """All that was said."""
        response = self.response
        if response is None:
            return Answer()
        if response.status == 101:
            answers = Socket(response, self.dialect).answers
            return answers[-1] if answers else Answer()
        decoder, answer = Decoder(self.dialect), Answer()
        try:
            answer.add_all(decoder.receive_data(response.content))
            answer.add_all(decoder.receive_eof())
        except TokenwireError:  # what is wrong with its bytes is for others to say
            pass
        return answer

    @cached_property
    def became(self) -> Became:
        response = self.response
        if response is None:
            return Became.UNANSWERED
        if response.status >= 300:
            return Became.REFUSED
        answer = self.answer
        if self._is_told and answer.finish is None:
            return Became.FAILED
        if response.status != 101 and not response.complete:
            return Became.BROKEN_OFF
        if answer.end is None or not answer.end.clean:
            return Became.BROKEN_OFF if response.status == 101 and self.transcript.ended_by_server else Became.UNENDED
        says = answer.text or answer.reasoning or answer.all_tools
        return Became.WHOLE if says or self.dialect.method == "GET" else Became.EMPTY

    @property
    def _is_told(self) -> bool:
        """There is an error, the server's, and not the decoder's about a message or about an end that is missing."""
        error = self.answer.error
        return error is not None and error.fatal and error.code != DECODERS_OWN

    @property
    def broken_calls(self) -> list[str]:
        """Tools that were called with arguments that are no JSON."""
        broken = []
        for call in self.answer.all_tools:
            try:
                call.parsed()
            except ValueError:
                broken.append(call.name)
        return broken
