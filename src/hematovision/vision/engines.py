"""Where the networks run, as the settings say: in the process, or on a server."""

from functools import partial
from typing import Protocol, runtime_checkable

from hematovision.cells import CellReader, LoadReader
from hematovision.config import Settings
from hematovision.vision.reader import load_reader


class EngineUnusableError(Exception):
    """What the settings say of inference cannot be done here; the message says what to install."""


@runtime_checkable
class Depends(Protocol):
    """A reader that needs a server."""

    def check(self) -> None:
        """Insist that the server would do what is needed.

        Raises:
            NoAnswerError: If it would not.
        """
        ...


def engine_loader(settings: Settings) -> LoadReader:
    """Give what turns a model folder into a reader that reads where the settings say.

    Raises:
        EngineUnusableError: If that needs what is not installed.
    """
    if not settings.inference_url:
        return load_reader
    # It brings along more than a process needs that asks nobody.
    from hematovision.vision.remote_reader import Remote, load_remote_reader, open_line

    remote = Remote(
        settings.inference_url, settings.inference_seconds, settings.inference_token_file
    )
    open_line(remote)
    return partial(load_remote_reader, remote=remote, fallback=settings.inference_fallback)


def check_engine(reader: CellReader) -> None:
    """Insist that the server answers which a reader needs; of one that needs none, nothing.

    Raises:
        NoAnswerError: If it does not.
    """
    if isinstance(reader, Depends):
        reader.check()
