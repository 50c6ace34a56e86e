"""Files in formats of others, as small as they can be."""

import random

BODY = random.Random(1).randbytes(300_000)


def message_field(number, content):
    """A field of bytes in the encoding of Protocol Buffers."""

    def varint(value):
        return bytes([value & 0x7F | 0x80]) + varint(value >> 7) if value > 0x7F else bytes([value])

    return varint(number << 3 | 2) + varint(len(content)) + content


def caffemodel(field=100):
    return message_field(1, b"CaffeNet") + message_field(field, BODY) * 3
