"""Cases: their photos and cells, what people say of them, and how they leave the system."""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from hematovision.client.calls import Calls, Picture, bytes_of, name_of
from hematovision.client.case_documents import (
    Arrival,
    Case,
    Cell,
    ConflictError,
    Differential,
    Outcome,
    Photo,
    Review,
    Signature,
)
from hematovision.client.connection import Files
from hematovision.client.failures import ApiError

CHANGED = "changed_meanwhile"


class CaseCalls(Calls):
    """Makes cases, fills them, and says what their cells are."""

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
        files: Files = [("image", (name_of(one), bytes_of(one))) for one in pictures]
        answer = self._connection.post(f"/cases/{_id(case)}/photos", files=files)
        return [Arrival.of(one) for one in answer["photos"]]

    def wait_for_case(self, case: Case | int, *, timeout: float | None = None) -> Case:
        """Wait until no photo of a case waits to be read.

        Raises:
            TimeoutError: If one does after so many seconds.
        """
        return self._until(
            lambda: self.case(_id(case)),
            lambda now: now.is_read,
            timeout,
            lambda _: "Photos of the case still wait to be read.",
        )

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

    def _bytes(self, path: str) -> bytes:
        return b"".join(self._connection.download(path))


def _id(case: Case | int) -> int:
    return int(case) if isinstance(case, int) else case.id
