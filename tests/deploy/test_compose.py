"""What compose.yaml promises: nobody has more than they need, and nothing starts too early."""

import re
from typing import Any

import pytest
from tests.deploy.deployed import ROOT, compose

SERVICES = compose()["services"]
EVERY = [pytest.param(service, id=name) for name, service in SERVICES.items()]


@pytest.mark.parametrize("service", EVERY)
def test_container_is_closed(service: dict[str, Any]) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] in {"unless-stopped", "on-failure", "no"}
    if "deploy" in service:
        assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}


def test_proxy_alone_has_a_door_to_the_machine() -> None:
    assert {name for name, service in SERVICES.items() if "ports" in service} == {"proxy"}
    networks = compose()["networks"]
    assert {name for name, network in networks.items() if network.get("internal")} == {
        "front",
        "back",
    }
    on_front = {name for name, service in SERVICES.items() if "front" in service["networks"]}
    # What comes from this network is believed to come from a proxy.
    assert on_front == {"proxy", "web"}
    (subnet,) = networks["front"]["ipam"]["config"]
    assert SERVICES["web"]["environment"]["HEMATOVISION_TRUSTED_PROXY"] == subnet["subnet"]
    for store in ("postgres", "redis", "s3"):
        assert SERVICES[store]["networks"] == ["back"]


def test_only_what_has_a_health_is_waited_for() -> None:
    for service in SERVICES.values():
        for name, wanted in service.get("depends_on", {}).items():
            other = SERVICES[name]
            if wanted["condition"] == "service_healthy":
                own = other.get("healthcheck") or {}
                assert "test" in own or name == "web"  # whose image has one
            else:
                assert other["restart"] in {"on-failure", "no"}


def test_no_secret_is_a_variable() -> None:
    for service in SERVICES.values():
        for name, text in service.get("environment", {}).items():
            if re.search("PASSWORD|SECRET|TOKEN|CREDENTIALS|DATABASE", name):
                assert name.endswith(("_FILE", "_DB"))
                assert str(text).startswith("/run/secrets/") or name == "POSTGRES_DB"


def test_every_secret_is_made_by_the_script_and_kept_out_of_git() -> None:
    script = (ROOT / "deploy/secrets.sh").read_text()
    for name, secret in compose()["secrets"].items():
        assert secret["file"] == f"./secrets/{name}"
        assert f"keep {name} " in script or f'"$folder/{name}"' in script
    assert "secrets/" in (ROOT / ".gitignore").read_text().splitlines()
    listed = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in listed
    assert not [line for line in listed if line.startswith("!") and "secret" in line]


def test_two_web_servers_and_two_workers_share_keys_and_pictures_alone() -> None:
    web, worker = SERVICES["web"], SERVICES["worker"]
    assert (web["deploy"]["replicas"], worker["deploy"]["replicas"]) == (2, 2)
    for service in (web, worker):
        assert service["volumes"] == ["keys:/keys", "shared:/shared"]
    assert web["environment"] == worker["environment"]


def test_what_depends_on_an_address_says_so_when_it_is_missing() -> None:
    with pytest.raises(KeyError, match="HEMATOVISION_TRUSTED_HOSTS"):
        compose(HEMATOVISION_TRUSTED_HOSTS="")


def test_volumes_begin_as_folders_of_the_image_that_belong_to_its_user() -> None:
    made = (ROOT / "Dockerfile").read_text().partition("install --directory")[2].partition("\n")[0]
    ours = [one for one in SERVICES.values() if "hematovision" in one["image"]]
    for service in ours:
        for volume in service["volumes"]:
            assert volume.partition(":")[2] in made.split()


def test_models_are_exported_by_an_image_that_can() -> None:
    assert SERVICES["models"]["build"]["args"] == {"EXTRAS": "export"}
    assert SERVICES["models"]["image"] != SERVICES["web"]["image"]
