import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageOps
from tests.conftest import StubReader
from tests.vision.model_folder import bundle_document, write_model_folder

from hematovision.cells import NOTICE
from hematovision.learning.datasets import DataMissingError, bccd_photos
from hematovision.learning.evaluation import OtherModelError, evaluate
from hematovision.learning.folds import run_folds
from hematovision.learning.parts import PARTS, Bench, NotMeasuredError, Part
from hematovision.learning.protocol import COPIES_COUNT_SINGLY, TITLES
from hematovision.vision.bundle import read_bundle
from hematovision.vision.reader import PhotoReader

from .sets import write_sets

ALWAYS = [name for name, part in PARTS.items() if part.always]


class Run:
    """Runs parts of the protocol over drawn sets, and remembers what was told and saved."""

    def __init__(self, data: Path, reader: Any = None, **options: Any) -> None:
        self.bench = Bench(data, reader or StubReader(), track=self.track, **options)
        self.tracked: list[str] = []
        self.told: list[str] = []
        self.saved: list[str] = []

    def track(self, items: Iterable[Any], what: str) -> Iterable[Any]:
        self.tracked.append(what)
        return items

    def __call__(self, *wanted: str, **options: Any) -> dict[str, Any]:
        def save(part: str, report: Mapping[str, Any]) -> None:
            json.dumps(report)
            self.saved.append(part)

        return evaluate(
            self.bench, wanted=wanted or ALWAYS, save=save, tell=self.told.append, **options
        )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sets(tmp_path_factory.mktemp("sets"))


@pytest.fixture(scope="module")
def whole(data: Path) -> tuple[Run, dict[str, Any]]:
    run = Run(data)
    return run, run()


def test_whole_protocol_runs_over_all_sets(whole: tuple[Run, dict[str, Any]]) -> None:
    run, report = whole
    assert {name: (one["right"], one["pictures"]) for name, one in report["sets"].items()} == {
        "official_photos": (1, 3),
        "official_photos_without_shared": (0, 1),
        "official_test_images": (1, 2),
        "pbc_test": (0, 2),
        "jtsc": (0, 1),
    }
    assert list(report["sets"]) == [
        name for name in TITLES if name not in {"folds", "official_test_photos"}
    ]
    assert report["locator"]["bccd_test"]["recall"] == 1
    assert report["locator"]["txl_test"]["precision"] == 0.5
    assert run.saved == ["official", "pbc", "jtsc", "locator"]


def test_copies_of_unknown_photos_are_not_called_photos(tmp_path: Path) -> None:
    data = write_sets(tmp_path)
    folder = data / "kaggle/TEST"
    (folder / "EOSINOPHIL/_0_1.jpeg").rename(folder / "EOSINOPHIL/_0_0.jpeg")
    sets = Run(data)("official")["sets"]
    assert "official_test_photos" not in sets
    assert sets["official_test_images"]["note"] == COPIES_COUNT_SINGLY


def test_copies_are_pooled_by_the_photo_that_is_found_in_them(tmp_path: Path) -> None:
    data = write_sets(tmp_path)
    photo = Image.open(data / "bccd/photos/BloodImage_00001.jpg")
    shutil.rmtree(data / "kaggle/TEST")
    folder = data / "kaggle/TEST/NEUTROPHIL"
    folder.mkdir(parents=True)
    for number, look in enumerate((photo, ImageOps.mirror(photo), photo.rotate(8))):
        look.save(folder / f"_{number}_7.jpeg", quality=95)
    sets = Run(data)("official")["sets"]
    assert sets["official_test_images"]["pictures"] == 3
    assert sets["official_test_images"]["note"] == TITLES["official_test_images"][1]
    assert sets["official_test_photos"]["pictures"] == 1


def test_other_model_is_compared_on_the_same_pictures(data: Path) -> None:
    run = Run(data, beside=StubReader())
    found = run("beside")["beside"]
    assert found["model"] == asdict(StubReader.model)
    assert {name: one["pictures"] for name, one in found["sets"].items()} == {
        "official_photos": 3,
        "official_photos_without_shared": 1,
        "official_test_images": 2,
        "pbc_test": 2,
        "jtsc": 1,
    }
    assert found["sets"]["official_photos"]["accuracy"]["difference"] == [0, 0, 0]
    assert set(found["locator"]) == {"bccd_test", "txl_test"}


def test_nothing_is_compared_without_another_model(data: Path) -> None:
    run = Run(data)
    assert run("beside")["beside"] is None
    assert run.told == ["beside: not measured: no other model was given."]


def test_report_has_every_key_of_the_contract(whole: tuple[Run, dict[str, Any]]) -> None:
    _, report = whole
    assert list(report) == [
        *("model", "recipe_hash", "notice", "sets", "locator"),
        *("known", "leaky", "robustness", "explanations", "morphology", "beside"),
    ]
    assert report["model"] == asdict(StubReader.model)
    assert report["notice"] == NOTICE
    assert report["recipe_hash"] is report["known"] is report["leaky"] is None
    for name, one in report["sets"].items():
        assert one["title"] == TITLES[name][0]
        assert one["note"] in {TITLES[name][1], COPIES_COUNT_SINGLY}
        assert list(one) == [
            *("title", "note", "types", "pictures", "right", "accuracy", "refusal_is_wrong"),
            *("refused", "balanced_accuracy", "macro_f1", "recall", "precision", "calibration"),
            *("reliability", "risk_coverage", "prediction_sets", "confusion", "wrong"),
        ]


def test_what_cannot_be_measured_is_said(whole: tuple[Run, dict[str, Any]]) -> None:
    run, _ = whole
    assert [line for line in run.told if line.startswith("known")] == [
        "known: not measured: only a model folder can be looked into."
    ]
    assert "official_photos" in run.tracked


def test_every_picture_is_read_once(data: Path) -> None:
    class Counting(StubReader):
        number = 0

        def read(self, photo: Any, *, explain: bool = False) -> Any:
            self.number += 1
            return super().read(photo, explain=explain)

    reader = Counting()
    Run(data, reader)("official", "locator")
    assert reader.number == 3 + 2 + 1


def test_parts_of_this_very_model_are_kept(data: Path, whole: tuple[Run, dict[str, Any]]) -> None:
    _, report = whole
    again = Run(data)
    assert again(document=report) == report
    assert again.saved == again.tracked == []
    assert "--only official renews it" in again.told[0]


def test_stopped_run_goes_on_with_the_parts_that_are_missing(
    data: Path, whole: tuple[Run, dict[str, Any]]
) -> None:
    _, report = whole
    started = Run(data)("pbc")
    assert list(started["sets"]) == ["pbc_test"]
    again = Run(data)
    assert again(document=started) == report
    assert again.saved == ["official", "jtsc", "locator"]


def test_only_some_parts_are_renewed(data: Path, whole: tuple[Run, dict[str, Any]]) -> None:
    _, report = whole
    stale = json.loads(json.dumps(report))
    for name in ("pbc_test", "jtsc"):
        stale["sets"][name]["right"] = 77
    run = Run(data)
    renewed = run("jtsc", document=stale, renew=True)
    assert run.saved == ["jtsc"]
    assert renewed["sets"]["jtsc"] == report["sets"]["jtsc"]
    assert renewed["sets"]["pbc_test"]["right"] == 77


def test_models_are_not_mixed(data: Path, whole: tuple[Run, dict[str, Any]]) -> None:
    _, report = whole
    other = report | {"model": {"name": "other", "version": "9", "sha256": "f" * 64}}
    with pytest.raises(OtherModelError, match=r"of other 9 \(ffffffffffff\)"):
        Run(data)("jtsc", document=other, renew=True)
    run = Run(data)
    assert list(run("jtsc", document=other)["sets"]) == ["jtsc"]
    assert run.told == ["The report was of another model; a new one is begun."]


def test_scores_of_an_earlier_protocol_are_measured_again(
    data: Path, whole: tuple[Run, dict[str, Any]]
) -> None:
    _, report = whole
    old = {name: {"pictures": 1, "right": 1} for name in report["sets"]}
    run = Run(data)
    assert run("jtsc", document=report | {"sets": old})["sets"] == {"jtsc": report["sets"]["jtsc"]}


def test_missing_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataMissingError, match="pbc"):
        Run(tmp_path)("pbc")


def test_added_set_is_scored_last(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mine/neutrophils"
    folder.parent.mkdir()
    folder.symlink_to(data / "pbc/neutrophil", target_is_directory=True)
    run = Run(data, externals={"mine": tmp_path / "mine"})
    report = run("external", "jtsc")
    assert list(report["sets"]) == ["jtsc", "mine"]
    assert report["sets"]["mine"]["right"] == 2
    assert report["sets"]["mine"]["title"] == "mine"


def made_reader(folder: Path, recipe: str | None) -> PhotoReader:
    network: Any = None
    document = bundle_document() | ({"recipe_hash": recipe} if recipe else {})
    bundle = read_bundle(write_model_folder(folder, document))
    return PhotoReader(bundle, locator=network, classifier=network)


def test_folds_are_reported_of_the_recipe_of_the_model(data: Path, tmp_path: Path) -> None:
    photos = bccd_photos(data)
    run_folds(
        photos,
        lambda photos, folder: folder,
        tmp_path / "folds",
        "r1",
        number=2,
        seed=1,
        track=lambda items, what: items,
        load=lambda folder: StubReader(),
    )
    run = Run(data, made_reader(tmp_path / "own", "r1"), folds=tmp_path / "folds")
    report = run("folds")
    assert report["recipe_hash"] == "r1"
    assert report["sets"]["folds"]["pictures"] == 7
    other = Run(data, made_reader(tmp_path / "other", "r2"), folds=tmp_path / "folds")
    assert other("folds")["sets"] == {}
    assert "recipe_hash differs" in other.told[0]
    nameless = Run(data, made_reader(tmp_path / "nameless", None), folds=tmp_path / "folds")
    assert nameless("folds")["sets"] == {}
    assert "does not say by which recipe" in nameless.told[0]


def test_measures_of_other_rooms_fill_their_key_or_say_why_not(data: Path) -> None:
    def refused(bench: Bench) -> Any:
        raise NotMeasuredError("it has no heat")

    def missing(bench: Bench) -> Any:
        raise ModuleNotFoundError("No module named 'keras'", name="keras")

    run = Run(data)
    report = run(
        *("leaky", "robustness", "explanations", "morphology"),
        parts={
            "leaky": Part(lambda bench: {"random_split": 0.9}),
            "robustness": Part(refused),
            "explanations": Part(missing),
            "morphology": Part(lambda bench: None),
        },
    )
    assert report["leaky"] == {"random_split": 0.9}
    assert report["robustness"] is report["explanations"] is report["morphology"] is None
    assert run.told == [
        "robustness: not measured: it has no heat.",
        "explanations: not measured: needs keras: pip install 'hematovision[train]'",
        "morphology: not measured: this model does not give it.",
    ]
