"""A laboratory's system and HematoVision, by the API alone."""

from http import HTTPStatus

from fhir.resources.R4B.bundle import Bundle
from flask import Flask
from tests.conftest import StubReader

from hematovision.storage.database import Database

from .programs import program_of, read_all


def test_case_is_made_read_reviewed_counted_and_reported_by_the_api_alone(
    app: Flask, database: Database, jpeg: bytes, reader: StubReader
) -> None:
    program = program_of(app, database)
    case = program.post("/cases", {"accession": "26-0837"}).headers["Location"]
    photos = [(jpeg + bytes([number]), f"{number}.jpg") for number in range(3)]
    sent = program.send(f"{case}/photos", *photos)
    assert [one["state"] for one in sent.get_json()["photos"]] == ["waiting"] * 3
    read_all(app, reader)
    assert {one["state"] for one in program.walk(f"{case}/photos")} == {"read"}

    cells = list(program.walk(f"{case}/cells?limit=4"))
    assert len(cells) == 6
    label = {"neutrophil": "neutrophil", "unidentified": "monocyte"}
    reviews = [
        {"cell": cell["id"], "label": label[cell["called"]], "seen": cell["version"]}
        for cell in cells
    ]
    said = program.post(f"{case}/reviews", {"reviews": reviews})
    assert said.status_code == HTTPStatus.OK

    found = program.get(f"{case}/differential").get_json()
    counted = {part["code"]: (part["number"], part["share"]["value"]) for part in found["parts"]}
    assert (counted["neutrophil"], counted["monocyte"]) == ((3, 50), (3, 50))
    assert (found["confirmed"], found["unidentified"]["number"]) == (6, 0)

    bundle = Bundle.model_validate_json(program.get(f"{case}/fhir").data)
    report = bundle.entry[0].resource
    assert (report.get_resource_type(), report.status) == ("DiagnosticReport", "preliminary")
    assert program.get(f"{case}/signatures").get_json() == {"items": [], "next": None}
