"""Read photos with networks on a server, and in the process while that does not answer."""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from hematovision.cells import (
    Engine,
    ModelIdentity,
    Reading,
    RgbImage,
    Said,
)
from hematovision.errors import InferenceAwayError, InferenceWrongError
from hematovision.observing.signals import Signal, happened
from hematovision.vision.attempts import Line
from hematovision.vision.engines import EngineUnusableError
from hematovision.vision.open_inference import CLASSIFIER_OUTPUTS, LOCATOR_OUTPUTS, served_as
from hematovision.vision.reader import ATTRIBUTES, PhotoReader, load_reader, read_folder
from hematovision.vision.remote import HttpServer, InferenceServer
from hematovision.vision.remote_network import (
    MOST_OF_BOXES,
    MOST_OF_CELLS,
    RemoteNetwork,
    expect_cells,
    expect_views,
)

CHECK_SECONDS = 2.0
"""So long a server may take to say that it is ready."""

log = logging.getLogger(__name__)


class Remote(NamedTuple):
    """Where the server is, and how it is spoken to.

    Attributes:
        url: Its address.
        seconds: So long one attempt may take.
        token_file: Holds the token that it is shown.
    """

    url: str
    seconds: float = 10.0
    token_file: Path | None = None


@dataclass(frozen=True, slots=True, eq=False)
class RemoteReader:
    """Reads photos with networks on a server, or in the process while nobody answers.

    A photo is read by one of them from its first view to its last cell.

    Attributes:
        reader: With the networks on the server.
        locator: One of them.
        classifier: The other.
        local: Gives a reader in the process; None where there is to be none.
    """

    reader: PhotoReader
    locator: RemoteNetwork
    classifier: RemoteNetwork
    local: "Standby | None" = None

    @property
    def model(self) -> ModelIdentity:
        """Say which model reads."""
        return self.reader.model

    def read(self, photo: RgbImage, *, explain: bool = False) -> Sequence[Reading]:
        """Find and name every white cell.

        Args:
            photo: Shape (height, width, 3), RGB, uint8, 0-255.
            explain: Whether to say as well where each answer comes from, if the network can.

        Returns:
            One reading a cell, from top to bottom, with the engine that read.

        Raises:
            InferenceAwayError: If nobody answers, and nobody reads in the server's place.
            InferenceWrongError: If what is answered is no answer of this model, the same.
        """
        try:
            with self.locator.line.one_photo():
                return Said(self.reader.read(photo, explain=explain), Engine.REMOTE)
        except (InferenceAwayError, InferenceWrongError):
            if self.local is None:
                raise
        happened(Signal.INFERENCE_FALLBACK)
        return Said(self.local.get().read(photo, explain=explain), Engine.FALLBACK)

    def check(self) -> None:
        """Insist that the server has both networks and would run them.

        Raises:
            NoAnswerError: If it does not.
        """
        for network in (self.classifier, self.locator):
            network.check(seconds=CHECK_SECONDS)


@dataclass(slots=True)
class Standby:
    """Loads a model into the process when it is needed first, and keeps it.

    Attributes:
        folder: Of the model.
        threads: That one inference may use; 0 takes every core.
    """

    folder: Path
    threads: int = 0
    _reader: PhotoReader | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self) -> PhotoReader:
        """Give the reader.

        Raises:
            ModelDamagedError: If a file of the folder is not the one that was shipped.
        """
        with self._lock:
            if self._reader is None:
                log.warning("The inference server does not answer; its model reads here")
                self._reader = load_reader(self.folder, threads=self.threads)
            return self._reader


def load_remote_reader(
    folder: Path, *, remote: Remote, fallback: bool = False, threads: int = 0
) -> RemoteReader:
    """Open a model folder, whose networks run on a server; the server is not asked yet.

    Args:
        folder: The model folder; without its networks nobody could say which model is to be asked.
        remote: Where they run.
        fallback: Whether they run in the process while nobody answers.
        threads: Threads that one inference in the process may use; 0 takes every core.

    Raises:
        ModelMissingError: If there is no whole model folder.
        ModelDamagedError: If a file of it is not the one that was shipped.
        EngineUnusableError: If that needs what is not installed.
    """
    bundle, knower = read_folder(folder)
    server, line = open_line(remote)
    served = served_as(bundle.identity.sha256)
    attributes = sum(map(len, bundle.morphology.values()))
    classifier = RemoteNetwork(
        server,
        line,
        served.classifier,
        CLASSIFIER_OUTPUTS,
        expect_cells(len(bundle.classes), knower.middle.size if knower else None, attributes),
        MOST_OF_CELLS,
        known=ATTRIBUTES + 1 if bundle.morphology else None,
    )
    locator = RemoteNetwork(
        server,
        line,
        served.locator,
        LOCATOR_OUTPUTS,
        expect_views,
        MOST_OF_BOXES,
        known=len(LOCATOR_OUTPUTS),
    )
    reader = PhotoReader(bundle, locator=locator, classifier=classifier, knower=knower)
    standby = Standby(folder, threads) if fallback else None
    return RemoteReader(reader, locator, classifier, standby)


@cache
def open_line(remote: Remote) -> tuple[InferenceServer, Line]:
    """Open the way to a server, one for all models and threads of the process."""
    if urlsplit(remote.url).scheme in {"http", "https"}:
        return HttpServer(remote.url, remote.token_file), Line(remote.seconds)
    try:
        from hematovision.vision.remote_grpc import GrpcServer

        return GrpcServer(remote.url, remote.token_file), Line(remote.seconds)
    except ImportError as error:
        raise EngineUnusableError(
            "HEMATOVISION_INFERENCE_URL with grpc:// needs gRPC: pip install 'hematovision[grpc]'"
        ) from error
