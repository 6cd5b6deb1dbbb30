"""Moves that overwrite nothing, and names that no two files have."""

import os
from pathlib import Path, PurePath

LONGEST_NAME = 255
"""Bytes of a name that file systems take."""


def link(place: Path, target: Path) -> bool:
    """Give a file a second name; False where it is taken, or names cannot be given so."""
    try:
        os.link(place, target, follow_symlinks=False)
    except FileExistsError:
        # Whoever was killed after this very step has given it that name.
        return is_same(place, target)
    except (OSError, NotImplementedError):
        return False
    return True


def is_same(place: Path, target: Path) -> bool:
    """Tell whether two names are of one file."""
    try:
        one, other = place.lstat(), target.lstat()
    except FileNotFoundError:
        return False
    return (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino) and one.st_ino != 0


def write_note(note: Path, words: str) -> None:
    """Write a text anew; a link of its name is not followed."""
    note.unlink(missing_ok=True)
    with note.open("x", encoding="utf-8") as file:
        file.write(f"{words}\n")


def own_name(path: PurePath, claim: str) -> str:
    """Give a name that no other file has, which begins as that of the file as far as it fits."""
    suffix = path.suffix
    stem = path.stem.encode("utf-8", "surrogateescape")
    room = LONGEST_NAME - len(f"-{claim}{suffix}.txt".encode("utf-8", "surrogateescape"))
    return f"{stem[:room].decode('utf-8', 'ignore')}-{claim}{suffix}"


def note_name(name: str) -> str:
    """Say how the text beside a file is called."""
    room = LONGEST_NAME - len(".txt")
    return name.encode("utf-8", "surrogateescape")[:room].decode("utf-8", "ignore") + ".txt"
