"""The client: one method for each thing that the server does for programs."""

import os
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Self, TypeAlias
from urllib.parse import quote

from hematovision.client.connection import Connection, Files, check_address
from hematovision.client.documents import (
    Arrival,
    Case,
    Cell,
    ConflictError,
    Differential,
    Job,
    Listed,
    Model,
    Outcome,
    Photo,
    Reading,
    Review,
    Signature,
    Webhook,
    reading_or_error,
)
from hematovision.client.failures import ApiError, ClientError
from hematovision.client.folders import Read, Summary, read_all, read_folder

Picture: TypeAlias = str | Path | bytes
"""A file, by its path or as its bytes."""
POLL_SECONDS = 1.0
CHANGED = "changed_meanwhile"


class Client:
    """Speaks to a HematoVision server.

    Every request has a time limit. One that meets a busy server, or none, is tried again after a
    pause, as long as the server asks for; what is sent again is done once.
    """

    def __init__(
        self,
        url: str,
        token: str = "",
        *,
        timeout: float = 60.0,
        retries: int = 5,
        certificates: str | Path | None = None,
        plain: bool = False,
    ) -> None:
        """Say where the server is; nothing is sent yet.

        Args:
            url: Its address, such as `https://lab.example`.
            token: Of the program; made on the page "Programs" of an account.
            timeout: Seconds without a sign of the server after which a request is given up.
            retries: How often a request is tried again.
            certificates: A file with the authority of a laboratory's own certificates.
            plain: Whether a server beyond this machine may be spoken to without https.

        Raises:
            ValueError: If the address or the token can be none.
        """
        check_address(url, plain=plain)
        self._connection = Connection(
            url, token, timeout, retries, certificates=str(certificates) if certificates else None
        )

    @classmethod
    def from_environment(cls, **options: Any) -> Self:
        """Make a client of `HEMATOVISION_URL` and `HEMATOVISION_TOKEN`."""
        url = os.environ.get("HEMATOVISION_URL", "http://127.0.0.1:5000")
        return cls(url, os.environ.get("HEMATOVISION_TOKEN", ""), **options)

    def __repr__(self) -> str:
        """Say where the server is; never the token."""
        return f"Client({self._connection.url!r})"

    def __enter__(self) -> Self:
        """Keep connections open."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close them."""
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._connection.close()

    # The server.

    def health(self) -> bool:
        """Ask whether the server answers; it needs no token.

        Raises:
            UnreachableError: If it is not reached.
            ApiError: If it cannot serve now.
        """
        return bool(self._connection.get("/health")["status"] == "ok")

    def model(self) -> Model:
        """Ask which model reads photos now."""
        return Model.of(self._connection.get("/model"))

    # Readings.

    def read(self, picture: Picture, *, explain: bool = False) -> Reading:
        """Have a photo read.

        Args:
            picture: Its file, by its path or as its bytes.
            explain: Whether to say as well where each answer comes from.

        Raises:
            ApiError: If it cannot be read; the error says why.
            OSError: If there is no such file.
        """
        (read,) = self._read([_bytes_of(picture)], explain=explain)
        if isinstance(read, ApiError):
            raise read
        return read

    def read_many(
        self, paths: Iterable[str | Path], *, explain: bool = False
    ) -> Iterator[tuple[Path, Read]]:
        """Have photos read, several in a request; give each file and what became of it.

        One that cannot be read stops no other: its error is given in the place of its reading.
        """
        return read_all(map(Path, paths), lambda batch: self._read(batch, explain=explain))

    def read_folder(
        self,
        folder: str | Path,
        output: str | Path | None = None,
        *,
        recursive: bool = False,
        explain: bool = False,
        progress: bool = True,
    ) -> Summary:
        """Have the photos of a folder read, and write their readings into a file.

        What the file has already is skipped, so whoever was interrupted calls it again.

        Args:
            folder: Where the photos are.
            output: JSON lines, a reading each with its `path`; `readings.jsonl` in the folder
                unless it says otherwise.
            recursive: Whether the folders of the folder are searched too.
            explain: Whether to say as well where each answer comes from.
            progress: Whether to show a bar on a terminal.
        """
        place = Path(output) if output else Path(folder) / "readings.jsonl"
        return read_folder(
            Path(folder),
            place,
            lambda batch: self._read(batch, explain=explain),
            recursive=recursive,
            progress=progress,
        )

    def readings(self, **wanted: Any) -> Iterator[Listed]:
        """List readings, the newest first.

        Args:
            wanted: What they are found by: `accession`, `since`, `until`, `person`, `label`,
                `state`, `quick`, `model_version`; and `limit`, how many are fetched at once.
        """
        return map(Listed.of, self._connection.walk("/readings", **_plain(wanted)))

    def reading(self, reading_id: int) -> Reading:
        """Get a reading as it was recorded."""
        return Reading.of(self._connection.get(f"/readings/{int(reading_id)}"))

    # Photos that are read later.

    def submit(self, *pictures: Picture) -> Job:
        """Send photos that are read later; the answer comes at once."""
        files = _form([_bytes_of(picture) for picture in pictures])
        later = {"Prefer": "respond-async"}
        return Job.of(self._connection.post("/readings", files=files, headers=later))

    def job(self, job_id: int) -> Job:
        """Ask how far a job is."""
        return Job.of(self._connection.get(f"/jobs/{int(job_id)}"))

    def wait(self, job: Job | int, *, timeout: float | None = None) -> Job:
        """Wait until all photos of a job are read.

        Raises:
            TimeoutError: If they are not after so many seconds.
        """
        job_id = job if isinstance(job, int) else job.id
        end = None if timeout is None else time.monotonic() + timeout
        while not (now := self.job(job_id)).is_done:
            if end is not None and time.monotonic() >= end:
                raise TimeoutError(f"Of job {job_id} {now.done} of {now.total} photos are read.")
            self._connection.sleep(POLL_SECONDS)
        return now

    # Cases.

    def cases(self, *, state: str | None = None, q: str | None = None) -> Iterator[Case]:
        """Look for cases, the newest first.

        Args:
            state: `open`, `in_review`, `signed` or `amended`.
            q: Part of an accession number.
        """
        return map(Case.of, self._connection.walk("/cases", state=state, q=q))

    def case(self, case_id: int) -> Case:
        """Get a case."""
        return Case.of(self._connection.get(f"/cases/{int(case_id)}"))

    def find_case(self, accession: str) -> Case | None:
        """Find a case by its accession number, whatever its capitals."""
        wanted = " ".join(accession.split()).casefold()
        found = (case for case in self.cases(q=accession) if case.accession.casefold() == wanted)
        return next(found, None)

    def make_case(self, accession: str, note: str = "") -> Case:
        """Make a case.

        Raises:
            ApiError: If its number is taken (`accession_taken`) or can be none.
        """
        return Case.of(self._connection.post("/cases", {"accession": accession, "note": note}))

    def add_photos(self, case: Case | int, *pictures: Picture) -> Sequence[Arrival]:
        """Send photos, or ZIPs of photos, into a case; they are read in the background.

        What the case has already is not kept again.
        """
        files: Files = [("image", (_name_of(one), _bytes_of(one))) for one in pictures]
        answer = self._connection.post(f"/cases/{_id(case)}/photos", files=files)
        return [Arrival.of(one) for one in answer["photos"]]

    def wait_for_case(self, case: Case | int, *, timeout: float | None = None) -> Case:
        """Wait until no photo of a case waits to be read.

        Raises:
            TimeoutError: If one does after so many seconds.
        """
        end = None if timeout is None else time.monotonic() + timeout
        while not (now := self.case(_id(case))).is_read:
            if end is not None and time.monotonic() >= end:
                raise TimeoutError("Photos of the case still wait to be read.")
            self._connection.sleep(POLL_SECONDS)
        return now

    def photos(self, case: Case | int) -> Iterator[Photo]:
        """List the photos of a case, in the order they came."""
        return map(Photo.of, self._connection.walk(f"/cases/{_id(case)}/photos"))

    def image(self, case: Case | int, number: int) -> bytes:
        """Get a photo of a case as a JPEG."""
        return self._bytes(f"/cases/{_id(case)}/photos/{int(number)}/image")

    def cells(self, case: Case | int) -> Iterator[Cell]:
        """List the cells of a case, by number."""
        return map(Cell.of, self._connection.walk(f"/cases/{_id(case)}/cells"))

    def cell(self, case: Case | int, cell_id: int) -> Cell:
        """Get a cell."""
        return Cell.of(self._connection.get(f"/cases/{_id(case)}/cells/{int(cell_id)}"))

    def crop(self, case: Case | int, cell_id: int) -> bytes:
        """Get the picture of a cell, a JPEG."""
        return self._bytes(f"/cases/{_id(case)}/cells/{int(cell_id)}/crop")

    def review(self, case: Case | int, *reviews: Review) -> Sequence[Outcome]:
        """Say what cells are.

        Raises:
            ConflictError: If somebody else spoke of some of them since they were seen. What was
                said of the others is stored; its `outcomes` say of each what became of it.
            ApiError: If a label is none, or a cell is of another case; then nothing is stored.
        """
        said = [{"cell": one.cell, "label": one.label, "seen": one.seen} for one in reviews]
        try:
            answer = self._connection.post(f"/cases/{_id(case)}/reviews", {"reviews": said})
        except ApiError as error:
            if error.code == CHANGED and "reviews" in error.document:
                raise ConflictError.of(error.document, request_id=error.request_id) from error
            raise
        return [Outcome.of(one) for one in answer["reviews"]]

    def differential(self, case: Case | int) -> Differential:
        """Get the differential of a case as it stands now."""
        return Differential.of(self._connection.get(f"/cases/{_id(case)}/differential"))

    def signatures(self, case: Case | int) -> Iterator[Signature]:
        """List what was signed of a case, the oldest first."""
        return map(Signature.of, self._connection.walk(f"/cases/{_id(case)}/signatures"))

    # A case as it leaves the system.

    def report(self, case: Case | int, path: str | Path, *, version: int | None = None) -> Path:
        """Write the report of a case as a PDF.

        Args:
            case: The case.
            path: The file to write.
            version: Of the signature; zero for the case as it stands; the newest that holds
                unless it says otherwise.

        Returns:
            The file.
        """
        return self.save(case, "report.pdf", path, version=version)

    def save(
        self, case: Case | int, what: str, path: str | Path, *, version: int | None = None
    ) -> Path:
        """Write a document of a case: `report.pdf`, `cells.csv`, `workbook.xlsx` or `fhir`.

        The file is there when it is whole, and not before.
        """
        target = Path(path)
        draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
        address = f"/cases/{_id(case)}/{quote(what, safe='')}"
        try:
            with draft.open("xb") as file:
                file.writelines(self._connection.download(address, version=version))
            draft.replace(target)
        finally:
            with suppress(FileNotFoundError):
                draft.unlink()
        return target

    def fhir(self, case: Case | int, *, version: int | None = None) -> Mapping[str, Any]:
        """Get the report of a case as a FHIR R4 bundle."""
        bundle: Mapping[str, Any] = self._connection.get(
            f"/cases/{_id(case)}/fhir", version=version
        )
        return bundle

    # Webhooks.

    def webhooks(self) -> Iterator[Webhook]:
        """List which addresses are told what happens."""
        return map(Webhook.of, self._connection.walk("/webhooks"))

    def add_webhook(
        self, url: str, events: Sequence[str] = ("case.signed",), description: str = ""
    ) -> Webhook:
        """Add a webhook; its `secret` is in this answer and in no other."""
        wanted = {"url": url, "events": list(events), "description": description}
        return Webhook.of(self._connection.post("/webhooks", wanted))

    def test_webhook(self, webhook: Webhook | int) -> None:
        """Tell a webhook something that means nothing, to see whether it arrives."""
        self._connection.post(f"/webhooks/{_id(webhook)}/test")

    def remove_webhook(self, webhook: Webhook | int) -> None:
        """Delete a webhook."""
        self._connection.delete(f"/webhooks/{_id(webhook)}")

    def _read(self, batch: Sequence[bytes], *, explain: bool) -> Sequence[Reading | ApiError]:
        data = {"explain": "true"} if explain else None
        answer = self._connection.post("/readings", files=_form(batch), data=data)
        read = [reading_or_error(one) for one in answer["readings"]]
        found = [one for one in read if one is not None]
        if len(found) != len(batch):
            raise ClientError("The server answered for another number of photos.")
        return found

    def _bytes(self, path: str) -> bytes:
        return b"".join(self._connection.download(path))


def _id(thing: Case | Webhook | int) -> int:
    return int(thing) if isinstance(thing, int) else thing.id


def _bytes_of(picture: Picture) -> bytes:
    return picture if isinstance(picture, bytes) else Path(picture).read_bytes()


def _name_of(picture: Picture) -> str:
    return "photo" if isinstance(picture, bytes) else Path(picture).name


def _form(pictures: Sequence[bytes]) -> Files:
    """Lay files out as a form; their names, which may be those of patients, stay here."""
    return [("image", (f"photo-{number}", one)) for number, one in enumerate(pictures, 1)]


def _plain(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Write filters as the addresses have them."""
    return {name: _word(value) for name, value in wanted.items()}


def _word(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if isinstance(value, datetime) else value
