"""What is done to a sound file: bits, bytes, lengths, parts, and the fields of headers."""

import random
import re
import struct
import zlib
from collections.abc import Callable, Sequence

from fuzzing.seeds import chunk

NUMBERS = (0, 1, 2, 3, 4, 7, 8, 16, 31, 32, 33, 127, 128, 255, 256, 4096, 32767, 32768, 65535)
LARGE = (65536, 10**6, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
TAGS = (256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 284, 317, 320, 322, 323, 324, 325)
TAGS += (330, 338, 339, 347, 513, 514, 529, 530, 531, 532, 700, 34675, 34665)
NAMES = (b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"iCCP", b"zTXt", b"iTXt", b"eXIf", b"acTL")
NAMES += (b"fcTL", b"fdAT", b"gAMA", b"cHRM", b"pHYs", b"sRGB", b"tEXt")
BITMAP = {"<I": (2, 10, 14, 18, 30, 34, 46, 54, 58, 62, 66), "<i": (22,), "<H": (26, 28)}
FIELDS = [(form, place) for form, places in BITMAP.items() for place in places]
FOURS = (b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP", b"EXIF", b"XMP ")
RECORD = rb"PK(?:\x01\x02|\x03\x04|\x05\x06|\x06\x06|\x07\x08)"

Mutation = Callable[[random.Random, bytearray], bytearray]


def mutate(chance: random.Random, files: Sequence[bytes]) -> bytes:
    """Change one of some files, a little or a lot."""
    data = bytearray(chance.choice(files))
    if chance.random() < 0.05:
        data = _splice(chance, data, chance.choice(files))
    for _ in range(1 + min(int(chance.expovariate(0.7)), 8)):
        if chance.random() < 0.5:
            data = chance.choice(PLAIN)(chance, data)
        else:
            data = change_structure(chance, data)
    return bytes(data)


def change_structure(chance: random.Random, data: bytearray) -> bytearray:
    """Change a part of a file that its format knows."""
    for start, change in STRUCTURES:
        if data.startswith(start):
            return change(chance, data)
    return _number(chance, data)


def _place(chance: random.Random, data: bytearray) -> int:
    """Choose a place; headers stand in front."""
    end = len(data) if chance.random() < 0.5 else min(len(data), 200)
    return chance.randrange(end) if end else 0


def _flip(chance: random.Random, data: bytearray) -> bytearray:
    for _ in range(chance.choice((1, 1, 2, 8, 64))):
        if data:
            data[_place(chance, data)] ^= 1 << chance.randrange(8)
    return data


def _byte(chance: random.Random, data: bytearray) -> bytearray:
    if data:
        data[_place(chance, data)] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
    return data


def _number(chance: random.Random, data: bytearray) -> bytearray:
    place, form = _place(chance, data), chance.choice(("<H", ">H", "<I", ">I", "<Q", ">Q"))
    size = struct.calcsize(form)
    number = chance.choice(NUMBERS + LARGE) % 2 ** (8 * size)
    data[place : place + size] = struct.pack(form, number)
    return data


def _cut(chance: random.Random, data: bytearray) -> bytearray:
    return data[: chance.randrange(len(data) + 1)]


def _remove(chance: random.Random, data: bytearray) -> bytearray:
    place = _place(chance, data)
    del data[place : place + 1 + int(chance.expovariate(0.05))]
    return data


def _repeat(chance: random.Random, data: bytearray) -> bytearray:
    place = _place(chance, data)
    part = data[place : place + 1 + int(chance.expovariate(0.02))]
    data[place:place] = part * chance.choice((1, 1, 2, 50))
    return data


def _insert(chance: random.Random, data: bytearray) -> bytearray:
    place = _place(chance, data)
    noise = chance.randbytes(1 + int(chance.expovariate(0.05)))
    data[place:place] = chance.choice((noise, bytes(len(noise)), b"\xff" * len(noise)))
    return data


def _swap(chance: random.Random, data: bytearray) -> bytearray:
    one, other, size = _place(chance, data), _place(chance, data), chance.randrange(1, 64)
    first, second = data[one : one + size], data[other : other + size]
    data[one : one + size], data[other : other + size] = second, first
    return data


def _splice(chance: random.Random, data: bytearray, other: bytes) -> bytearray:
    return data[: _place(chance, data)] + other[_place(chance, bytearray(other)) :]


PLAIN: Sequence[Mutation] = (_flip, _flip, _byte, _number, _number, _cut, _remove, _repeat)
PLAIN = (*PLAIN, _insert, _swap)


def _jpeg(chance: random.Random, data: bytearray) -> bytearray:
    """Change a segment: its kind, its length, what is in it, or how often it is there."""
    starts = [found.start() for found in re.finditer(rb"\xff[\xc0-\xfe]", data)]
    if not starts:
        return _flip(chance, data)
    place = chance.choice(starts)
    kind = chance.randrange(5)
    if kind == 0:
        data[place + 1 : place + 2] = bytes([chance.randrange(0xC0, 0xFF)])
    elif kind == 1:
        data[place + 2 : place + 4] = struct.pack(">H", chance.choice(NUMBERS))
    elif kind == 2:
        frame = re.search(rb"\xff[\xc0-\xc2]", data)
        if frame:
            field = frame.start() + chance.randrange(4, 19)
            data[field : field + 1] = bytes([chance.choice((0, 1, 2, 3, 4, 8, 16, 17, 255))])
    else:
        end = min((start for start in starts if start > place), default=len(data))
        segment = data[place:end]
        del data[place : end if kind == 3 else place]
        other = chance.choice(starts)
        data[other:other] = segment * chance.choice((1, 1, 3, 70))
    return data


def _png(chance: random.Random, data: bytearray) -> bytearray:
    """Change a chunk and write a checksum that fits, so that somebody looks at it."""
    chunks, place = [], 8
    while place + 12 <= len(data):
        length = int.from_bytes(data[place : place + 4])
        chunks.append((bytes(data[place + 4 : place + 8]), bytes(data[place + 8 :][:length])))
        place += 12 + length
    if not chunks:
        return _flip(chance, data)
    at = chance.randrange(len(chunks))
    name, body = chunks[at]
    kind = chance.randrange(6)
    if kind == 0:
        chunks[at] = (chance.choice(NAMES), body)
    elif kind == 1:
        chunks.insert(chance.randrange(len(chunks) + 1), chunks.pop(at))
    elif kind == 2:
        chunks[at:at] = [chunks[at]] * chance.choice((1, 2, 40))
    elif kind == 3 and name == b"IDAT":
        body = bytes(chance.choice(PLAIN)(chance, bytearray(_inflated(body))))
        chunks[at] = (name, zlib.compress(body))
    else:
        chunks[at] = (name, bytes(chance.choice(PLAIN)(chance, bytearray(body))))
    written = bytearray(data[:8] + b"".join(chunk(*one) for one in chunks))
    if chance.random() < 0.1:
        return _number(chance, written)
    return written


def _inflated(body: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(body, 2**20)
    except zlib.error:
        return body


def _tiff(chance: random.Random, data: bytearray) -> bytearray:
    """Change an entry of the first directory: its tag, kind, number or value."""
    order = "<" if data[:1] == b"I" else ">"
    if data[2:3] == b"+" or data[3:4] == b"+" or len(data) < 8:
        return _number(chance, data)
    (start,) = struct.unpack_from(order + "I", data, 4)
    if start + 2 > len(data):
        return _number(chance, data)
    (entries,) = struct.unpack_from(order + "H", data, start)
    place = start + 2 + 12 * chance.randrange(max(1, min(entries, 40)))
    kind = chance.randrange(6)
    if kind == 0:
        data[place : place + 2] = struct.pack(order + "H", chance.choice(TAGS))
    elif kind == 1:
        data[place + 2 : place + 4] = struct.pack(order + "H", chance.randrange(20))
    elif kind == 2:
        data[place + 4 : place + 8] = struct.pack(order + "I", chance.choice(NUMBERS + LARGE))
    elif kind == 3:
        data[start : start + 2] = struct.pack(order + "H", chance.choice(NUMBERS))
    else:
        number = chance.choice(NUMBERS + LARGE)
        short = struct.pack(order + "HH", number % 65536, 0)
        wide = struct.pack(order + "I", number)
        data[place + 8 : place + 12] = chance.choice((short, wide))
    return data


def _bmp(chance: random.Random, data: bytearray) -> bytearray:
    """Change a field of the two headers."""
    form, place = chance.choice(FIELDS)
    number = chance.choice((*NUMBERS, 24, 15, 40, 56, 64, 108, 124, 2**31 - 1, 10**6))
    signed = -number if form == "<i" and chance.random() < 0.5 else number
    size = struct.calcsize(form)
    data[place : place + size] = (signed % 2 ** (8 * size)).to_bytes(size, "little")
    return data


def _webp(chance: random.Random, data: bytearray) -> bytearray:
    """Change a chunk: its name, its length, or what stands at its beginning."""
    places, place = [], 12
    while place + 8 <= len(data):
        places.append(place)
        length = int.from_bytes(data[place + 4 : place + 8], "little")
        place += 8 + length + length % 2
    if not places:
        return _flip(chance, data)
    place = chance.choice(places)
    kind = chance.randrange(4)
    if kind == 0:
        data[place : place + 4] = chance.choice(FOURS)
    elif kind == 1:
        data[place + 4 : place + 8] = struct.pack("<I", chance.choice(NUMBERS + LARGE))
    elif kind == 2:
        inside = place + 8 + chance.randrange(20)
        data[inside : inside + 1] = bytes([chance.randrange(256)])
    else:
        data[place:place] = data[place : place + chance.randrange(8, 200)]
    if chance.random() < 0.7:
        data[4:8] = struct.pack("<I", max(0, len(data) - 8))
    return data


def _zip(chance: random.Random, data: bytearray) -> bytearray:
    """Change a field of a record."""
    starts = [found.start() for found in re.finditer(RECORD, data)]
    if not starts:
        return _flip(chance, data)
    place = chance.choice(starts) + chance.randrange(4, 46)
    form = chance.choice(("<H", "<I"))
    number = chance.choice(NUMBERS + LARGE) % 2 ** (8 * struct.calcsize(form))
    data[place : place + struct.calcsize(form)] = struct.pack(form, number)
    return data


STRUCTURES: Sequence[tuple[bytes, Mutation]] = (
    (b"\xff\xd8", _jpeg),
    (b"\x89PNG", _png),
    (b"II", _tiff),
    (b"MM", _tiff),
    (b"BM", _bmp),
    (b"RIFF", _webp),
    (b"PK", _zip),
)
