import json
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from tests.vision.evaluations import (
    evaluation_document,
    old_evaluation_document,
    write_evaluation,
)
from tests.vision.model_folder import bundle_document, write_model_folder

from hematovision.cells import NOTICE
from hematovision.config import Settings
from hematovision.vision.bundle import read_bundle

UNEVALUATED = "This model has not been evaluated."


@pytest.fixture
def folder(settings: Settings) -> Path:
    return write_model_folder(settings.model_folder)


def test_page_shows_every_part_of_the_evaluation(client: FlaskClient, folder: Path) -> None:
    document = write_evaluation(folder)
    answer = client.get("/model")
    assert answer.status_code == HTTPStatus.OK
    page = answer.text
    for score in document["sets"].values():
        assert score["title"] in page
        assert score["note"] in page
        assert f"{100 * score['accuracy'][0]:.1f} %" in page
    for words in (
        "34.9 points are an illusion.",
        "<s>98.1 %</s>",
        "What is taken for what",
        "Does 90 % mean 90 %?",
        "What does refusing save?",
        "Is the true type among those shown?",
        "<b>5</b> of 30",
        "0.930 (0.890 to 0.960)",
        "White balance",
        "Nucleus shape",
        "Txl test",
        read_bundle(folder).identity.sha256,
        NOTICE,
    ):
        assert words in page
    assert UNEVALUATED not in page
    assert " style=" not in page
    assert "diagnosis" not in page.lower()


def test_page_of_version_1_shows_what_is_there(client: FlaskClient, folder: Path) -> None:
    write_evaluation(folder, old_evaluation_document())
    page = client.get("/model").text
    assert "Photos never seen" in page
    assert "A microscope it never saw" in page
    for words in ("illusion", "Does it say when it does not know?", "What do bad pictures do?"):
        assert words not in page


def test_page_says_what_the_model_was_learnt_from(client: FlaskClient, folder: Path) -> None:
    cells = {"train": {"bccd neutrophil": 125}, "val": {"pbc basophil": 79}}
    document = {"data": {"cells": cells}, "recipe_hash": "ab" * 32, "site": {"base": "cd" * 32}}
    write_model_folder(folder, bundle_document() | document)
    page = client.get("/model").text
    assert "neutrophil 125" in page
    assert "CC BY 4.0" in page
    assert "ab" * 32 in page
    assert "cd" * 32 in page


def without(document: dict[str, Any]) -> str:
    return ""


def of_another(document: dict[str, Any]) -> str:
    return json.dumps(document)


def torn(document: dict[str, Any]) -> str:
    return json.dumps(document)[:99]


@pytest.mark.parametrize("text", [without, of_another, torn])
def test_model_without_scores_of_its_own_says_so(
    client: FlaskClient, folder: Path, text: Callable[[dict[str, Any]], str]
) -> None:
    if written := text(evaluation_document()):
        (folder / "evaluation.json").write_text(written)
    answer = client.get("/model")
    assert answer.status_code == HTTPStatus.OK
    assert UNEVALUATED in answer.text
    assert "How often is the name right?" not in answer.text


@pytest.mark.parametrize(
    "part", ["known", "leaky", "robustness", "explanations", "morphology", "recipe_hash"]
)
def test_part_that_is_null_is_left_out(client: FlaskClient, folder: Path, part: str) -> None:
    write_evaluation(folder, evaluation_document() | {part: None})
    assert "How often is the name right?" in client.get("/model").text


@pytest.mark.parametrize("part", ["sets", "locator"])
def test_part_that_is_empty_is_left_out(client: FlaskClient, folder: Path, part: str) -> None:
    write_evaluation(folder, evaluation_document() | {part: {}})
    assert client.get("/model").status_code == HTTPStatus.OK


def test_page_without_a_model_says_what_to_do(client: FlaskClient) -> None:
    answer = client.get("/model")
    assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert "HEMATOVISION_MODEL_FOLDER" in answer.text


def test_folder_that_changed_since_the_start_is_said(client: FlaskClient, folder: Path) -> None:
    assert "The model folder is not the one that reads." in client.get("/model").text


def test_text_of_the_evaluation_is_escaped(client: FlaskClient, folder: Path) -> None:
    document = evaluation_document()
    document["sets"]["elsewhere"]["title"] = "<script>alert(1)</script>"
    write_evaluation(folder, document)
    assert "<script>alert" not in client.get("/model").text


def test_every_page_leads_to_the_model(client: FlaskClient, folder: Path) -> None:
    page = client.get("/").text
    assert '<a href="/model">Model</a>' in page
    assert 'href="/model">0000 0000</a>' in page
    assert '<a href="/model" aria-current="page">Model</a>' in client.get("/model").text
