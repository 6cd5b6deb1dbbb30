"""A report as FHIR R4: a Bundle that other systems of a hospital understand.

It has only elements that R4 (4.0.1) has, and is checked by the R4B classes of fhir.resources, which
know the same elements for these resources. It holds nothing of a patient: no subject, and no other
identifier than the laboratory's accession number.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from hematovision.cells import NOTICE, ModelIdentity
from hematovision.differential import Beside, Measure, Part, Range, Verdict
from hematovision.exchange.report import Report
from hematovision.exchange.speech import ENGLISH

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"
PANEL = ("69738-3", "Differential panel, method unspecified - Blood")
CODES: Mapping[str, tuple[str, str]] = {
    "neutrophil": ("26511-6", "Neutrophils/100 leukocytes in Blood"),
    "lymphocyte": ("26478-8", "Lymphocytes/100 leukocytes in Blood"),
    "monocyte": ("26485-3", "Monocytes/100 leukocytes in Blood"),
    "eosinophil": ("26450-7", "Eosinophils/100 leukocytes in Blood"),
    "basophil": ("30180-4", "Basophils/100 leukocytes in Blood"),
}
"""LOINC, % of leukocytes in blood, method unspecified; other classes have a text only."""
INTERPRETATIONS = {
    Verdict.BELOW: ("L", "Low"),
    Verdict.WITHIN: ("N", "Normal"),
    Verdict.ABOVE: ("H", "High"),
}
"""What is settled has a code; what is not has a text, for no code says “undecided”."""
UNSETTLED = {
    Verdict.MAYBE_BELOW: "Low, but the limits reach into the reference range",
    Verdict.UNDECIDED: "Within, but the limits reach out of the reference range",
    Verdict.MAYBE_ABOVE: "High, but the limits reach into the reference range",
}
Resource = dict[str, Any]

TEST_DATA = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason",
    "code": "HTEST",
    "display": "test health data",
}
"""By which other systems know that a demonstration's report is of no patient."""


def bundle_of(report: Report) -> str:
    """Write a report as a FHIR R4 Bundle, as JSON.

    Raises:
        pydantic.ValidationError: If it is no valid Bundle, which is a bug.
    """
    from fhir.resources.R4B.bundle import Bundle

    bundle = Bundle.model_validate(bundle_document(report))
    return str(bundle.model_dump_json(indent=2))


def bundle_document(report: Report) -> Resource:
    """Lay out a report as the document of a Bundle."""
    entries = list(_entries(report))
    return {
        "resourceType": "Bundle",
        **({"meta": {"security": [TEST_DATA]}} if report.is_demonstration else {}),
        "identifier": {"system": "urn:ietf:rfc:3986", "value": _urn(report, "bundle")},
        "type": "collection",
        "timestamp": _instant(report.made_at),
        "entry": [{"fullUrl": urn, "resource": resource} for urn, resource in entries],
    }


def _entries(report: Report) -> Iterator[tuple[str, Resource]]:
    members = [
        (_urn(report, f"member {code}"), _member(report, code, body))
        for code, body in _measured(report)
    ]
    panel = _urn(report, "panel")
    yield _urn(report, "report"), _diagnostic_report(report, panel)
    yield panel, _panel(report, [urn for urn, _ in members])
    yield from members
    yield from ((_device_urn(one), _device(one)) for one in report.models)


def _diagnostic_report(report: Report, panel: str) -> Resource:
    made: Resource = {
        "resourceType": "DiagnosticReport",
        "text": _narrative(report),
        "identifier": [_accession(report)],
        "status": str(report.status),
        "category": [_concept(TERMINOLOGY + "v2-0074", "LAB", "Laboratory")],
        "code": _concept(LOINC, *PANEL),
        "issued": _instant(report.signed.at if report.signed else report.made_at),
        "result": [{"reference": panel}],
    }
    if report.signed:
        made["resultsInterpreter"] = [{"display": report.signed.name}]
    return made


def _panel(report: Report, members: list[str]) -> Resource:
    """Make the panel: it has no value, only members."""
    notes = [NOTICE, _standing(report)]
    made: Resource = _observation(report, _concept(LOINC, *PANEL)) | {
        "hasMember": [{"reference": urn} for urn in members],
        "note": [{"text": text} for text in notes],
    }
    if not members:
        del made["hasMember"]
        made["dataAbsentReason"] = _concept(
            TERMINOLOGY + "data-absent-reason", "not-performed", "Not Performed"
        )
    return made


def _measured(report: Report) -> Iterator[tuple[str, Resource]]:
    """Give what was measured, by the code of the label."""
    for part in report.differential.parts:
        if part.share:
            yield part.code, _share(part, part.share, report)
    for row in report.differential.beside:
        if row.rate and row.number:
            yield row.code, _rate(row, row.rate)


def _share(part: Part, share: Measure, report: Report) -> Resource:
    name = report.band.name or "Adults" if report.band else ""
    body: Resource = {
        "valueQuantity": _percent(share.value),
        "component": [
            _component("Cells", {"valueInteger": part.number}),
            _component("Cells counted in all", {"valueInteger": report.differential.counted}),
            _component("Lower exact 95 % limit", {"valueQuantity": _percent(share.low)}),
            _component("Upper exact 95 % limit", {"valueQuantity": _percent(share.high)}),
        ],
    }
    if part.absolute:
        litre = _quantity(part.absolute.value, "10*9/L", decimals=3)
        body["component"].append(_component("Count in blood", {"valueQuantity": litre}))
    if share.range:
        body["referenceRange"] = [_reference(share.range, name)]
    if share.verdict:
        body["interpretation"] = [_interpretation(share.verdict)]
    return body


def _rate(row: Beside, rate: Measure) -> Resource:
    unit = "/100{WBCs}"
    low, high = _quantity(rate.low, unit), _quantity(rate.high, unit)
    return {
        "valueQuantity": _quantity(rate.value, unit),
        "component": [
            _component("Cells", {"valueInteger": row.number}),
            _component("Lower exact 95 % limit", {"valueQuantity": low}),
            _component("Upper exact 95 % limit", {"valueQuantity": high}),
        ],
    }


def _member(report: Report, code: str, body: Resource) -> Resource:
    text = ENGLISH.name(code, 2, report.own)
    named = {"text": text[:1].upper() + text[1:]}
    if code in CODES:
        named = _concept(LOINC, *CODES[code])
    return _observation(report, named) | body


def _observation(report: Report, code: Resource) -> Resource:
    """Make what all observations have; one that several models made names none of them alone."""
    made: Resource = {
        "resourceType": "Observation",
        "status": str(report.status),
        "category": [_concept(TERMINOLOGY + "observation-category", "laboratory", "Laboratory")],
        "code": code,
        "issued": _instant(report.signed.at if report.signed else report.made_at),
    }
    if len(report.models) == 1:
        made["device"] = {"reference": _device_urn(report.models[0])}
    return made


def _device(model: ModelIdentity) -> Resource:
    return {
        "resourceType": "Device",
        "identifier": [{"type": {"text": "sha256 of the model folder"}, "value": model.sha256}],
        "deviceName": [{"name": f"HematoVision {model.name}", "type": "model-name"}],
        "type": {"text": "Software that finds and names white cells in photographs"},
        "version": [{"type": {"text": "Model"}, "value": model.version}],
        "note": [{"text": NOTICE}],
    }


def _narrative(report: Report) -> Resource:
    """Say for people what the report is, and that it is for research only."""
    from html import escape

    said = "".join(f"<p>{escape(text)}</p>" for text in (_standing(report), NOTICE))
    div = f'<div xmlns="http://www.w3.org/1999/xhtml">{said}</div>'
    return {"status": "additional", "div": div}


def _standing(report: Report) -> str:
    """Say how far the report is, what it replaces, and where the record says so."""
    said = [f"White cell differential of {report.accession}: {report.status}."]
    if report.signed:
        account = f" (account {report.signed.account})" if report.signed.account else ""
        said.append(f"Version {report.version}, signed by {report.signed.name}{account}.")
    if report.replaced and report.signed:
        said.append(f"It replaces version {report.replaced.version}: {report.signed.reason}")
    if report.replaced_by:
        said.append(f"It was replaced by version {report.replaced_by}.")
    if report.proof:
        said.append(f"Audit event {report.proof.event_id} {report.proof.digest}".strip() + ".")
    return " ".join(said)


def _accession(report: Report) -> Resource:
    return {
        "type": _concept(TERMINOLOGY + "v2-0203", "ACSN", "Accession ID"),
        "value": report.accession,
    }


def _concept(system: str, code: str, display: str) -> Resource:
    return {"coding": [{"system": system, "code": code, "display": display}], "text": display}


def _component(name: str, value: Resource) -> Resource:
    return {"code": {"text": name}} | value


def _percent(value: float) -> Resource:
    return _quantity(value, "%")


def _quantity(value: float, unit: str, decimals: int = 2) -> Resource:
    return {"value": round(value, decimals), "unit": unit, "system": UCUM, "code": unit}


def _reference(limits: Range, name: str) -> Resource:
    low, high = _percent(limits.low), _percent(limits.high)
    return {"low": low, "high": high} | ({"text": name} if name else {})


def _interpretation(verdict: Verdict) -> Resource:
    if verdict in INTERPRETATIONS:
        return _concept(TERMINOLOGY + "v3-ObservationInterpretation", *INTERPRETATIONS[verdict])
    return {"text": UNSETTLED[verdict]}


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds")


def _urn(report: Report, part: str) -> str:
    """Give an address that is the same whenever this version is handed over."""
    version = report.version or f"unsigned {_instant(report.made_at)}"
    of = f"hematovision {report.accession} {report.case_id} {version} {part}"
    return uuid5(NAMESPACE_URL, of).urn


def _device_urn(model: ModelIdentity) -> str:
    return uuid5(NAMESPACE_URL, f"hematovision model {model.sha256}").urn
