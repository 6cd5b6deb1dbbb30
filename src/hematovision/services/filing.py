"""File a reading into a case: what was read the quick way becomes part of a film."""

from hematovision.errors import (
    CaseUnknownError,
    NotAllowedError,
    PhotoFiledError,
    PictureNotKeptError,
)
from hematovision.people import Right, User
from hematovision.services.cases import open_case, the_open_case
from hematovision.services.hands import Hand
from hematovision.services.recording import get_reading
from hematovision.storage.cases import Case
from hematovision.storage.database import Database
from hematovision.storage.readings import KeptReading


def file_reading(
    database: Database, photo_id: int, accession: str, *, new: bool = False, user: User, by: Hand
) -> Case:
    """Move a photo that was read the quick way into a case, with its reading and its cells.

    It is moved once. Where the case has the same content already, the photo is shown there as the
    same and its cells are not counted. A photo without its picture stays outside: nobody could look
    at its cells, and nobody confirms what they did not see.

    Args:
        database: Keeps it.
        photo_id: The photo.
        accession: The number of the case.
        new: Whether the case is to be made.
        user: Who asks; they sent the photo, or may review.
        by: They, through which door, when.

    Returns:
        The case.

    Raises:
        PhotoUnknownError: If there is no such photo, or none has read it.
        NotAllowedError: If somebody else sent it and the user may not review.
        PhotoFiledError: If it belongs to a case already.
        PictureNotKeptError: If its picture is not kept.
        CaseUnknownError: If there is no case with the number.
        CaseClosedError: If it is signed.
        AccessionInvalidError: If a new case cannot be called so.
        AccessionTakenError: If a case is called so already.
    """
    _check(get_reading(database, photo_id), user)
    case = open_case(database, accession, by=by) if new else _get_case(database, accession)
    with database.transaction() as records:
        # Whoever signs or erases the case waits, or has done so.
        records.cases.hold(case.id)
        case = the_open_case(records, case.id)
        state = records.photos.file(photo_id, case.id)
        if state is None:
            raise PhotoFiledError("This reading belongs to a case already.")
        details = {"case": case.id, "state": str(state)}
        records.audit.add(by.did("photo.filed", f"photo {photo_id}", details))
    return case


def _check(kept: KeptReading, user: User) -> None:
    if kept.sent_by != user.id and not user.may(Right.REVIEW):
        raise NotAllowedError("Somebody else had this photo read.")
    if kept.case_id is not None:
        raise PhotoFiledError("This reading belongs to a case already.")
    if kept.file is None:
        raise PictureNotKeptError("The picture of this reading is not kept.")


def _get_case(database: Database, accession: str) -> Case:
    with database.reading() as records:
        case = records.cases.find(" ".join(accession.split()))
    if case is None:
        raise CaseUnknownError("There is no case with this number, unless you say that it is new.")
    return case
