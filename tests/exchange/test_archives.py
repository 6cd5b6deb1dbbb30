import io
import random
import stat
import struct
import tracemalloc
import zipfile
import zlib

import pytest

from hematovision.errors import (
    ArchiveDamagedError,
    ArchiveTooLargeError,
    EntryDamagedError,
    EntryEncryptedError,
    EntryIsLinkError,
    EntryNameError,
    EntryNestedError,
    EntryOverlapsError,
    EntrySquashedError,
    EntryUnsupportedError,
    FileTooLargeError,
    HematoVisionError,
    TooManyEntriesError,
)
from hematovision.exchange.archives import (
    DIRECTORY_BYTES,
    MOST_TIMES,
    UNMEASURED,
    Entry,
    Limits,
    is_archive,
    read_archive,
)

LIMITS = Limits(entries=50, entry_bytes=2**23, bytes=2**24)
NOISE = random.Random(4).randbytes(3000)  # noqa: S311 - nothing secret
CENTRAL, LOCAL, END = b"PK\1\2", b"PK\3\4", b"PK\5\6"


def packed(*files: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Pack files in order, also under one name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files:
            archive.writestr(zipfile.ZipInfo(name), content, compress_type=method)
    return buffer.getvalue()


def unpacked(archive: bytes, limits: Limits = LIMITS) -> list[Entry]:
    return list(read_archive(io.BytesIO(archive), limits))


def failures(archive: bytes, limits: Limits = LIMITS) -> list[type[HematoVisionError] | None]:
    return [type(entry.failure) if entry.failure else None for entry in unpacked(archive, limits)]


def patched(archive: bytes, signature: bytes, offset: int, value: bytes) -> bytes:
    """Write something else into the first record of a kind."""
    place = archive.index(signature) + offset
    return archive[:place] + value + archive[place + len(value) :]


def renamed(archive: bytes, name: bytes) -> bytes:
    """Give the entry `0.jpg` another name of five bytes, in both places."""
    assert len(name) == 5
    return archive.replace(b"0.jpg", name)


def test_pictures_come_in_order_and_what_is_none_is_left_out() -> None:
    archive = packed(
        ("film/", b""),
        ("film/2.JPG", b"two"),
        ("film/notes.txt", b"no picture"),
        ("film/10.tif", b"ten"),
        ("__MACOSX/film/._2.JPG", b"of macOS"),
        ("film/Thumbs.db", b""),
    )
    assert unpacked(archive) == [
        Entry("film/2.JPG", b"two"),
        Entry("film/notes.txt"),
        Entry("film/10.tif", b"ten"),
        Entry("__MACOSX/film/._2.JPG"),
        Entry("film/Thumbs.db"),
    ]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_files_of_one_name_are_two_files() -> None:
    assert [entry.content for entry in unpacked(packed(("a.jpg", b"one"), ("a.jpg", b"two")))] == [
        b"one",
        b"two",
    ]


def test_entry_of_zip64_is_read() -> None:
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(buffer, "w") as archive,
        archive.open("a.jpg", "w", force_zip64=True) as entry,
    ):
        entry.write(NOISE)
    assert unpacked(buffer.getvalue()) == [Entry("a.jpg", NOISE)]


def test_archive_behind_other_bytes_is_read() -> None:
    assert unpacked(b"a program that unpacks itself" + packed(("a.jpg", NOISE))) == [
        Entry("a.jpg", NOISE)
    ]


@pytest.mark.parametrize(
    ("start", "is_one"),
    [
        pytest.param(packed(("a.jpg", b"")), True, id="zip"),
        pytest.param(packed(), True, id="empty zip"),
        pytest.param(b"\xff\xd8\xff", False, id="jpeg"),
        pytest.param(b"", False, id="empty"),
    ],
)
def test_archive_is_told_by_its_start(start: bytes, is_one: bool) -> None:
    stream = io.BytesIO(start)
    assert is_archive(stream) == is_one
    assert stream.tell() == 0


def mode(kind: int) -> bytes:
    return struct.pack("<I", (kind | 0o644) << 16)


@pytest.mark.parametrize(
    ("bad", "failure"),
    [
        pytest.param(renamed(packed(("0.jpg", b"x")), b"/.jpg"), EntryNameError, id="absolute"),
        pytest.param(packed(("../a.jpg", b"x")), EntryNameError, id="up"),
        pytest.param(packed(("film/../../a.jpg", b"x")), EntryNameError, id="up in the middle"),
        pytest.param(packed(("C:/a.jpg", b"x")), EntryNameError, id="drive"),
        pytest.param(packed(("C:a.jpg", b"x")), EntryNameError, id="drive without slash"),
        pytest.param(packed(("film\\a.jpg", b"x")), EntryNameError, id="backslash"),
        pytest.param(renamed(packed(("0.jpg", b"x")), b"\0.jpg"), EntryNameError, id="NUL"),
        pytest.param(renamed(packed(("0.jpg", b"x")), b"\n.jpg"), EntryNameError, id="line"),
        pytest.param(packed(("a.zip", b"x")), EntryNestedError, id="nested by name"),
        pytest.param(packed(("a.tar.gz", b"x")), EntryNestedError, id="nested tar"),
        pytest.param(
            packed(("a.jpg", packed(("b.jpg", b"x")))), EntryNestedError, id="nested by content"
        ),
        pytest.param(
            patched(packed(("a.jpg", b"x")), CENTRAL, 38, mode(stat.S_IFLNK)),
            EntryIsLinkError,
            id="link",
        ),
        pytest.param(
            patched(packed(("a.jpg", b"x")), CENTRAL, 38, mode(stat.S_IFCHR)),
            EntryIsLinkError,
            id="device",
        ),
        pytest.param(
            patched(packed(("a.jpg", b"x")), CENTRAL, 8, b"\1\0"), EntryEncryptedError, id="secret"
        ),
        pytest.param(
            packed(("a.jpg", NOISE), method=zipfile.ZIP_LZMA), EntryUnsupportedError, id="method"
        ),
        pytest.param(
            patched(packed(("a.jpg", NOISE)), CENTRAL, 10, b"\x63\0"),
            EntryUnsupportedError,
            id="method of WinZip's encryption",
        ),
        pytest.param(
            patched(packed(("a.jpg", NOISE)), LOCAL, 200, b"torn"), EntryDamagedError, id="torn"
        ),
        pytest.param(
            patched(packed(("a.jpg", NOISE)), LOCAL, 0, b"XXXX"), EntryDamagedError, id="no header"
        ),
        pytest.param(
            patched(packed(("a.jpg", NOISE)), LOCAL, 30, b"b"), EntryDamagedError, id="two names"
        ),
        pytest.param(
            patched(packed(("a.jpg", NOISE)), CENTRAL, 24, struct.pack("<I", 2999)),
            EntryDamagedError,
            id="longer than it says",
        ),
        pytest.param(
            patched(packed(("a.jpg", NOISE)), CENTRAL, 24, struct.pack("<I", 2**32 - 2)),
            EntryDamagedError,
            id="shorter than it says",
        ),
        pytest.param(
            patched(packed(("a.jpg", NOISE)), CENTRAL, 42, struct.pack("<I", 2**31)),
            EntryOverlapsError,
            id="beyond the end",
        ),
    ],
)
def test_bad_entry_is_refused_by_name_and_stops_no_other(
    bad: bytes, failure: type[HematoVisionError]
) -> None:
    assert failures(bad) == [failure]
    assert failures(joined(bad, packed(("good.jpg", NOISE)))) == [failure, None]


def joined(*archives: bytes) -> bytes:
    """Put archives of one entry each into one, byte by byte."""
    bodies, directory, start = b"", b"", 0
    for archive in archives:
        cut, end = archive.index(CENTRAL), archive.rindex(END)
        entry = bytearray(archive[cut:end])
        (offset,) = struct.unpack_from("<I", entry, 42)
        struct.pack_into("<I", entry, 42, offset + start)
        bodies, directory, start = bodies + archive[:cut], directory + entry, start + cut
    count = len(archives)
    return (
        bodies
        + directory
        + struct.pack("<4s4H2IH", END, 0, 0, count, count, len(directory), len(bodies), 0)
    )


def test_file_that_grows_too_far_is_refused_while_it_is_read() -> None:
    bomb = packed(("a.jpg", bytes(2**23)), ("b.jpg", NOISE))
    assert len(bomb) * MOST_TIMES < 2**23
    assert failures(bomb) == [EntrySquashedError, None]


def test_little_may_grow_as_far_as_it_will() -> None:
    assert failures(packed(("a.bmp", bytes(UNMEASURED)))) == [None]


def test_bomb_that_lies_about_its_size_fills_no_memory() -> None:
    bomb = patched(packed(("a.jpg", bytes(2**27))), CENTRAL, 24, struct.pack("<I", 2**31))
    tracemalloc.start()
    try:
        assert failures(bomb, Limits(1, 2**31, 2**31)) == [EntrySquashedError]
        assert tracemalloc.get_traced_memory()[1] < 2**25 + 2 * MOST_TIMES * len(bomb)
    finally:
        tracemalloc.stop()


def test_file_over_the_limit_is_refused_alone() -> None:
    limits = Limits(entries=9, entry_bytes=2999, bytes=2**20)
    assert failures(packed(("a.jpg", NOISE), ("b.jpg", b"x")), limits) == [FileTooLargeError, None]


def test_behind_the_limit_of_all_together_nothing_is_read() -> None:
    limits = Limits(entries=9, entry_bytes=2**20, bytes=7000)
    files = [(f"{number}.jpg", NOISE) for number in range(4)]
    late = [ArchiveTooLargeError, ArchiveTooLargeError]
    assert failures(packed(*files), limits) == [None, None, *late]


def test_what_is_refused_counts_as_well() -> None:
    large = packed(("a.jpg", 99 * NOISE), method=zipfile.ZIP_STORED)
    torn = patched(large, LOCAL, 99 * len(NOISE), b"torn")
    limits = Limits(entries=9, entry_bytes=2**20, bytes=2**18)
    archive = joined(torn, packed(("b.jpg", NOISE)))
    assert failures(archive, limits) == [EntryDamagedError, ArchiveTooLargeError]


def test_more_files_than_are_read_refuse_the_whole() -> None:
    files = [(f"{number}.txt", b"") for number in range(51)]
    with pytest.raises(TooManyEntriesError):
        unpacked(packed(*files))
    assert len(unpacked(packed(*files[:50]))) == 50


def test_directory_of_millions_is_refused_before_it_is_read() -> None:
    entry = packed(("a", b""))
    cut, end = entry.index(CENTRAL), entry.rindex(END)
    count = (LIMITS.entries * DIRECTORY_BYTES + 2**18) // (end - cut)
    many = entry[:cut] + count * entry[cut:end]
    many += struct.pack("<4s4H2IH", END, 0, 0, 65535, 65535, count * (end - cut), cut, 0)
    with pytest.raises(TooManyEntriesError):
        unpacked(many)


def overlapping(count: int) -> bytes:
    """Let many entries share one body, as the bombs of Fifield do."""
    entry = packed(("0.jpg", NOISE))
    cut, end = entry.index(CENTRAL), entry.rindex(END)
    directory = count * entry[cut:end]
    return (
        entry[:cut]
        + directory
        + struct.pack("<4s4H2IH", END, 0, 0, count, count, len(directory), cut, 0)
    )


def test_files_that_share_their_bytes_are_refused() -> None:
    assert failures(overlapping(40)) == 40 * [EntryOverlapsError]


def test_file_that_quotes_the_header_of_the_next_is_refused() -> None:
    inner = packed(("b.jpg", b"x"), method=zipfile.ZIP_STORED)
    outer = packed(("a.jpg", inner[: inner.index(CENTRAL)]), method=zipfile.ZIP_STORED)
    inside = bytearray(inner[inner.index(CENTRAL) : inner.rindex(END)])
    struct.pack_into("<I", inside, 42, 30 + len("a.jpg"))
    cut, end = outer.index(CENTRAL), outer.rindex(END)
    directory = outer[cut:end] + inside
    quoted = outer[:cut] + directory
    quoted += struct.pack("<4s4H2IH", END, 0, 0, 2, 2, len(directory), cut, 0)
    assert failures(quoted) == [EntryOverlapsError, None]


@pytest.mark.parametrize(
    "archive",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"PK\3\4", id="start alone"),
        pytest.param(packed(("a.jpg", NOISE))[:-30], id="cut off"),
        pytest.param(
            patched(packed(("a.jpg", NOISE)), CENTRAL, 0, b"XXXX"), id="directory is none"
        ),
        pytest.param(
            patched(packed(("a.jpg", NOISE)), END, 12, struct.pack("<I", 2**31 - 1)),
            id="directory of another length",
        ),
        pytest.param(
            patched(packed(("ä.jpg", NOISE)), CENTRAL, 46, b"\xff"), id="name that is no UTF-8"
        ),
    ],
)
def test_broken_directory_refuses_the_whole(archive: bytes) -> None:
    with pytest.raises((ArchiveDamagedError, TooManyEntriesError)):
        unpacked(archive)


def check(archive: bytes, originals: set[bytes]) -> None:
    """Read whatever this is: nothing but named failures, and nothing beyond the limits."""
    try:
        entries = unpacked(archive)
    except HematoVisionError:
        return
    assert len(entries) <= LIMITS.entries
    contents = [entry.content for entry in entries if entry.content is not None]
    assert sum(map(len, contents)) <= LIMITS.bytes
    for content in contents:
        assert content in originals or zlib.crc32(content) in map(zlib.crc32, originals)


@pytest.mark.parametrize("seed", range(8))
def test_whatever_is_broken_is_refused_by_name(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - nothing secret
    files = [(f"{number}.jpg", NOISE[: 100 * number]) for number in range(1, 6)]
    archive = packed(*files, method=chance.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
    directory = archive.index(CENTRAL)
    for _ in range(300):
        broken = bytearray(archive)
        for _ in range(chance.randint(1, 4)):
            # Mostly where the archive speaks of itself: a torn picture is found by its checksum.
            start = directory if chance.random() < 0.8 else 0
            broken[chance.randrange(start, len(broken))] = chance.randrange(256)
        cut = chance.randrange(len(broken)) if chance.random() < 0.2 else len(broken)
        check(bytes(broken[:cut]), {content for _, content in files} | {b""})


def test_empty_zip_holds_nothing() -> None:
    empty = io.BytesIO()
    zipfile.ZipFile(empty, "w").close()
    assert list(read_archive(empty, LIMITS)) == []
