import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from fhir.resources.R4B.bundle import Bundle
from pydantic import ValidationError

from hematovision.cells import NOTICE, ModelIdentity
from hematovision.exchange.fhir import CODES, PANEL, bundle_document, bundle_of
from hematovision.exchange.report import Report
from hematovision.labels import Count, Label

from .reports import FIRST, MODEL, SECOND, make_report, signed

R4 = {
    "Bundle": {"resourceType", "meta", "identifier", "type", "timestamp", "entry"},
    "DiagnosticReport": {
        *{"resourceType", "text", "identifier", "status", "category", "code", "subject"},
        *{"effectiveDateTime", "issued", "performer", "resultsInterpreter", "specimen", "result"},
        *{"conclusion", "conclusionCode", "presentedForm"},
    },
    "Observation": {
        *{"resourceType", "identifier", "status", "category", "code", "subject", "issued"},
        *{"performer", "valueQuantity", "dataAbsentReason", "interpretation", "note", "method"},
        *{"specimen", "device", "referenceRange", "hasMember", "component"},
    },
    "Device": {
        *{"resourceType", "identifier", "status", "manufacturer", "deviceName", "modelNumber"},
        *{"type", "version", "note"},
    },
}
"""What R4 (4.0.1) has, as far as it may be used; nothing that came with R4B or R5."""
LOINC = {
    "neutrophil": "26511-6",
    "lymphocyte": "26478-8",
    "monocyte": "26485-3",
    "eosinophil": "26450-7",
    "basophil": "30180-4",
}


def resources(report: Report, kind: str) -> list[dict[str, Any]]:
    """Give the resources of a kind, as another system reads them."""
    document = json.loads(bundle_of(report))
    found = (entry["resource"] for entry in document["entry"])
    return [one for one in found if one["resourceType"] == kind]


def members(report: Report) -> dict[str, dict[str, Any]]:
    """Give the observations but for the panel, by the text of their code."""
    panel, *others = resources(report, "Observation")
    assert panel["code"]["coding"][0]["code"] == PANEL[0]
    return {one["code"]["text"]: one for one in others}


def texts(value: Any) -> Iterator[str]:
    """Walk a document's texts and names."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield name
            yield from texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from texts(part)
    else:
        yield str(value)


def test_codes_are_those_of_the_field() -> None:
    assert {label: code for label, (code, _) in CODES.items()} == LOINC
    assert PANEL[0] == "69738-3"
    traps = {"24318-8", "26508-2", "711-2"}
    assert not traps & {code for code, _ in CODES.values()}


@pytest.mark.parametrize(
    ("signatures", "status"),
    [
        pytest.param((), "preliminary", id="preliminary"),
        pytest.param((FIRST,), "final", id="final"),
        pytest.param((FIRST, SECOND), "amended", id="amended"),
    ],
)
def test_bundle_is_valid_and_says_how_far_the_report_is(
    signatures: tuple[Any, ...], status: str
) -> None:
    report = signed(make_report(), *signatures) if signatures else make_report()
    bundle = Bundle.model_validate_json(bundle_of(report))
    assert bundle.type == "collection"
    for kind in ("DiagnosticReport", "Observation"):
        assert {one["status"] for one in resources(report, kind)} == {status}
    (made,) = resources(report, "DiagnosticReport")
    assert made["category"][0]["coding"][0]["code"] == "LAB"
    assert made["code"]["coding"][0]["code"] == "69738-3"


def test_demonstration_is_marked_as_test_data() -> None:
    document = bundle_of(replace(make_report(), is_demonstration=True))
    bundle = Bundle.model_validate_json(document)
    assert [(one.system, one.code) for one in bundle.meta.security] == [
        ("http://terminology.hl7.org/CodeSystem/v3-ActReason", "HTEST")
    ]
    assert "meta" not in json.loads(bundle_of(make_report()))


def test_only_elements_that_r4_has_are_used() -> None:
    people = {1: "band", 2: "erythroblast", 3: "smudge"}
    report = signed(make_report(people=people, white_count=7.3), FIRST, SECOND)
    document = json.loads(bundle_of(report))
    assert document.keys() <= R4["Bundle"]
    for entry in document["entry"]:
        resource = entry["resource"]
        assert resource.keys() <= R4[resource["resourceType"]]


def test_bundle_that_is_not_valid_is_no_bundle() -> None:
    document = bundle_document(make_report())
    document["entry"][0]["resource"]["subjects"] = []
    with pytest.raises(ValidationError):
        Bundle.model_validate(document)


def test_panel_has_members_and_no_value() -> None:
    document = json.loads(bundle_of(make_report()))
    places = {entry["fullUrl"]: entry["resource"] for entry in document["entry"]}
    report, panel = (entry["resource"] for entry in document["entry"][:2])
    assert report["result"] == [{"reference": document["entry"][1]["fullUrl"]}]
    assert not [name for name in panel if name.startswith("value")]
    found = [places[member["reference"]] for member in panel["hasMember"]]
    assert len(found) == 5
    assert all(one["resourceType"] == "Observation" for one in found)
    assert NOTICE in [note["text"] for note in panel["note"]]


def test_member_is_a_share_in_percent_with_range_limits_and_verdict() -> None:
    found = members(make_report())
    eosinophils = found["Eosinophils/100 leukocytes in Blood"]
    percent = {"unit": "%", "system": "http://unitsofmeasure.org", "code": "%"}
    assert eosinophils["code"]["coding"][0]["code"] == "26450-7"
    assert eosinophils["valueQuantity"] == {"value": 9.76, **percent}
    assert eosinophils["referenceRange"] == [
        {"low": {"value": 1.0, **percent}, "high": {"value": 4.0, **percent}, "text": "Adults"}
    ]
    assert eosinophils["interpretation"][0]["coding"][0]["code"] == "H"
    parts = {part["code"]["text"]: part for part in eosinophils["component"]}
    assert parts["Cells"]["valueInteger"] == 12
    assert parts["Cells counted in all"]["valueInteger"] == 123
    assert parts["Lower exact 95 % limit"]["valueQuantity"]["value"] == 5.14
    assert parts["Upper exact 95 % limit"]["valueQuantity"]["value"] == 16.42


def test_what_is_undecided_has_no_code() -> None:
    (interpretation,) = members(make_report())["Lymphocytes/100 leukocytes in Blood"][
        "interpretation"
    ]
    assert "coding" not in interpretation
    assert interpretation["text"].startswith("Within, but the limits reach")


def test_class_without_code_has_a_text_only() -> None:
    own = (Label("own_hairy", "2", Count.WHITE, "Hairy cell"),)
    found = members(make_report(people={1: "band", 2: "own_hairy", 3: "erythroblast"}, own=own))
    for text in ("Band neutrophils", "Hairy cell", "Erythroblasts"):
        assert found[text]["code"] == {"text": text}
    assert found["Erythroblasts"]["valueQuantity"]["code"] == "/100{WBCs}"
    assert "Smudge cells" not in found


def test_count_in_blood_is_a_component_in_ucum() -> None:
    found = members(make_report(white_count=7.3))["Neutrophils/100 leukocytes in Blood"]
    counts = {part["code"]["text"]: part for part in found["component"]}
    assert counts["Count in blood"]["valueQuantity"] == {
        "value": 3.68,
        "unit": "10*9/L",
        "system": "http://unitsofmeasure.org",
        "code": "10*9/L",
    }


def test_model_is_a_device_with_version_and_hash() -> None:
    report = make_report()
    (device,) = resources(report, "Device")
    assert device["version"][0]["value"] == MODEL.version
    assert device["identifier"][0]["value"] == MODEL.sha256
    assert device["deviceName"][0]["name"] == "HematoVision blood_cell"
    observations = resources(report, "Observation")
    assert len({one["device"]["reference"] for one in observations}) == 1


def test_what_several_models_made_names_none_alone() -> None:
    report = replace(make_report(), models=(MODEL, ModelIdentity("blood_cell", "2", "cd" * 32)))
    assert len(resources(report, "Device")) == 2
    assert not [one for one in resources(report, "Observation") if "device" in one]


def test_nothing_of_a_patient_is_in_it_but_the_accession_number() -> None:
    report = signed(make_report(), FIRST)
    document = json.loads(bundle_of(report))
    names = set(texts(document))
    assert not names & {"subject", "Patient", "patient", "encounter", "specimen"}
    (made,) = resources(report, "DiagnosticReport")
    assert [one["value"] for one in made["identifier"]] == ["26-0837"]
    assert made["identifier"][0]["type"]["coding"][0]["code"] == "ACSN"


def test_amended_report_says_what_it_replaces_and_where_the_record_says_so() -> None:
    (made,) = resources(signed(make_report(), FIRST, SECOND), "DiagnosticReport")
    said = made["text"]["div"]
    assert "It replaces version 1: Two bands were taken for segmented cells." in said
    assert "Audit event 4711" in said
    assert NOTICE in said
    assert made["resultsInterpreter"] == [{"display": "Núria Łuczak"}]
    assert made["issued"] == "2026-11-25T22:00:00Z"


def test_version_that_was_amended_since_says_what_replaced_it() -> None:
    report = replace(signed(make_report(), FIRST), replaced_by=2)
    (made,) = resources(report, "DiagnosticReport")
    assert made["status"] == "final"
    assert "It was replaced by version 2." in made["text"]["div"]


def test_name_that_looks_like_markup_is_text() -> None:
    one = replace(FIRST, name="<b>Okafor</b> & Co.")
    (made,) = resources(signed(make_report(), one), "DiagnosticReport")
    assert "&lt;b&gt;Okafor&lt;/b&gt; &amp; Co." in made["text"]["div"]


def test_version_has_the_same_addresses_whenever_it_is_handed_over() -> None:
    first = signed(make_report(), FIRST)
    later = replace(first, made_at=first.made_at.replace(hour=23))
    second = signed(make_report(), FIRST, SECOND)
    urls = [[entry["fullUrl"] for entry in bundle_document(one)["entry"]] for one in (first, later)]
    assert urls[0] == urls[1]
    others = {entry["fullUrl"] for entry in bundle_document(second)["entry"]}
    assert len(others & set(urls[0])) == 1


def test_case_without_cells_says_that_nothing_was_counted() -> None:
    (panel,) = resources(make_report([]), "Observation")
    assert panel["dataAbsentReason"]["coding"][0]["code"] == "not-performed"
    assert "hasMember" not in panel
