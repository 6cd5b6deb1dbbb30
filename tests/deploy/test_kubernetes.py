"""What the manifests promise beyond their form."""

from typing import Any

import pytest
import yaml
from tests.deploy.deployed import KUBERNETES, manifest, manifests

PODS = [("Deployment", "web"), ("Deployment", "worker"), ("Job", "prepare")]
KUSTOMIZATION = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())
BESIDE = {"kustomization.yaml", "secret.example.yaml", "autoscaling-queue.yaml"}


def pod_of(kind: str, name: str) -> dict[str, Any]:
    pod: dict[str, Any] = manifest(kind, name)["spec"]["template"]["spec"]
    return pod


def test_every_file_is_applied_but_examples() -> None:
    files = {file.name for file in KUBERNETES.glob("*.yaml")}
    assert files - set(KUSTOMIZATION["resources"]) == BESIDE
    assert len(set(KUSTOMIZATION["resources"])) == len(KUSTOMIZATION["resources"])


def test_namespace_takes_restricted_pods_alone() -> None:
    namespace = manifest("Namespace", KUSTOMIZATION["namespace"])
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize(("kind", "name"), PODS)
def test_pod_is_restricted(kind: str, name: str) -> None:
    pod = pod_of(kind, name)
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    (box,) = pod["containers"]
    assert box["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"cpu", "memory"} <= set(box["resources"]["requests"])
    assert "memory" in box["resources"]["limits"]
    written = {mount["name"] for mount in box["volumeMounts"] if not mount.get("readOnly")}
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert {"emptyDir" in volumes[name] for name in written} == {True}


@pytest.mark.parametrize(("kind", "name"), PODS)
def test_all_that_a_pod_asks_for_is_made_here_or_in_the_example(kind: str, name: str) -> None:
    made = {
        (one["kind"], one["metadata"]["name"]): one for _, one in manifests() if "metadata" in one
    }
    pod = pod_of(kind, name)
    assert ("ServiceAccount", pod["serviceAccountName"]) in made
    (box,) = pod["containers"]
    assert [("ConfigMap", one["configMapRef"]["name"]) in made for one in box["envFrom"]] == [True]
    mounted = [(v["secret"], v["name"]) for v in pod["volumes"] if "secret" in v]
    secrets = {one["secretName"]: name for one, name in mounted if not one.get("optional")}
    places = {mount["name"]: mount["mountPath"] for mount in box["volumeMounts"]}
    files = {
        f"{places[volume]}/{key}"
        for secret, volume in secrets.items()
        for key in made["Secret", secret]["stringData"]
    }
    data = manifest("ConfigMap", "hematovision")["data"]
    assert {text for name, text in data.items() if name.endswith("_FILE")} <= files
    assert {
        f"{data['HEMATOVISION_KEYS_FOLDER']}/{key}_key" for key in ("secret", "data", "audit")
    } <= files


def test_no_request_is_lost_while_pods_are_replaced() -> None:
    rolling = {"maxUnavailable": 0, "maxSurge": 1}
    assert manifest("Deployment", "web")["spec"]["strategy"]["rollingUpdate"] == rolling
    pod = pod_of("Deployment", "web")
    (box,) = pod["containers"]
    waits = box["lifecycle"]["preStop"]["sleep"]["seconds"]
    drains = int(manifest("ConfigMap", "hematovision")["data"]["HEMATOVISION_DRAIN_SECONDS"])
    config: dict[str, Any] = {}
    text = (KUBERNETES.parent / "gunicorn.conf.py").read_text()
    exec(  # noqa: S102 - a line of our own file
        next(line for line in text.splitlines() if line.startswith("graceful_timeout")), config
    )
    assert waits + drains + config["graceful_timeout"] < pod["terminationGracePeriodSeconds"]


@pytest.mark.parametrize("name", ["web", "worker"])
def test_pods_are_scaled_spread_and_taken_away_one_by_one(name: str) -> None:
    deployment = manifest("Deployment", name)
    assert "replicas" not in deployment["spec"]
    labels = deployment["spec"]["selector"]["matchLabels"]
    assert deployment["spec"]["template"]["metadata"]["labels"] == labels
    scaling = [one for _, one in manifests() if one["kind"] == "HorizontalPodAutoscaler"]
    of_this = [one for one in scaling if one["spec"]["scaleTargetRef"]["name"] == name]
    assert {one["spec"]["minReplicas"] for one in of_this} == {2}
    assert manifest("PodDisruptionBudget", name)["spec"]["selector"]["matchLabels"] == labels
    spread = deployment["spec"]["template"]["spec"]["topologySpreadConstraints"]
    assert {one["topologyKey"] for one in spread} == {
        "kubernetes.io/hostname",
        "topology.kubernetes.io/zone",
    }
    assert all(one["labelSelector"]["matchLabels"] == labels for one in spread)


def test_worker_reads_no_more_at_once_than_its_memory_holds_whatever_the_node() -> None:
    (box,) = pod_of("Deployment", "worker")["containers"]
    assert "cpu" not in box["resources"]["limits"]
    assert box["command"] == ["hematovision", "worker", "--readers", "2"]


def test_nobody_is_reached_but_by_what_is_listed() -> None:
    nobody = manifest("NetworkPolicy", "nobody")["spec"]
    assert nobody == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    let_in = [
        one["metadata"]["name"]
        for _, one in manifests()
        if one["kind"] == "NetworkPolicy" and one["spec"].get("ingress")
    ]
    assert let_in == ["web"]


def test_ingress_leads_to_the_web_servers_under_the_host_that_is_trusted() -> None:
    ingress, service = manifest("Ingress", "web")["spec"], manifest("Service", "web")
    (rule,) = ingress["rules"]
    assert [rule["host"]] == ingress["tls"][0]["hosts"]
    hosts = manifest("ConfigMap", "hematovision")["data"]["HEMATOVISION_TRUSTED_HOSTS"]
    assert rule["host"] in hosts.split(",")
    (path,) = rule["http"]["paths"]
    assert path["backend"]["service"]["name"] == service["metadata"]["name"]
    labels = manifest("Deployment", "web")["spec"]["selector"]["matchLabels"]
    assert service["spec"]["selector"] == labels


def test_no_secret_of_the_example_is_one() -> None:
    for file, document in manifests():
        if document["kind"] == "Secret":
            assert file == "secret.example.yaml"
            for text in document["stringData"].values():
                assert text == "64 hexadecimal digits" or "PASSWORD" in text or "SECRET" in text
