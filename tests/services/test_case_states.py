"""Whatever people do to a case and in whatever order: what is signed stays as it was."""

import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.databases import open_copy

from hematovision.cells import CellType
from hematovision.errors import CaseClosedError, HematoVisionError, NotSignedError
from hematovision.services.amending import amend_case, answer, send_back
from hematovision.services.cases import CLOSED, change_note, get_case
from hematovision.services.differential import Wanted, change_counting
from hematovision.services.review import Said, name_cells, take_back
from hematovision.services.signing import open_desk
from hematovision.storage.cases import CaseState
from hematovision.storage.connections import FILE
from hematovision.storage.database import open_database
from hematovision.storage.signatures import Signature

from .cases import cells_of, make_case
from .signatures import add_person, hand_of, sign

LABELS = some.sampled_from(["neutrophil", "lymphocyte", "band", "no_cell", "unidentified"])
REASONS = {"unidentified": "torn", "unconfirmed": "seen on paper", "target": "the film ends"}


@cache
def empty_file() -> Path:
    """Make a database with all tables and nobody in it, once."""
    folder = Path(tempfile.mkdtemp())
    open_database("", folder).close()
    return folder / FILE


class LifeOfACase(RuleBasedStateMachine):
    """A case of four cells; after every step what must hold is asked of the database."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.database = open_copy(empty_file(), Path(self.folder.name) / "database")
        self.case = make_case(self.database, [CellType.NEUTROPHIL] * 3 + [None])
        self.rosa = add_person(self.database, "rosa")
        self.by = hand_of(self.rosa)
        self.state = CaseState.OPEN
        self.signed: list[Signature] = []

    @property
    def is_closed(self) -> bool:
        return self.state in CLOSED

    def change(self, act: Callable[[], object]) -> bool:
        """Do something that only an open case lets anybody do; tell whether it did."""
        before = open_desk(self.database, self.case.id, self.rosa).seen
        try:
            act()
        except HematoVisionError as failure:
            error: HematoVisionError | None = failure
        else:
            error = None
        assert isinstance(error, CaseClosedError) == self.is_closed
        if error:
            assert open_desk(self.database, self.case.id, self.rosa).seen == before
        return error is None

    @rule(place=some.integers(0, 3), label=LABELS, undo=some.booleans())
    def review(self, place: int, label: str, undo: bool) -> None:
        cell = cells_of(self.database, self.case)[place]
        verb, said = (take_back, None) if undo else (name_cells, label)
        one = Said(cell.id, said, cell.version)
        if self.change(lambda: verb(self.database, self.case.id, [one], by=self.by)):
            self.state = CaseState.IN_REVIEW

    @rule(note=some.sampled_from(["", "a note", "another"]))
    def write(self, note: str) -> None:
        case = get_case(self.database, self.case.id)
        self.change(lambda: change_note(self.database, case, note, by=self.by))

    @rule(wanted=some.sampled_from(["50", "100", "200"]))
    def count(self, wanted: str) -> None:
        version = get_case(self.database, self.case.id).version
        counting = Wanted(version, wanted, "adults", "")
        self.change(lambda: change_counting(self.database, self.case.id, counting, by=self.by))

    @rule()
    def send_it_back(self) -> None:
        self.change(lambda: send_back(self.database, self.case.id, "look again", by=self.by))

    @rule()
    def look_again(self) -> None:
        self.change(lambda: answer(self.database, self.case.id, by=self.by))

    @rule(reasons=some.sampled_from([{}, REASONS]))
    def sign_it(self, reasons: dict[str, str]) -> None:
        signed: list[Signature] = []
        if self.change(
            lambda: signed.append(sign(self.database, self.case, self.rosa, reasons=reasons))
        ):
            self.signed += signed
            self.state = CaseState.AMENDED if len(self.signed) > 1 else CaseState.SIGNED

    @precondition(lambda self: self.is_closed)
    @rule(reason=some.sampled_from(["cell 1 is a band", "the count was wrong"]))
    def amend_it(self, reason: str) -> None:
        amend_case(self.database, self.case.id, reason, by=self.by)
        self.state = CaseState.IN_REVIEW

    @precondition(lambda self: not self.is_closed)
    @rule()
    def amend_too_early(self) -> None:
        try:
            amend_case(self.database, self.case.id, "nothing is signed", by=self.by)
        except NotSignedError:
            return
        raise AssertionError

    @invariant()
    def state_is_the_expected_one(self) -> None:
        assert get_case(self.database, self.case.id).state is self.state

    @invariant()
    def what_was_signed_stays(self) -> None:
        with self.database.reading() as records:
            assert records.signatures.list(self.case.id) == self.signed
        assert [one.version for one in self.signed] == list(range(1, len(self.signed) + 1))
        assert all(bool(one.reason) == (one.version > 1) for one in self.signed)

    @invariant()
    def signed_case_is_what_was_signed(self) -> None:
        if self.is_closed:
            content = self.signed[-1].content
            labels = [cell.label for cell in cells_of(self.database, self.case)]
            assert [cell["label"] for cell in content["cells"]] == labels

    def teardown(self) -> None:
        self.database.close()
        self.folder.cleanup()


LifeOfACase.TestCase.settings = settings(
    max_examples=12,
    stateful_step_count=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
TestLifeOfACase = LifeOfACase.TestCase
