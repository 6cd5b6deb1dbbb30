"""Models that were installed on one machine, on another."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.models import BY, Rack

from hematovision.errors import ModelDamagedError, ModelMissingError
from hematovision.services.carrying import bring_model, bring_models, share_models
from hematovision.services.choosing import folder_of
from hematovision.services.installing import install_model
from hematovision.services.models import promote
from hematovision.services.shelf import Shelf
from hematovision.storage.database import Database
from hematovision.storage.depot import Depot, ModelNotSharedError, open_depot
from hematovision.storage.sealing import Seal


@dataclass(frozen=True, slots=True)
class Sharing:
    """A machine where a model is installed, and the depot of all machines."""

    rack: Rack
    depot: Depot

    def install(self, version: str = "2.0.0") -> str:
        store = replace(self.rack.store, depot=self.depot)
        return install_model(store, self.rack.write(version), by=BY).sha256

    def elsewhere(self, folder: Path) -> Shelf:
        return replace(self.rack.shelf(), data_folder=folder, depot=self.depot)


@pytest.fixture
def sharing(tmp_path: Path, database: Database) -> Iterator[Sharing]:
    depot = open_depot(f"memory:/{tmp_path}", Seal(bytes(32)))
    assert depot
    yield Sharing(Rack(tmp_path, database), depot)
    shutil.rmtree(tmp_path / "elsewhere", ignore_errors=True)


def test_model_that_one_machine_installs_reads_on_another(sharing: Sharing, tmp_path: Path) -> None:
    model = sharing.install()
    shelf = sharing.elsewhere(tmp_path / "elsewhere")
    promote(shelf, model, by=BY)
    assert shelf.reader().model.sha256 == model
    here, there = (folder_of(one, model) for one in (sharing.rack.data, shelf.data_folder))
    assert {p.name: p.read_bytes() for p in here.iterdir()} == {
        p.name: p.read_bytes() for p in there.iterdir()
    }
    assert [path.name for path in there.parent.iterdir()] == [there.name]


def test_nothing_of_a_model_is_readable_in_the_depot(sharing: Sharing) -> None:
    model = sharing.install()
    place = sharing.depot.place
    names = [name for name, _ in place.walk()]
    assert f"{model}/whole" in names
    assert not any(b"blood_cell" in place.read(name) for name in names)


def test_model_that_is_not_there_whole_is_not_brought_at_all(
    sharing: Sharing, tmp_path: Path
) -> None:
    model = sharing.install()
    sharing.depot.place.delete(f"{model}/locator.onnx")
    with pytest.raises(ModelMissingError, match="cannot be fetched"):
        bring_model(sharing.depot, tmp_path / "elsewhere", model)
    assert [*(tmp_path / "elsewhere" / "models").iterdir()] == []
    bring_models(sharing.rack.database, sharing.depot, tmp_path / "elsewhere")


def test_file_that_was_put_in_the_place_of_another_is_refused(sharing: Sharing) -> None:
    model, place = sharing.install(), sharing.depot.place
    place.write(f"{model}/locator.onnx", place.read(f"{model}/blood_cell.onnx"))
    with pytest.raises(ModelNotSharedError, match="locator"):
        sharing.depot.fetch(model, sharing.rack.folder)


def test_model_of_other_bytes_is_not_loaded(sharing: Sharing, tmp_path: Path) -> None:
    model = sharing.install()
    shutil.copytree(folder_of(sharing.rack.data, model), tmp_path / "copy")
    (tmp_path / "copy" / "locator.onnx").write_bytes(b"another")
    sharing.depot.put(model, tmp_path / "copy")
    with pytest.raises(ModelDamagedError):
        sharing.elsewhere(tmp_path / "elsewhere").get(model)


def test_what_was_installed_before_there_was_a_depot_is_shared_once(
    sharing: Sharing, tmp_path: Path
) -> None:
    model = sharing.rack.install()
    database, depot = sharing.rack.database, sharing.depot
    assert share_models(database, depot, tmp_path / "elsewhere") == 0
    assert share_models(database, depot, sharing.rack.data) == 1
    assert share_models(database, depot, sharing.rack.data) == 0
    bring_models(database, depot, tmp_path / "elsewhere")
    assert folder_of(tmp_path / "elsewhere", model).exists()
    bring_models(database, None, tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


def test_depot_takes_up_another_key(sharing: Sharing, tmp_path: Path) -> None:
    model = sharing.install()
    newer = Depot(sharing.depot.place, Seal(bytes(range(32)), bytes(32)))
    assert all(newer.renew())
    assert not any(newer.renew())
    alone = Depot(sharing.depot.place, Seal(bytes(range(32))))
    bring_model(alone, tmp_path / "elsewhere", model)
    stranger = Depot(sharing.depot.place, Seal(b"x" * 32))
    assert not any(stranger.renew())


def test_machines_that_share_no_place_have_no_depot() -> None:
    assert open_depot("", Seal(bytes(32))) is None
