"""The report of a case: as it stands now, or as somebody signed it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from hematovision.cells import ModelIdentity
from hematovision.errors import NotSignedError
from hematovision.exchange.report import (
    PhotoCounts,
    Proof,
    Report,
    ReportCell,
    Signed,
    Status,
)
from hematovision.services.cases import CLOSED, the_case
from hematovision.services.counting import count_cells
from hematovision.services.demonstrations import the_demonstration
from hematovision.services.naming import own_labels
from hematovision.services.ranges import the_ranges
from hematovision.services.signed import band_of, cells_of, differential_of
from hematovision.services.vouching import event_of, insist_as_signed
from hematovision.storage.cases import Case
from hematovision.storage.cells import Cell
from hematovision.storage.chain import StoredEvent
from hematovision.storage.database import Database, Records
from hematovision.storage.photos import PhotoState
from hematovision.storage.signatures import Signature

AddressOf = Callable[[StoredEvent], str]
"""Gives the address of an event's page."""


def no_address(event: StoredEvent) -> str:
    """Say that nobody knows under which name the server is reached."""
    return ""


def address_under(root: str) -> AddressOf:
    """Give addresses of events' pages, each with the digest that the event must have there.

    Args:
        root: Under which people reach the server, such as `https://lab.example`; empty where
            nobody knows.
    """

    def address_of(event: StoredEvent) -> str:
        address = f"{root.rstrip('/')}/audit/{event.id}"
        return f"{address}?digest={event.digest}" if event.digest else address

    return address_of if root else no_address


def open_report(
    database: Database,
    case_id: int,
    *,
    now: datetime,
    version: int | None = None,
    address_of: AddressOf = no_address,
) -> Report:
    """Make the report of a case.

    Args:
        database: Keeps the case.
        case_id: The case.
        now: When, UTC.
        version: That was signed; zero for what stands there now, signed or not. When left out,
            the newest that holds: what was signed, unless the case is open again.
        address_of: Gives the address of an event's page.

    Raises:
        CaseUnknownError: If there is no such case.
        NotSignedError: If no such version was signed.
        SignatureBrokenError: If what is kept of it is not what was signed.
    """
    with database.reading() as records:
        case = the_case(records, case_id)
        signatures = records.signatures.list(case_id)
        if version is None:
            version = signatures[-1].version if signatures and case.state in CLOSED else 0
        if not version:
            return _preliminary(records, case, signatures, now)
        signed = [one for one in signatures if one.version <= version]
        if not signed or signed[-1].version != version:
            raise NotSignedError("Version %(version)s was never signed.", version=version)
        report = _final(records, case, signed, now, address_of)
        newest = signatures[-1].version
        return replace(report, replaced_by=newest if newest > version else 0)


def _preliminary(
    records: Records, case: Case, signatures: Sequence[Signature], now: datetime
) -> Report:
    own, band = own_labels(records).every, the_ranges(records).find(case.age_band)
    tallies = records.cells.count([case.id])[case.id]
    return Report(
        case_id=case.id,
        accession=case.accession,
        status=Status.PRELIMINARY,
        version=0,
        opened_at=case.created_at,
        made_at=now,
        target=case.target,
        photos=_photos(records, case.id),
        differential=count_cells(tallies, own, band=band, white_count=case.white_count),
        band=band,
        cells=tuple(map(_cell, records.cells.list(case.id))),
        signatures=_all_signed(signatures, _people(records)),
        models=tuple(records.differentials.model_identities(case.id)),
        own=own,
        is_demonstration=the_demonstration(records),
    )


def _final(
    records: Records,
    case: Case,
    signatures: Sequence[Signature],
    now: datetime,
    address_of: AddressOf,
) -> Report:
    """Make a report of what was signed; what the case says meanwhile does not touch it."""
    for signature in signatures:
        insist_as_signed(records, signature)
    newest = signatures[-1]
    content = newest.content
    people = _people(records)
    return Report(
        case_id=case.id,
        accession=case.accession,
        status=Status.AMENDED if newest.version > 1 else Status.FINAL,
        version=newest.version,
        opened_at=case.created_at,
        made_at=now,
        target=content["case"]["target"],
        photos=_signed_photos(newest),
        differential=differential_of(content["differential"]),
        band=band_of(content["ranges"]),
        cells=_with_answers(records, case.id, cells_of(content["cells"], people)),
        signatures=_all_signed(signatures, people),
        models=_models(records, case.id, content["models"]),
        proof=_proof(records, newest, address_of),
        own=own_labels(records).every,
        is_demonstration=the_demonstration(records),
    )


def _photos(records: Records, case_id: int) -> PhotoCounts:
    states = records.photos.count(case_id)
    return _count(
        [state for state, number in states.items() for _ in range(number)],
        records.differentials.empty_photos(case_id),
    )


def _signed_photos(signature: Signature) -> PhotoCounts:
    photos = signature.content["photos"]
    with_cells = {cell["photo"] for cell in signature.content["cells"]}
    read = [one["number"] for one in photos if one["state"] == PhotoState.READ]
    return _count(
        [PhotoState(one["state"]) for one in photos],
        [number for number in read if number not in with_cells],
    )


def _count(states: Sequence[PhotoState], empty: Sequence[int]) -> PhotoCounts:
    """Count photos, those that came twice once, and those that were left out not at all."""
    left_out = {PhotoState.SAME, PhotoState.CANCELLED}
    waiting = {PhotoState.WAITING, PhotoState.READING, PhotoState.PAUSED}
    return PhotoCounts(
        number=sum(state not in left_out for state in states),
        empty=tuple(empty),
        failed=sum(state is PhotoState.FAILED for state in states),
        waiting=sum(state in waiting for state in states),
    )


def _with_answers(
    records: Records, case_id: int, cells: Sequence[ReportCell]
) -> tuple[ReportCell, ...]:
    """Add what the model said beside its names: that never changes, so it was not signed."""
    now = {cell.number: _cell(cell) for cell in records.cells.list(case_id)}
    return tuple(
        replace(
            now[cell.number],
            box=cell.box,
            machine=cell.machine,
            found=cell.found,
            person=cell.person,
            reviewer=cell.reviewer,
            confidence=cell.confidence,
        )
        if cell.number in now
        else cell
        for cell in cells
    )


def _models(records: Records, case_id: int, said: Sequence[str]) -> tuple[ModelIdentity, ...]:
    """Find the models that had read the photos when a version was signed."""
    known = records.differentials.model_identities(case_id)
    return tuple(one for one in known if one.label in said)


def _proof(records: Records, signature: Signature, address_of: AddressOf) -> Proof | None:
    """Find where the record of changes says that a version was signed."""
    event = event_of(records, signature)
    return Proof(event.id, event.digest or "", address_of(event)) if event else None


def _people(records: Records) -> Mapping[int, str]:
    return {user.id: user.name for user in records.users.list()}


def _all_signed(signatures: Sequence[Signature], people: Mapping[int, str]) -> tuple[Signed, ...]:
    return tuple(_signed(one, people.get(one.signed_by, "")) for one in signatures)


def _signed(signature: Signature, account: str) -> Signed:
    return Signed(
        version=signature.version,
        name=signature.printed_name,
        meaning=signature.meaning,
        at=signature.signed_at,
        reason=signature.reason,
        overrides=signature.overrides,
        account=account,
    )


def _cell(cell: Cell) -> ReportCell:
    return ReportCell(
        number=cell.number,
        photo=cell.photo_number,
        box=cell.box,
        machine=cell.cell_type,
        found=cell.decision is not None,
        person=cell.label,
        reviewer=cell.reviewed_by or "" if cell.label else "",
        confidence=cell.confidence,
        probabilities=cell.answer.get("probabilities", {}),
        prediction_set=cell.answer.get("prediction_set", ()),
        known=cell.known,
        morphology=cell.morphology or "",
        model=cell.model_version or "",
    )
