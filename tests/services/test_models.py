import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.models import BY, Rack

from hematovision.cells import CellReader
from hematovision.errors import (
    ChangedMeanwhileError,
    ModelDamagedError,
    ModelMissingError,
    ModelReadsError,
    ModelUnknownError,
    NoModelBeforeError,
)
from hematovision.services.choosing import SHIPPED, find_choice, folder_of
from hematovision.services.models import cast_shadow, find_model, promote, roll_back
from hematovision.storage.database import Database
from hematovision.vision.reader import load_reader


@pytest.fixture
def rack(tmp_path: Path, database: Database) -> Rack:
    return Rack(tmp_path, database)


def test_shipped_model_reads_while_none_is_promoted(rack: Rack) -> None:
    rack.install()
    assert find_choice(rack.database).reads == SHIPPED
    assert rack.shelf().reader().model.version == "1.0.0"


def test_promotion_is_taken_up_by_a_shelf_that_is_open_and_can_be_rolled_back(rack: Rack) -> None:
    first, second, shelf = rack.install("2.0.0"), rack.install("3.0.0"), rack.shelf()
    read = [shelf.reader().model.version]
    for model in (first, second, SHIPPED):
        promote(shelf, model, by=BY)
        read.append(shelf.reader().model.version)
    for _ in range(3):
        roll_back(shelf, by=BY)
        read.append(shelf.reader().model.version)
    assert read == ["1.0.0", "2.0.0", "3.0.0", "1.0.0", "3.0.0", "2.0.0", "1.0.0"]
    with pytest.raises(NoModelBeforeError):
        roll_back(shelf, by=BY)
    assert [action for action, _ in rack.events()][:6] == [
        *["model.rolled_back"] * 3,
        *["model.promoted"] * 3,
    ]
    assert rack.events()[5] == ("model.promoted", f"model {first[:16]}")


def test_model_that_reads_is_not_promoted_again(rack: Rack) -> None:
    shelf, model = rack.shelf(), rack.install()
    for again in (SHIPPED, model):
        with pytest.raises(ModelReadsError):
            promote(shelf, again, by=BY)
        if again == SHIPPED:
            promote(shelf, model, by=BY)
    assert find_choice(rack.database).promoted == (model,)


def test_unknown_model_is_not_promoted(rack: Rack) -> None:
    with pytest.raises(ModelUnknownError):
        promote(rack.shelf(), "f" * 64, by=BY)
    assert rack.events() == []


@pytest.mark.parametrize(
    ("spoil", "failure"),
    [
        pytest.param(lambda f: (f / "bundle.json").unlink(), ModelMissingError, id="gone"),
        pytest.param(lambda f: (f / "locator.onnx").write_bytes(b""), ModelDamagedError, id="cut"),
        pytest.param(
            lambda f: (f / "bundle.json").write_text((f / "bundle.json").read_text() + " "),
            ModelMissingError,
            id="another",
        ),
    ],
)
def test_model_that_cannot_be_loaded_is_not_promoted(
    rack: Rack, spoil: object, failure: type[Exception]
) -> None:
    model = rack.install()
    spoil(folder_of(rack.data, model))  # type: ignore[operator]
    shelf = rack.shelf()
    for act in (promote, cast_shadow):
        with pytest.raises(failure):
            act(shelf, model, by=BY)
    assert find_choice(rack.database) == find_choice(rack.database).__class__()


def test_later_of_two_who_change_at_once_is_told(rack: Rack) -> None:
    first, second, shelf = rack.install("2.0.0"), rack.install("3.0.0"), rack.shelf()
    seen = find_choice(rack.database).version
    promote(shelf, first, by=BY, seen=seen)
    for act in (
        lambda: promote(shelf, second, by=BY, seen=seen),
        lambda: roll_back(shelf, by=BY, seen=seen),
        lambda: cast_shadow(shelf, second, by=BY, seen=seen),
    ):
        with pytest.raises(ChangedMeanwhileError):
            act()
    assert find_choice(rack.database).promoted == (first,)


def test_of_many_promotions_at_once_none_is_lost(rack: Rack) -> None:
    models = [rack.install(f"{number}.0.0") for number in range(2, 6)]
    shelf, begin = rack.shelf(), threading.Barrier(4)

    def act(model: str) -> bool:
        begin.wait()
        try:
            promote(shelf, model, by=BY)
        except ChangedMeanwhileError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        done = [model for model, ok in zip(models, pool.map(act, models), strict=True) if ok]
    assert sorted(find_choice(rack.database).promoted) == sorted(done)
    assert sum(action == "model.promoted" for action, _ in rack.events()) == len(done) > 0


def test_shadow_is_cast_and_ended(rack: Rack) -> None:
    shelf, model = rack.shelf(), rack.install()
    assert shelf.find_shadow() is None
    cast_shadow(shelf, model, by=BY)
    cast_shadow(shelf, model, by=BY)
    shadow = shelf.find_shadow()
    assert shadow is not None
    assert shadow.model.version == "2.0.0"
    cast_shadow(shelf, None, by=BY)
    assert shelf.find_shadow() is None
    assert [action for action, _ in rack.events()] == [
        *("model.shadow_ended", "model.shadowed", "model.installed")
    ]


def test_what_reads_casts_no_shadow(rack: Rack) -> None:
    shelf, model = rack.shelf(), rack.install()
    cast_shadow(shelf, model, by=BY)
    promote(shelf, model, by=BY)
    assert find_choice(rack.database).shadow is None
    with pytest.raises(ModelReadsError):
        cast_shadow(shelf, model, by=BY)
    cast_shadow(shelf, SHIPPED, by=BY)
    roll_back(shelf, by=BY)
    assert find_choice(rack.database).shadow is None


def test_shadow_that_cannot_be_loaded_stops_nobody(rack: Rack) -> None:
    model = rack.install()
    cast_shadow(rack.shelf(), model, by=BY)
    (folder_of(rack.data, model) / "locator.onnx").write_bytes(b"")
    shelf = rack.shelf()
    assert shelf.find_shadow() is None
    assert shelf.reader().model.version == "1.0.0"


def test_of_many_who_read_at_once_each_reads_with_one_model(rack: Rack) -> None:
    model, loaded = rack.install(), []

    def load(folder: Path, *, threads: int = 0) -> CellReader:
        loaded.append(folder)
        return load_reader(folder, threads=threads)

    shelf = rack.shelf()
    shelf.load = load
    begin, promoted = threading.Barrier(5), threading.Event()

    def read(_: int) -> list[str]:
        begin.wait()
        versions = []
        while not promoted.is_set() or versions[-1] == "1.0.0":
            versions.append(shelf.reader().model.version)
        return versions

    with ThreadPoolExecutor(4) as pool:
        told = pool.map(read, range(4))
        begin.wait()
        promote(rack.shelf(), model, by=BY)
        promoted.set()
        for versions in told:
            assert sorted(versions) == versions
            assert versions[-1] == "2.0.0"
    assert sorted(loaded) == sorted({*loaded})


def test_model_that_failed_is_tried_again_after_a_while(rack: Rack) -> None:
    now = [0.0]
    model, shelf = rack.install(), rack.shelf(lambda: now[0])
    promote(rack.shelf(), model, by=BY)
    file = folder_of(rack.data, model) / "locator.onnx"
    content = file.read_bytes()
    file.unlink()
    with pytest.raises(ModelMissingError):
        shelf.reader()
    file.write_bytes(content)
    with pytest.raises(ModelMissingError):
        shelf.reader()
    now[0] = 11
    assert shelf.reader().model.version == "2.0.0"


def test_answers_are_explained_by_the_model_that_gave_them(rack: Rack) -> None:
    shelf, model = rack.shelf(), rack.install()
    shipped = shelf.reader().model.sha256
    promote(shelf, model, by=BY)
    assert shelf.reader_of(shipped).model.version == "1.0.0"
    assert shelf.reader_of(model).model.version == "2.0.0"
    assert shelf.reader_of(None).model.version == "2.0.0"
    with pytest.raises(ModelMissingError, match=r"Model 7\.7"):
        shelf.reader_of("7" * 64, "7.7")


def test_few_models_stay_loaded(rack: Rack) -> None:
    shelf = rack.shelf()
    models = [rack.install(f"{number}.0.0") for number in range(2, 7)]
    readers = {model: shelf.get(model) for model in (SHIPPED, *models)}
    assert shelf.get(SHIPPED) is readers[SHIPPED]
    assert shelf.get(models[-1]) is readers[models[-1]]
    assert shelf.get(models[0]) is not readers[models[0]]


def test_model_is_found_by_what_it_is_called(rack: Rack) -> None:
    model, database = rack.install(), rack.database
    shipped = rack.shelf().reader().model
    assert find_model(database, "2.0.0", shipped) == model
    assert find_model(database, model[:8].upper(), shipped) == model
    assert find_model(database, "1.0.0", shipped) == SHIPPED
    assert find_model(database, "shipped", None) == SHIPPED
    for called in ("", model[:5], "4.0.0"):
        with pytest.raises(ModelUnknownError):
            find_model(database, called, shipped)
