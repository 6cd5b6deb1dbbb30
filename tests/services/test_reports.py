from dataclasses import replace

import pytest
from tests.databases import counted_queries

from hematovision.cells import CellType
from hematovision.errors import CaseUnknownError, NotSignedError
from hematovision.exchange.report import Status
from hematovision.services.amending import amend_case
from hematovision.services.cases import change_case, get_case
from hematovision.services.demonstrations import begin
from hematovision.services.differential import open_sheet
from hematovision.services.hands import Hand
from hematovision.services.reports import address_under, open_report
from hematovision.storage.cases import Case
from hematovision.storage.database import Database

from .cases import MODEL, NOW, cells_of, make_case, say
from .signatures import add_person, hand_of, ready_case, sign

BY = Hand(None, "page", NOW)
NEUTROPHIL, LYMPHOCYTE = CellType.NEUTROPHIL, CellType.LYMPHOCYTE
WHY = "Two cells were taken for neutrophils."


def sign_twice(database: Database) -> Case:
    """Make a case that was signed, opened again, changed, and signed anew."""
    case, user = ready_case(database), add_person(database, "rosa")
    sign(database, case, user)
    amend_case(database, case.id, WHY, by=hand_of(user, 1))
    say(database, case, "band", 1, 2, by="ines")
    sign(database, case, user, minutes=2)
    return case


def test_report_of_an_open_case_is_preliminary_and_says_what_stands_there(
    database: Database,
) -> None:
    case = make_case(database, [NEUTROPHIL] * 3 + [LYMPHOCYTE, None], [])
    say(database, case, "band", 1)
    say(database, case, "no_cell", 2)
    report = open_report(database, case.id, now=NOW)
    assert (report.status, report.version, report.proof) == (Status.PRELIMINARY, 0, None)
    assert (report.accession, report.target) == ("26-1", 100)
    assert report.differential == open_sheet(database, case.id).differential
    assert (report.photos.number, report.photos.empty) == (2, (2,))
    assert report.models == (MODEL,)
    first, second, *_, last = report.cells
    assert (first.machine, first.person, first.called) == ("neutrophil", "band", "band")
    assert (first.reviewer, first.found, first.photo) == ("ines", True, 1)
    assert not second.is_cell
    assert (last.machine, last.called) == (None, "unidentified")


def test_report_of_a_signed_case_is_final_and_says_what_was_signed(database: Database) -> None:
    case, user = ready_case(database), add_person(database, "rosa")
    before = open_report(database, case.id, now=NOW)
    signature = sign(database, case, user)
    report = open_report(database, case.id, now=NOW)
    assert (report.status, report.version) == (Status.FINAL, 1)
    assert report.signed is not None
    assert (report.signed.name, report.signed.at) == ("Rosa Okafor, MD", signature.signed_at)
    assert report.differential == before.differential
    assert report.band is not None
    assert before.band is not None
    assert report.band.source == before.band.source
    assert report.photos == before.photos
    assert report.models == before.models
    kept = [(one.number, one.photo, one.box, one.machine, one.person) for one in report.cells]
    assert kept == [
        (one.number, one.photo, one.box, one.machine, one.person) for one in before.cells
    ]
    assert report.cells[0].reviewer == "ines"


def test_report_of_a_demonstration_says_so_signed_or_not(database: Database) -> None:
    case, user = ready_case(database), add_person(database, "rosa")
    assert not open_report(database, case.id, now=NOW).is_demonstration
    begin(database, by=BY)
    assert open_report(database, case.id, now=NOW).is_demonstration
    sign(database, case, user)
    assert open_report(database, case.id, now=NOW).is_demonstration


def test_amended_report_says_what_it_replaces_and_the_first_stays_as_it_was(
    database: Database,
) -> None:
    case = sign_twice(database)
    newest = open_report(database, case.id, now=NOW)
    assert (newest.status, newest.version) == (Status.AMENDED, 2)
    assert newest.replaced is not None
    assert (newest.replaced.version, newest.signed and newest.signed.reason) == (1, WHY)
    first = open_report(database, case.id, now=NOW, version=1)
    assert (first.status, first.replaced, len(first.signatures)) == (Status.FINAL, None, 1)
    assert (first.replaced_by, newest.replaced_by) == (2, 0)
    assert first.cells[0].called == "neutrophil"
    assert newest.cells[0].called == "band"
    assert "band" not in {part.code for part in first.differential.parts}
    assert "band" in {part.code for part in newest.differential.parts}


def test_case_that_is_opened_again_is_preliminary_but_its_version_can_be_had(
    database: Database,
) -> None:
    case, user = ready_case(database), add_person(database, "rosa")
    sign(database, case, user)
    amend_case(database, case.id, WHY, by=hand_of(user, 1))
    say(database, case, "band", 1)
    report = open_report(database, case.id, now=NOW)
    assert (report.status, report.signed) == (Status.PRELIMINARY, None)
    assert [one.version for one in report.signatures] == [1]
    assert report.cells[0].called == "band"
    assert open_report(database, case.id, now=NOW, version=1).cells[0].called == "neutrophil"


def test_proof_is_the_event_of_that_very_version(database: Database) -> None:
    case = sign_twice(database)
    address_of = address_under("https://lab.example/")
    for version, action in ((1, "case.signed"), (2, "case.amended")):
        report = open_report(database, case.id, now=NOW, version=version, address_of=address_of)
        assert report.proof is not None
        with database.reading() as records:
            event = records.audit.find_by_id(report.proof.event_id)
        assert event is not None
        assert (event.action, event.digest) == (action, report.proof.digest)
        assert event.details["version"] == version
        assert report.proof.address == (
            f"https://lab.example/audit/{event.id}?digest={event.digest}"
        )


def test_report_of_the_terminal_has_no_address(database: Database) -> None:
    case = sign_twice(database)
    report = open_report(database, case.id, now=NOW, address_of=address_under(""))
    assert report.proof is not None
    assert report.proof.address == ""
    assert report == open_report(database, case.id, now=NOW)


def test_what_is_not_there_is_named(database: Database) -> None:
    with pytest.raises(CaseUnknownError):
        open_report(database, 1, now=NOW)
    case = ready_case(database)
    with pytest.raises(NotSignedError):
        open_report(database, case.id, now=NOW, version=1)
    sign(database, case, add_person(database, "rosa"))
    with pytest.raises(NotSignedError):
        open_report(database, case.id, now=NOW, version=2)


def test_note_of_the_case_is_in_no_report(database: Database) -> None:
    case = make_case(database, [NEUTROPHIL])
    case = get_case(database, case.id)
    change_case(database, replace(case, note="Mrs. Doe, bed 4"), "note_changed", by=BY)
    assert "Doe" not in repr(open_report(database, case.id, now=NOW))
    reasons = {"target": "No more cells on the film.", "unconfirmed": "They are clear."}
    sign(database, case, add_person(database, "rosa"), reasons=reasons)
    report = open_report(database, case.id, now=NOW)
    assert "Doe" not in repr(report)
    assert report.signed is not None
    assert report.signed.overrides["target"] == "No more cells on the film."


def test_queries_do_not_grow_with_cells(database: Database) -> None:
    small = make_case(database, [NEUTROPHIL])
    large = make_case(database, *[[NEUTROPHIL] * 5 for _ in range(20)], number="26-2")
    counts = []
    for case in (small, large):
        with counted_queries(database) as queries:
            open_report(database, case.id, now=NOW)
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert len(cells_of(database, large)) == 100
