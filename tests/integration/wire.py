"""Protobuf's wire format by hand: valid messages with any bytes in any text field, and mutations of valid messages.

See https://protobuf.dev/programming-guides/encoding/.
"""

from collections.abc import Callable, Iterator, Mapping
from random import Random

from google.protobuf.descriptor import Descriptor, FieldDescriptor

VARINT, FIXED64, LENGTH, START_GROUP, END_GROUP, FIXED32 = range(6)
LARGEST_FIELD = (1 << 29) - 1

Path = tuple[int, ...]
"""Field numbers that lead from a message to a field of it."""
Mutation = Callable[[bytes, Random], bytes]


def varint(value: int) -> bytes:
    """A number of at least 0, of any length: readers take 64 bits."""
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*written, value])


def tag(number: int, wire_type: int) -> bytes:
    return varint(number << 3 | wire_type)


def field(path: Path, content: bytes) -> bytes:
    """A length-delimited field, inside the messages that lead to it. Behind another message it is merged into that."""
    for number in reversed(path):
        content = tag(number, LENGTH) + varint(len(content)) + content
    return content


def text_fields(message: Descriptor, path: Path = ()) -> Iterator[tuple[str, Path]]:
    """Every text of a message and of those inside it: its name, such as ``context.issued``, and its path."""
    for known in message.fields:
        here = (*path, known.number)
        if known.type == FieldDescriptor.TYPE_STRING:
            yield known.name, here
        elif known.message_type is not None:
            yield from ((f"{known.name}.{name}", below) for name, below in text_fields(known.message_type, here))


def flip_bits(data: bytes, random: Random) -> bytes:
    changed = bytearray(data or b"\0")
    for _ in range(random.choice((1, 1, 2, 8, 64))):
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def truncate(data: bytes, random: Random) -> bytes:
    return data[: random.randrange(len(data) + 1)]


def cut_out(data: bytes, random: Random) -> bytes:
    start = random.randrange(len(data) + 1)
    return data[:start] + data[start + random.randrange(1, 9) :]


def insert_noise(data: bytes, random: Random) -> bytes:
    start = random.randrange(len(data) + 1)
    return data[:start] + random.randbytes(random.choice((1, 2, 5, 50))) + data[start:]


def repeat_a_part(data: bytes, random: Random) -> bytes:
    start = random.randrange(len(data) + 1)
    return data[:start] + data[start : start + random.randrange(1, 40)] * random.choice((2, 10, 1000)) + data[start:]


def wrong_wire_type(data: bytes, random: Random) -> bytes:
    """A known field, as another type than its own."""
    number, wire_type = random.randrange(1, 14), random.choice((VARINT, FIXED64, START_GROUP, FIXED32, 6, 7))
    return data + tag(number, wire_type) + random.randbytes(random.choice((0, 1, 4, 8, 20)))


def huge_varint(data: bytes, random: Random) -> bytes:
    """In the place of a number, at the limits of 32 and 64 bits, and longer than any."""
    number = random.randrange(1, 14)
    value = random.choice((1 << 31, (1 << 31) - 1, 1 << 32, 1 << 63, (1 << 64) - 1, 1 << 69, 1 << 200, 0))
    written = varint(value) if random.random() < 0.8 else b"\x80" * random.randrange(1, 12) + b"\0"
    inner = tag(number, VARINT) + written
    return data + random.choice((inner, field((random.randrange(1, 8),), inner), field((2, 5), inner)))


def any_double(data: bytes, random: Random) -> bytes:
    """In the place of a number with a fraction: infinities, no number, the largest, the least, or any bits."""
    bits = random.choice((0x7FF0 << 48, 0xFFF0 << 48, 0x7FF8 << 48, (0x7FF0 << 48) - 1, 1, random.getrandbits(64)))
    inner = tag(random.randrange(1, 9), FIXED64) + bits.to_bytes(8, "little")
    return data + random.choice((inner, field((5,), inner), field((1, 5), inner), field((2, 5), inner)))


def many_fields(data: bytes, random: Random) -> bytes:
    """A field by the thousand."""
    path = tuple(random.randrange(1, 14) for _ in range(random.choice((1, 2, 3))))
    one = field(path, random.choice((b"", b"a", b"\xff", "派1台".encode(), random.randbytes(20))))
    return data + one * random.choice((100, 1000, 20_000))


def nest(data: bytes, random: Random) -> bytes:
    """Messages within messages, or groups within groups, deeper than any reader goes."""
    depth = random.choice((10, 99, 100, 101, 5000))
    number = random.randrange(1, 14)
    if random.random() < 0.3:
        return data + tag(number, START_GROUP) * depth + tag(number, END_GROUP) * random.choice((depth, depth - 1, 0))
    return data + field((number,) * min(depth, 300), b"")


def not_utf8(data: bytes, random: Random) -> bytes:
    wrong = random.choice((b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe6\x95", b"\x80" * 500))
    path = tuple(random.randrange(1, 14) for _ in range(random.choice((1, 1, 2, 3))))
    return data + field(path, b"ab" + wrong) * random.choice((1, 1, 1, 2000))


def unknown_field(data: bytes, random: Random) -> bytes:
    number = random.choice((15, 16, 999, 19_000, LARGEST_FIELD, LARGEST_FIELD + 1, 0, 1 << 40))
    return field((number,), random.randbytes(random.choice((0, 10, 10_000)))) + data


def wrong_length(data: bytes, random: Random) -> bytes:
    """A field that claims more than there is."""
    return data + tag(random.randrange(1, 14), LENGTH) + varint(random.choice((1, 100, 1 << 31, 1 << 32, 1 << 63)))


def replace_by_noise(data: bytes, random: Random) -> bytes:
    return random.randbytes(random.choice((0, 1, 2, 10, 100, 100_000)))


def unchanged(data: bytes, random: Random) -> bytes:
    return data


MUTATIONS: Mapping[str, Mutation] = {
    change.__name__: change
    for change in (
        flip_bits,
        truncate,
        cut_out,
        insert_noise,
        repeat_a_part,
        wrong_wire_type,
        huge_varint,
        any_double,
        many_fields,
        nest,
        not_utf8,
        unknown_field,
        wrong_length,
        replace_by_noise,
        unchanged,
    )
}
