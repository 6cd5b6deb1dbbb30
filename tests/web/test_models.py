import re
from http import HTTPStatus
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from tests.installations import field_pictures
from tests.models import BY, NOW, Rack
from tests.services.cases import say
from tests.vision.networks import write_whole_model

from hematovision.config import Settings
from hematovision.people import Role
from hematovision.services.batches import Desk, add_photo, read_next
from hematovision.services.cases import open_case
from hematovision.services.choosing import SHIPPED, find_choice, folder_of
from hematovision.services.models import promote
from hematovision.storage.cases import Case
from hematovision.storage.database import Database
from hematovision.web import create_app

from .conftest import JSON, signed_in
from .test_sign_in import post


@pytest.fixture
def rack(tmp_path: Path, database: Database) -> Rack:
    return Rack(tmp_path, database)


@pytest.fixture
def app(settings: Settings, rack: Rack, database: Database) -> Flask:
    return create_app(Settings(model_folder=rack.shipped, data_folder=rack.data), None, database)


@pytest.fixture
def chief(app: Flask, database: Database) -> FlaskClient:
    return signed_in(app, database, Role.ADMINISTRATOR)


def read_case(app: Flask, accession: str = "26-0837") -> Case:
    """Let both the model that reads and its shadow read a case, as a worker does."""
    wiring = app.extensions["hematovision"]
    case = open_case(wiring.database, accession, by=BY)
    for drawn in field_pictures(3):
        add_photo(wiring.database, wiring.files, case, drawn + accession.encode(), by=BY)
    shelf = wiring.shelf
    desk = Desk(wiring.database, wiring.files, shelf.reader(), shadow=shelf.find_shadow())
    while read_next(desk, "worker", clock=lambda: NOW):
        pass
    return case


def words(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_page_lists_models_and_says_which_reads(chief: FlaskClient, rack: Rack) -> None:
    page = words(chief.get("/models").text)
    assert "There is one model, and nothing to compare it with." in page
    rack.install()
    page = words(chief.get("/models").text)
    assert "tiny 2.0.0" in page
    assert re.search(r"tiny 1\.0\.0 \w+ \w+ came with the program Reads", page)
    assert "Promote 2.0.0 Ctrl" in page


def test_who_may_not_manage_sees_no_button(app: Flask, rack: Rack) -> None:
    rack.install()
    page = signed_in(app, rack.database, Role.PATHOLOGIST).get("/models").text
    assert "An administrator installs and promotes them." in page
    assert "Promote" not in page
    assert "Roll back" not in page


def test_promotion_asks_and_every_page_takes_it_up(
    app: Flask, chief: FlaskClient, rack: Rack
) -> None:
    model, before = rack.install(), read_case(app, "26-1")
    page = chief.get(f"/models/{model}/promote").text
    assert "Promote 2.0.0?" in page
    assert post(chief, f"/models/{model}/promote", **seen(page)).location == "/models"
    assert "tiny 2.0.0" in words(chief.get("/cases").text)
    assert "tiny 2.0.0" in words(chief.get("/model").text)
    after = read_case(app, "26-2")
    with rack.database.reading() as records:
        told = [(c.cell_type, c.model_version) for c in records.cells.list(before.id)]
        told_after = [(c.cell_type, c.model_version) for c in records.cells.list(after.id)]
    assert told == [("neutrophil", "1.0.0")] * 6
    assert told_after == [("lymphocyte", "2.0.0")] * 6


def test_what_mattered_is_drawn_by_the_model_that_read_the_cell(
    tmp_path: Path, database: Database
) -> None:
    write_whole_model(tmp_path / "shipped")
    rack = Rack(tmp_path, database)
    app = create_app(Settings(model_folder=rack.shipped, data_folder=rack.data), None, database)
    before = read_case(app, "26-1")
    promote(rack.shelf(), rack.install(), by=BY)
    after = read_case(app, "26-2")
    client = signed_in(app, database, Role.VIEWER)
    with database.reading() as records:
        old, new = records.cells.list(before.id)[0], records.cells.list(after.id)[0]
    drawn = client.get(f"/cases/{before.id}/cells/{old.id}/heat.jpg?side=64")
    assert (drawn.status_code, drawn.headers["X-Heat-Of"]) == (HTTPStatus.OK, "neutrophil")
    # The new one has no heat, and no other answers for it.
    none = client.get(f"/cases/{after.id}/cells/{new.id}/heat.jpg?side=64", headers=JSON)
    assert (none.status_code, none.json["code"]) == (HTTPStatus.NOT_FOUND, "cell_unknown")


def seen(page: str) -> dict[str, str]:
    found = re.search(r'name="seen" value="(\d+)"', page)
    assert found
    return {"seen": found[1]}


def test_rollback_asks_and_puts_the_model_back(chief: FlaskClient, rack: Rack) -> None:
    promote(rack.shelf(), rack.install(), by=BY)
    assert "Roll back" in chief.get("/models").text
    page = chief.get("/models/rollback").text
    assert "Roll back to 1.0.0?" in page
    answer = post(chief, "/models/rollback", **seen(page))
    assert answer.status_code == HTTPStatus.SEE_OTHER
    assert find_choice(rack.database).reads == SHIPPED
    assert "tiny 1.0.0" in words(chief.get("/cases").text)
    assert "Roll back" not in chief.get("/models").text
    (first, *_) = rack.events()
    assert first[0] == "model.rolled_back"


def test_page_that_was_overtaken_is_told(chief: FlaskClient, rack: Rack) -> None:
    first, second = rack.install("2.0.0"), rack.install("3.0.0")
    page = chief.get(f"/models/{second}/promote").text
    promote(rack.shelf(), first, by=BY)
    answer = post(chief, f"/models/{second}/promote", **seen(page))
    assert answer.status_code == HTTPStatus.CONFLICT
    assert "Somebody else changed which model reads meanwhile." in answer.text
    assert find_choice(rack.database).reads == first


@pytest.mark.parametrize("key", ["f" * 64, "x", "off"])
def test_model_that_is_not_there_is_not_promoted(chief: FlaskClient, rack: Rack, key: str) -> None:
    assert chief.get(f"/models/{key}/promote").status_code == HTTPStatus.NOT_FOUND
    answer = post(chief, f"/models/{key}/promote", on="/models")
    assert answer.status_code == HTTPStatus.NOT_FOUND
    assert rack.events() == []


def test_damaged_model_is_not_promoted(chief: FlaskClient, rack: Rack) -> None:
    model = rack.install()
    (folder_of(rack.data, model) / "locator.onnx").write_bytes(b"")
    answer = post(chief, f"/models/{model}/promote")
    assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert find_choice(rack.database).reads == SHIPPED


def test_no_rollback_where_nothing_was_promoted(chief: FlaskClient) -> None:
    answer = chief.get("/models/rollback")
    assert answer.status_code == HTTPStatus.CONFLICT
    assert "No model was promoted." in answer.text


def test_shadow_is_cast_and_compared_on_confirmed_cells(
    app: Flask, chief: FlaskClient, rack: Rack
) -> None:
    model = rack.install()
    assert post(chief, "/models/shadow", on="/models", model=model).location == "/models"
    page = words(chief.get("/models").text)
    assert "Reads in the shadow End the shadow" in page
    case = read_case(app)
    say(rack.database, case, "neutrophil", 1, 2, 3, 4, 5)
    say(rack.database, case, "lymphocyte", 6)
    page = words(chief.get(f"/models?one=shipped&other={model}").text)
    assert "Of 6 confirmed cells, 1.0.0 alone has 5 right and 2.0.0 alone 1." in page
    assert "Nothing tells the two apart." in page
    gallery = chief.get(f"/cases/{case.id}/cells").text
    assert "2.0.0" not in gallery
    post(chief, "/models/shadow", on="/models", model="off")
    assert find_choice(rack.database).shadow is None


def test_two_that_read_nothing_alike_say_what_to_do(chief: FlaskClient, rack: Rack) -> None:
    model = rack.install()
    page = chief.get(f"/models?one=shipped&other={model}").text
    assert "There is no photo with confirmed cells that both have read." in page
    assert "hematovision model compare 1.0.0 2.0.0" in page
    assert chief.get("/models?one=x&other=y").status_code == HTTPStatus.OK


def test_promoted_model_that_is_gone_is_said_and_nothing_is_guessed(
    app: Flask, chief: FlaskClient, rack: Rack
) -> None:
    model = rack.install()
    promote(rack.shelf(), model, by=BY)
    (folder_of(rack.data, model) / "bundle.json").unlink()
    assert "No model is loaded" in words(chief.get("/cases").text)
    picture = {"image": ("photo.png", field_pictures(1)[0])}
    answer = chief.post("/predict", data=_files(picture), headers=JSON)
    assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    post(chief, "/models/rollback")
    assert "tiny 1.0.0" in words(chief.get("/cases").text)


def _files(pictures: dict[str, tuple[str, bytes]]) -> dict[str, object]:
    import io

    return {name: (io.BytesIO(data), file) for name, (file, data) in pictures.items()}


def test_page_that_says_what_went_wrong_stands_without_a_database(
    app: Flask, chief: FlaskClient, rack: Rack
) -> None:
    app.config["PROPAGATE_EXCEPTIONS"] = False
    with rack.database.transaction() as records:
        records.session.connection().exec_driver_sql("DROP TABLE laboratory_settings")
    answer = chief.get("/models")
    assert answer.status_code == HTTPStatus.INTERNAL_SERVER_ERROR
    assert "Something in the program went wrong." in answer.text


def test_program_is_read_to_by_the_promoted_model(chief: FlaskClient, rack: Rack) -> None:
    promote(rack.shelf(), rack.install(), by=BY)
    picture = {"image": ("photo.png", field_pictures(1)[0])}
    told = chief.post("/predict", data=_files(picture), headers=JSON).json
    assert told["model"]["version"] == "2.0.0"
    assert {cell["cell_type"] for cell in told["cells"]} == {"lymphocyte"}


def test_consent_is_given_on_the_page_of_a_case(app: Flask, chief: FlaskClient, rack: Rack) -> None:
    case = read_case(app)
    address = f"/cases/{case.id}"
    assert "are not used to improve the model" in chief.get(address).text
    post(chief, f"{address}/teaching", on=address, may_improve="yes")
    assert "may be used to improve the model" in chief.get(address).text
    with rack.database.reading() as records:
        found = records.cases.find_by_id(case.id)
    assert found is not None
    assert found.may_improve
    viewer = signed_in(app, rack.database, Role.VIEWER)
    assert "may be used to improve the model" in viewer.get(address).text
    assert f"{address}/teaching" not in viewer.get(address).text
    post(chief, f"{address}/teaching", on=address, may_improve="no")
    assert "are not used to improve the model" in chief.get(address).text
