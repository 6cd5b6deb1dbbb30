"""A laboratory's system and HematoVision, by the API alone."""

from http import HTTPStatus

from fhir.resources.R4B.bundle import Bundle
from flask import Flask
from tests.conftest import StubReader

from hematovision.storage.database import Database

from .systems import read_all, system_of


def test_case_is_made_read_reviewed_counted_and_reported_by_the_api_alone(
    app: Flask, database: Database, jpeg: bytes, reader: StubReader
) -> None:
    system = system_of(app, database)
    case = system.post("/cases", {"accession": "26-0837"}).headers["Location"]
    photos = [(jpeg + bytes([number]), f"{number}.jpg") for number in range(3)]
    sent = system.send(f"{case}/photos", *photos)
    assert [one["state"] for one in sent.get_json()["photos"]] == ["waiting"] * 3
    read_all(app, reader)
    assert {one["state"] for one in system.walk(f"{case}/photos")} == {"read"}

    cells = list(system.walk(f"{case}/cells?limit=4"))
    assert len(cells) == 6
    label = {"neutrophil": "neutrophil", "unidentified": "monocyte"}
    reviews = [
        {"cell": cell["id"], "label": label[cell["called"]], "seen": cell["version"]}
        for cell in cells
    ]
    said = system.post(f"{case}/reviews", {"reviews": reviews})
    assert said.status_code == HTTPStatus.OK

    found = system.get(f"{case}/differential").get_json()
    counted = {part["code"]: (part["number"], part["share"]["value"]) for part in found["parts"]}
    assert (counted["neutrophil"], counted["monocyte"]) == ((3, 50), (3, 50))
    assert (found["confirmed"], found["unidentified"]["number"]) == (6, 0)

    bundle = Bundle.model_validate_json(system.get(f"{case}/fhir").data)
    report = bundle.entry[0].resource
    assert (report.get_resource_type(), report.status) == ("DiagnosticReport", "preliminary")
    assert system.get(f"{case}/signatures").get_json() == {"items": [], "next": None}
