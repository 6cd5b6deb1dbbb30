"""What is handed to Grafana and Prometheus asks for numbers that there are."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from flask import Flask
from prometheus_client.parser import text_string_to_metric_families
from tests.web.conftest import settings  # noqa: F401 - a fixture
from tests.web.test_metrics import SHOWN, watched  # noqa: F401 - a fixture

from hematovision.observing import signals
from hematovision.observing.kept import Kept
from hematovision.observing.signals import Stage
from hematovision.services.shares import Part
from hematovision.web.metrics import KEY

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana/hematovision.json").read_text())
ALERTS = yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text())
NUMBER = re.compile(r"\b((?:hematovision|process)_[a-z_]+)(\{[^}]*\})?")
LABELS_OF_PROMETHEUS = {"job", "instance"}

EXPRESSIONS = {
    f"{panel['title']} {target['refId']}": target["expr"]
    for panel in DASHBOARD["panels"]
    for target in panel["targets"]
} | {rule["alert"]: rule["expr"] for group in ALERTS["groups"] for rule in group["rules"]}


@pytest.fixture
def labels_of(watched: Flask) -> dict[str, set[str]]:  # noqa: F811
    """Say which numbers there are, and with which labels."""
    collector = watched.extensions[KEY].collector
    found = replace(collector._kept.make(), outside={"focus": Part(1, 2)})
    collector._kept = Kept(lambda: found, 0.0, 60.0)
    watched.test_client().get("/healthz")
    with signals.stage(Stage.DECODE):
        text = watched.test_client().get("/metrics", headers=SHOWN).text
    text += watched.test_client().get("/metrics", headers=SHOWN).text
    labels: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels.setdefault(sample.name, set()).update(sample.labels)
    return labels


def test_every_number_that_is_asked_for_is_kept(labels_of: dict[str, set[str]]) -> None:
    assert EXPRESSIONS
    for place, expression in EXPRESSIONS.items():
        for name, selector in NUMBER.findall(expression):
            assert name in labels_of, place
            asked = set(re.findall(r"(\w+)(?:=~|!~|!=|=)", selector))
            assert asked <= labels_of[name] | LABELS_OF_PROMETHEUS, place


def test_every_panel_can_be_told_apart_and_asks_the_chosen_source() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({panel["title"] for panel in panels}) == len(panels)
    assert all(panel["datasource"]["uid"] == "${datasource}" for panel in panels)
    variables = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    assert {"job", "instance"} <= variables.keys()


def test_no_panel_lies_on_another() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        places = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not places & taken
        assert at["x"] + at["w"] <= 24
        taken |= places


def test_every_alert_is_in_the_documentation() -> None:
    page = (DEPLOY.parent / "docs/observability.md").read_text()
    for group in ALERTS["groups"]:
        for rule in group["rules"]:
            assert f"| `{rule['alert']}` |" in page
            assert rule["annotations"]["summary"]
            assert rule["labels"]["severity"] in {"critical", "warning"}


def test_every_number_is_in_the_documentation(labels_of: dict[str, set[str]]) -> None:
    page = (DEPLOY.parent / "docs/observability.md").read_text()
    names = {
        re.sub("_(bucket|count|sum)$", "", name)
        for name in labels_of
        if name.startswith("hematovision")
    }
    assert {name for name in names if f"| `{name}` |" not in page} == set()
