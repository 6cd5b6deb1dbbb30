from http import HTTPStatus

import pytest
from flask import Flask
from flask.testing import FlaskClient
from tests.databases import counted_queries
from tests.services.cases import NOW, add_read_photo, make_case, say

from hematovision.cells import CellType, ModelIdentity
from hematovision.differential import Range
from hematovision.people import Role
from hematovision.services.cases import get_case
from hematovision.services.hands import Hand
from hematovision.services.ranges import Written, add_band, get_ranges
from hematovision.storage.cases import Case
from hematovision.storage.database import Database
from hematovision.storage.photos import Sent
from hematovision.web.differential_words import Axis

from .conftest import signed_in
from .test_sign_in import post

NEUTROPHIL, LYMPHOCYTE = CellType.NEUTROPHIL, CellType.LYMPHOCYTE
BY = Hand(None, "page", NOW)
PAGE, NUMBERS, RANGES = "/cases/1/differential", "/cases/1/differential.json", "/laboratory/ranges"


@pytest.fixture
def case(database: Database) -> Case:
    """Make a case of 50 neutrophils, 49 lymphocytes and an unidentified cell."""
    return make_case(database, [NEUTROPHIL] * 50 + [LYMPHOCYTE] * 49 + [None])


@pytest.fixture
def chief(app: Flask, database: Database) -> FlaskClient:
    return signed_in(app, database, Role.PATHOLOGIST)


def words(page: str) -> str:
    plain = page.replace("\N{EN DASH}", "-").replace("\N{MULTIPLICATION SIGN}", "x")
    return " ".join(plain.split())


def test_page_shows_count_share_limits_and_what_they_mean(
    client: FlaskClient, database: Database, case: Case
) -> None:
    say(database, case, "lymphocyte", 1)
    say(database, case, "neutrophil", *range(2, 12))
    page = words(client.get(PAGE).text)
    assert "99 cells, 11 of them confirmed by people" in page
    assert "49.5 %" in page
    assert "39.3 - 59.7" in page
    assert "Neutrophils 49.5 percent, limits 39.3 to 59.7, reference 40 to 60: undecided" in page
    assert ">Above<" in page
    assert "1 of 11 suggestions looked at were changed" in page
    assert "10 kept, 90.9 % (58.7 - 99.8)" in page
    assert "Cell 1, changed from neutrophil to lymphocyte by ines" in page
    assert "/cases/1/cells/1.jpg?side=64" in page
    assert "Source: MedlinePlus" in page
    assert "style=" not in page


def test_case_without_cells_says_what_to_do(client: FlaskClient, database: Database) -> None:
    make_case(database)
    page = client.get(PAGE).text
    assert "No white cell is counted yet" in page
    assert "Add photos to this case. Once they are read" in page
    assert "Add photos, 100 cells to go" in page
    make_case(database, [None], number="26-2")
    assert "have no name yet" in client.get("/cases/2/differential").text


def test_checks_lead_to_where_something_can_be_done(
    client: FlaskClient, database: Database, case: Case
) -> None:
    add_read_photo(database, case, [], ModelIdentity("stub", "0.1.0", "1" * 64))
    with database.transaction() as records:
        for _ in range(2):
            records.photos.add(Sent(str(_) * 64, 9, "n", "page", None, NOW), case_id=case.id)
        photo = records.photos.take("w", now=NOW, until=NOW)
        assert photo
        records.photos.fail(photo, "w", "unreadable_image")
    page = words(client.get(PAGE).text)
    assert 'class="btn next" href="/cases/1">See the photo that waits' in page
    for said in (
        "1 photo is not read yet",
        "1 unidentified cell is left",
        "99 suggestions were not looked at",
        "1 more cell to count",
        "1 photo could not be read",
        "Look at photo 2",
        "They may name the same cell otherwise: stub 0.0.0 (00000000), stub 0.1.0 (11111111).",
    ):
        assert said in page


def test_black_button_goes_on_when_nothing_is_open(
    client: FlaskClient, app: Flask, database: Database
) -> None:
    case = make_case(database, [NEUTROPHIL] * 100)
    say(database, case, "neutrophil", *range(1, 101))
    page = words(client.get(PAGE).text)
    assert 'class="btn next" href="/cases">Go to the cases' in page
    assert "6 of 6 in order" in page
    assert "100 cells, all confirmed by people" in page
    assert "People kept every name" in page
    viewer = words(signed_in(app, database, Role.VIEWER).get(PAGE).text)
    assert 'class="btn next" href="/cases/1/review">Look at the cells' in viewer
    assert 'name="target"' not in viewer


def test_counting_is_changed_and_shown(client: FlaskClient, database: Database, case: Case) -> None:
    say(database, case, "erythroblast", 100)
    answer = post(client, PAGE, version="1", target="200", band="adults", white_count="10,0")
    assert (answer.status_code, answer.location) == (HTTPStatus.SEE_OTHER, PAGE)
    page = words(client.get(PAGE).text)
    assert "10 x 100 / (100 + erythroblasts per 100 white cells) = 9.9" in page
    assert "5.00" in page
    assert "1.0 per 100 white cells, limits 0.0 - 5.8" in page
    assert 'value="200"' in page
    assert get_case(database, case.id).white_count == 10


def test_later_of_two_is_told_what_is_kept_and_loses_nothing(
    client: FlaskClient, database: Database, case: Case
) -> None:
    post(client, PAGE, version="1", target="200", band="adults", white_count="5.5")
    answer = post(client, PAGE, version="1", target="150", band="adults", white_count="8")
    assert answer.status_code == HTTPStatus.CONFLICT
    page = words(answer.text)
    assert "Somebody else changed this case meanwhile." in page
    assert "Kept now: target 200, Adults, white count 5.5." in page
    assert 'value="150"' in page
    assert 'name="version" value="2"' in page
    assert get_case(database, case.id).target == 200


def test_number_that_cannot_be_is_told_beside_the_form(
    client: FlaskClient, database: Database, case: Case
) -> None:
    answer = post(client, PAGE, version="1", target="100", band="adults", white_count="<b>")
    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "“&lt;b&gt;” is no white count" in answer.text
    assert "such as 7.2 or 7,2" in answer.text


def test_numbers_are_sent_only_when_they_changed(
    client: FlaskClient, database: Database, case: Case
) -> None:
    first = client.get(NUMBERS)
    assert first.json
    assert first.json["counted"] == 99
    assert first.json["parts"][0]["share"]["verdict"] == "undecided"
    assert [check["code"] for check in first.json["checks"]][:2] == ["waiting", "unidentified"]
    tag = first.headers["ETag"]
    assert f"data-tag={tag}" in client.get(PAGE).text
    same = client.get(NUMBERS, headers={"If-None-Match": tag})
    assert (same.status_code, same.data) == (HTTPStatus.NOT_MODIFIED, b"")
    say(database, case, "lymphocyte", 1)
    changed = client.get(NUMBERS, headers={"If-None-Match": tag})
    assert changed.status_code == HTTPStatus.OK
    assert changed.json
    assert changed.json["changes"][0]["label"] == "lymphocyte"


@pytest.mark.parametrize("url", [PAGE, NUMBERS])
def test_queries_do_not_grow_with_cells(client: FlaskClient, database: Database, url: str) -> None:
    small = make_case(database, [NEUTROPHIL])
    large = make_case(database, *[[NEUTROPHIL, None]] * 30, number="26-2")
    say(database, small, "monocyte", 1)
    say(database, large, "monocyte", *range(1, 60))
    numbers = []
    for case in (small, large):
        # The first look is on record; a page that renews itself is no other.
        for _ in range(2):
            client.get(url.replace("1", str(case.id)))
        with counted_queries(database) as queries:
            client.get(url.replace("1", str(case.id)))
        numbers.append(len(queries))
    assert numbers[0] == numbers[1] <= 20


def test_ranges_that_are_gone_are_told(
    client: FlaskClient, chief: FlaskClient, database: Database, case: Case
) -> None:
    add_band(database, Written("Old", "s"), seen=0, by=BY)
    post(client, PAGE, version="1", target="100", band="old", white_count="")
    answer = post(chief, f"{RANGES}/old/remove", on=RANGES, version="1")
    assert answer.location == RANGES
    assert "are not kept any more. Choose others." in words(client.get(PAGE).text)


def test_ranges_are_changed_on_their_page(chief: FlaskClient, database: Database) -> None:
    form = {"version": "0", "name": "Children", "source": "Our study"}
    ends = {"low-neutrophil": "30", "high-neutrophil": "55,5", "least-neutrophil": "", "most-": ""}
    answer = post(chief, RANGES, **form, **ends)
    assert answer.location == RANGES
    page = words(chief.get(RANGES).text)
    assert "Children" in page
    assert 'name="high-neutrophil" inputmode="decimal"' in page
    assert 'value="55.5"' in page
    post(chief, f"{RANGES}/adults", on=RANGES, version="1", name="Adults", source="Ours")
    ranges, _ = get_ranges(database)
    assert [band.source for band in ranges.bands] == ["Ours", "Our study"]
    assert ranges.bands[1].limits == {"neutrophil": Range(30, 55.5)}


@pytest.mark.parametrize(
    ("url", "changed", "status", "said"),
    [
        pytest.param(RANGES, {"version": "7"}, 409, "changed the ranges meanwhile", id="late"),
        pytest.param(RANGES, {"source": ""}, 422, "Ranges need their source.", id="no source"),
        pytest.param(
            f"{RANGES}/adults", {"low-blast": "9"}, 422, "“9” to “5” is not", id="turned round"
        ),
        pytest.param(f"{RANGES}/x", {}, 409, "removed this age band", id="gone"),
        pytest.param(f"{RANGES}/adults/remove", {}, 422, "the last ranges", id="last"),
    ],
)
def test_ranges_that_are_refused_keep_what_was_typed(
    chief: FlaskClient,
    database: Database,
    url: str,
    changed: dict[str, str],
    status: int,
    said: str,
) -> None:
    form = {"version": "0", "name": "Mine", "source": "s", "low-blast": "1", "high-blast": "5"}
    answer = post(chief, url, on=RANGES, **(form | changed))
    assert answer.status_code == status
    if said.startswith("“"):
        assert "9 to 5 is not a range from 0 to 100." in answer.text
    else:
        assert said in answer.text
    if url in (RANGES, f"{RANGES}/adults"):
        assert 'value="Mine"' in answer.text
    assert get_ranges(database)[0].version == 0


def test_axis_is_a_square_root() -> None:
    axis = Axis((0, 1, 4, 10, 20, 40, 60, 80))
    assert [axis.at(tick) for tick in (0, 20, 80, 90)] == ["0.00%", "50.00%", "100.00%", "100.00%"]
    assert axis.across(Range(0, 20)) == "50.00%"


def test_share_of_nearly_all_makes_the_axis_longer(client: FlaskClient, database: Database) -> None:
    make_case(database, [NEUTROPHIL] * 30)
    assert ">100</text>" in client.get(PAGE).text
