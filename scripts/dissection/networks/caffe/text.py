"""Read the text of a definition; what it says that is not known is kept apart, with its place.

Protocol Buffers' own reader either stops at the first field that it does not know, or skips all
such fields without a word.
"""

import contextlib
import re
from typing import Any, NamedTuple

from google.protobuf import text_format

from dissection.networks.caffe.messages import NO_EFFECT, NetParameter

_SPACE = r"(?:[\s;,]|#[^\n]*)*"
_TOKEN = re.compile(
    _SPACE + r"""(?P<token>(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')"""
    r"""|[{}<>\[\]:]|-?\s*[\w.+-]+)"""
)
_OPEN = {"{": "}", "<": ">", "[": "]"}


class Unknown(NamedTuple):
    """A field, or a value of an enumeration, that Caffe does not have."""

    field: str  # with the fields that it is in: dropout_param.scale
    value: str
    line: int


class Parsed(NamedTuple):
    """A definition's text as a message.

    Attributes
    ----------
    net : NetParameter
    unknown : list of Unknown
        Those that belong to no layer.
    layers : dict
        For each field that holds layers (``layer``, ``layers``) and each place among them: the
        line that it begins in, and what is unknown in it.
    """

    net: Any
    unknown: list[Unknown]
    layers: dict[tuple[str, int], tuple[int, list[Unknown]]]


def parse(text: str) -> Parsed:
    """Read the text of a definition.

    Raises
    ------
    google.protobuf.text_format.ParseError
        With the line, if it is not such a text.
    """
    scan = _Scan(text)
    # What is malformed is said by the reader below, which sees all that is not blank.
    with contextlib.suppress(_MalformedError):
        scan.fields(NetParameter.DESCRIPTOR, "", None)
    net = text_format.Parse(scan.known_text(), NetParameter())
    return Parsed(net, scan.unknown, scan.layers)


class _Token(NamedTuple):
    text: str
    is_string: bool
    start: int
    end: int


class _MalformedError(Exception):
    pass


class _Scan:
    """A walk over the tokens of a text, beside the messages that they should be."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.unknown: list[Unknown] = []
        self.layers: dict[tuple[str, int], tuple[int, list[Unknown]]] = {}
        self._blank: list[tuple[int, int]] = []
        self._tokens: list[_Token] = []
        self._place = 0
        position = 0
        while match := _TOKEN.match(text, position):
            start, position = match.span("token")
            self._tokens.append(
                _Token(match["token"], match["string"] is not None, start, position)
            )

    def known_text(self) -> str:
        """Return the text with spaces in the place of what is unknown or has no effect."""
        parts, position = [], 0
        for start, end in self._blank:
            parts += [self.text[position:start], re.sub(r"[^\n]", " ", self.text[start:end])]
            position = end
        return "".join([*parts, self.text[position:]])

    def fields(self, message: Any, path: str, found: list[Unknown] | None) -> None:
        """Walk over the fields of a message up to its end."""
        while self._place < len(self._tokens) and self._now not in _OPEN.values():
            self._field(message, path, found)

    def _field(self, message: Any, path: str, found: list[Unknown] | None) -> None:
        name = self._tokens[self._place]
        if name.is_string or not re.fullmatch(r"[A-Za-z_]\w*", name.text):
            raise _MalformedError
        self._place += 1
        if self._now == ":":
            self._place += 1
        first, end = self._place, self._end_of_value()
        field = message.fields_by_name.get(name.text)
        path = f"{path}.{name.text}" if path else name.text
        if name.text in NO_EFFECT.get(message.name, ()):
            self._blank.append((name.start, self._tokens[end - 1].end))
        elif field is None or (field.enum_type is not None and not self._in(field, first, end)):
            value = self.text[self._tokens[first].start : self._tokens[end - 1].end]
            entry = Unknown(path, " ".join(value.split()), self._line(name))
            (self.unknown if found is None else found).append(entry)
            self._blank.append((name.start, self._tokens[end - 1].end))
        elif field.message_type is not None:
            is_layer = found is None and name.text in ("layer", "layers")
            while self._place < end:  # one message, or a list of them
                token = self._tokens[self._place]
                self._place += 1
                if token.text not in ("{", "<"):
                    continue
                if is_layer:
                    path, found = "", []
                    count = sum(key == name.text for key, _ in self.layers)
                    self.layers[name.text, count] = (self._line(token), found)
                self.fields(field.message_type, path, found)
        self._place = end

    @property
    def _now(self) -> str:
        if self._place >= len(self._tokens):
            raise _MalformedError
        token = self._tokens[self._place]
        return '""' if token.is_string else token.text

    def _end_of_value(self) -> int:
        """Return the place after the value that begins here: a scalar, a message or a list."""
        place, expected = self._place, []
        while place < len(self._tokens):
            token = self._tokens[place]
            place += 1
            if token.is_string:
                # Strings that follow each other are one.
                if place < len(self._tokens) and self._tokens[place].is_string:
                    continue
            elif token.text in _OPEN:
                expected.append(_OPEN[token.text])
            elif token.text in _OPEN.values() and (not expected or token.text != expected.pop()):
                break
            if not expected:
                return place
        raise _MalformedError

    def _in(self, field: Any, first: int, end: int) -> bool:
        """Whether an enumeration has the value."""
        names = [token.text for token in self._tokens[first:end] if token.text not in "[]"]
        return all(
            name in field.enum_type.values_by_name
            or (name.isdigit() and int(name) in field.enum_type.values_by_number)
            for name in names
        )

    def _line(self, token: _Token) -> int:
        return self.text.count("\n", 0, token.start) + 1
