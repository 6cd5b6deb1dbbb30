"""The program of a decoder's process: decodes what it is handed, and knows nothing else.

It is started by `decoder_process` and imports Pillow, NumPy and the decoder. What it needs is
loaded before it is confined, for afterwards it opens no file.
"""

import mmap
import os
import signal
import socket
import sys

import numpy as np

# Pillow would load them at work.
from PIL import Image, ImageColor, ImagePalette, MpoImagePlugin  # noqa: F401

from hematovision.errors import HematoVisionError, ImageTooHeavyError
from hematovision.vision.confinement import confine
from hematovision.vision.decoder_messages import (
    ANSWER,
    BROKEN,
    CHECK,
    FINE,
    LONGEST,
    PIXELS,
    READY,
    REFUSED,
    REQUEST,
    pack_refusal,
)
from hematovision.vision.decoding import check_header, decode_image

CHANNEL, FILE, ERRORS = 0, 1, 2
"""The only open files of the process; the last is a hole."""
_MORE = 8
"""Numbers above those handed over that the start itself may have used."""


def answer(channel: socket.socket, file: int, shown: mmap.mmap, *, seconds: int) -> bool:
    """Do what is asked next.

    Args:
        channel: From where the question comes, and where the answer goes.
        file: Holds the bytes of the picture.
        shown: Takes the pixels.
        seconds: After so long the process ends itself, also where nobody is left to end it.

    Returns:
        False where nobody asks any more.
    """
    question = channel.recv(REQUEST.size, socket.MSG_WAITALL)
    if len(question) < REQUEST.size:
        return False
    signal.alarm(seconds)
    channel.sendall(_work(question, file, shown))
    signal.alarm(0)
    return True


def _work(question: bytes, file: int, shown: mmap.mmap) -> bytes:
    what, size, max_pixels = REQUEST.unpack(question)
    try:
        data = _read(file, size)
        if what == CHECK:
            check_header(data, max_pixels=max_pixels)
            return ANSWER.pack(FINE, 0, 0)
        photo = decode_image(data, max_pixels=max_pixels)
        np.frombuffer(shown, np.uint8, photo.size)[:] = photo.reshape(-1)
        return ANSWER.pack(PIXELS, *photo.shape[:2])
    except HematoVisionError as error:
        return _with_words(REFUSED, pack_refusal(error))
    except MemoryError:
        return _with_words(REFUSED, pack_refusal(ImageTooHeavyError.of_any()))
    except Exception as error:  # a bug of ours, which the one who asks puts on record
        return _with_words(BROKEN, _place_of(error).encode()[:LONGEST])


def _place_of(error: Exception) -> str:
    """Say what happened and where; never its message, which may hold bytes of the picture."""
    places = []
    step = error.__traceback__
    while step is not None:
        code = step.tb_frame.f_code
        places.append(f"{os.path.basename(code.co_filename)}:{step.tb_lineno} {code.co_name}")  # noqa: PTH119
        step = step.tb_next
    return f"{type(error).__name__} at {' > '.join(places)}"


def _with_words(what: bytes, words: bytes) -> bytes:
    return ANSWER.pack(what, len(words), 0) + words


def _read(file: int, size: int) -> bytes:
    blocks, place = [], 0
    while place < size and (block := os.pread(file, size - place, place)):
        blocks.append(block)
        place += len(block)
    return blocks[0] if len(blocks) == 1 else b"".join(blocks)


def main() -> None:
    """Take what was handed over, give up all else, and decode until nobody asks any more."""
    file, pixels, memory, seconds = map(int, sys.argv[1:])
    Image.preinit()
    shown = mmap.mmap(pixels, 0)
    os.dup2(file, FILE)
    # Until here what goes wrong is said; what libraries say of hostile bytes is heard by nobody.
    os.dup2(os.open(os.devnull, os.O_WRONLY), ERRORS)
    os.closerange(ERRORS + 1, max(file, pixels) + _MORE)
    confine(memory=memory, files=ERRORS + 1)
    with socket.socket(fileno=CHANNEL) as channel:
        channel.sendall(ANSWER.pack(READY, 0, 0))
        while answer(channel, FILE, shown, seconds=seconds):
            pass
    os._exit(0)


if __name__ == "__main__":
    main()
