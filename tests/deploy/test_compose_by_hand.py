"""compose.yaml's services, started by hand on loopback: all that people do, while machines go."""

import re
import shutil
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests
from tests.conftest import skip_or_fail
from tests.databases import postgres, redis
from tests.deploy.containers import HOST, Container, Machine, machine, nginx
from tests.deploy.deployed import ROOT
from tests.installations import field_pictures
from tests.objects import objects
from tests.vision.networks import write_tiny_model

PHOTOS = 30
REQUESTS = 50
SECONDS = 30
FOLDER = "secrets"


@dataclass(slots=True)
class Laboratory:
    """All services of compose.yaml, which run, and a browser before the proxy.

    Attributes:
        machine: What runs them.
        web: The web servers.
        workers: The workers.
        url: Of the proxy, without a slash at the end.
        certificate: Of the proxy.
        browser: Somebody's.
    """

    machine: Machine
    web: list[Container]
    workers: list[Container]
    url: str
    certificate: str
    browser: requests.Session = field(default_factory=requests.Session)

    def get(self, path: str) -> requests.Response:
        return self.browser.get(self.url + path, timeout=SECONDS)

    def send(self, path: str, page: str, **given: object) -> requests.Response:
        """Send the form of a page."""
        hidden = dict(re.findall(r'name="(\w+)" value="([^"]*)"', self.get(page).text))
        data = hidden | {k: v for k, v in given.items() if k != "files"}
        headers = {"Referer": self.url + page, "Accept": "text/html"}
        return self.browser.post(
            self.url + path, data=data, files=given.get("files"), headers=headers, timeout=SECONDS
        )


@pytest.fixture
def laboratory(tmp_path: Path) -> Iterator[Laboratory]:
    """Start everything in the order that compose.yaml says."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin")
    openssl = shutil.which("openssl")
    if program is None or openssl is None:
        skip_or_fail("there is no nginx or no openssl: apt-get install nginx openssl")
    with ExitStack() as stack:
        try:
            database = stack.enter_context(postgres())
            queue = stack.enter_context(redis())
            store = stack.enter_context(objects())
        except LookupError as error:
            skip_or_fail(str(error))
        secrets = tmp_path / FOLDER
        subprocess.run(  # noqa: S603 - our own script
            ["/bin/sh", "deploy/secrets.sh", HOST, secrets],
            cwd=ROOT,
            check=True,
            capture_output=True,
        )
        (secrets / "database_url").write_text(database.make_bare())
        (tmp_path / "keys").mkdir(mode=0o700)
        made = stack.enter_context(
            machine(
                tmp_path,
                variables={
                    "HEMATOVISION_TRUSTED_HOSTS": HOST,
                    "HEMATOVISION_PICTURES_URL": f"{store.make_bucket()}/pictures",
                    "HEMATOVISION_THREADS": "1",
                    "AWS_ENDPOINT_URL": store.url,
                    "AWS_DEFAULT_REGION": store.environment["AWS_DEFAULT_REGION"],
                },
                replaced={
                    "/run/secrets": str(secrets),
                    "/keys": str(tmp_path / "keys"),
                    "redis://redis:6379/0": queue.address,
                    "172.30.57.0/24": "127.0.0.1",
                },
                given={
                    "HEMATOVISION_MODEL_FOLDER": str(write_tiny_model(tmp_path / "model")),
                    "HEMATOVISION_DECODERS": "1",
                    "HEMATOVISION_DRAIN_SECONDS": "1",
                    "HEMATOVISION_RATE_LIMIT": "off",
                },
            )
        )
        made.make("prepare").run()
        web, workers = made.replicas("web"), made.replicas("worker")
        for container in [*web, *workers]:
            container.start()
        for container in web:
            made.until(lambda container=container: container.is_healthy)  # type: ignore[misc]
        proxy = tmp_path / "nginx"
        proxy.mkdir()
        port = stack.enter_context(nginx(program, proxy, [one.port for one in web], secrets))
        found = Laboratory(
            made, web, workers, f"https://{HOST}:{port}", str(secrets / "tls_certificate")
        )
        # Certificates that a machine trusts are not ours.
        found.browser.trust_env, found.browser.verify = False, found.certificate
        made.until(lambda: answers(found), 20)
        with found.browser:
            yield found


def answers(laboratory: Laboratory) -> bool:
    try:
        return laboratory.get("/healthz").ok
    except requests.ConnectionError:
        return False


def sign_in(laboratory: Laboratory) -> requests.Response:
    password = (laboratory.machine.folder / FOLDER / "admin_password").read_text().strip()
    return laboratory.send("/sign-in", "/sign-in", name="administrator", password=password)


def read_by(container: Container) -> int:
    """Say how many photos a worker has read."""
    return sum(map(int, re.findall(r"Photos read: (\d+)", container.said)))


def test_services_of_compose_do_their_work_while_machines_go(laboratory: Laboratory) -> None:
    home, web = laboratory.machine, laboratory.web
    signed_in = sign_in(laboratory)
    assert signed_in.ok
    (cookie,) = [one for one in laboratory.browser.cookies if "hematovision" in one.name]
    assert cookie.name.startswith("__Host-")
    assert cookie.secure
    assert "Strict-Transport-Security" in signed_in.headers

    # Photos of a case, read by both workers, shown by both web servers.
    assert laboratory.send("/cases", "/cases", accession="26-0837").ok
    files = [("photos", (f"{n}.png", one)) for n, one in enumerate(field_pictures(PHOTOS))]
    assert laboratory.send("/cases/1/photos", "/cases/1", files=files).ok
    home.until(lambda: sum(map(read_by, laboratory.workers)) == PHOTOS)
    assert all(read_by(worker) for worker in laboratory.workers)
    for _ in web:
        gallery = laboratory.get("/cases/1/review")
        assert gallery.ok
        assert "26-0837" in gallery.text
        assert (
            laboratory.get("/cases/1/cells/1.jpg?side=64").headers["Content-Type"] == "image/jpeg"
        )

    # A program, with a token that the same image makes at the terminal.
    words = ("hematovision", "users", "token", "administrator", "--scope", "read_photos")
    token = home.make("web", command=words).run().split()[0]
    read = requests.post(
        f"{laboratory.url}/api/v1/readings",
        files={"photos": ("smear.png", field_pictures(1)[0])},
        headers={"Authorization": f"Bearer {token}"},
        verify=laboratory.certificate,
        timeout=SECONDS,
    )
    assert read.ok, read.text

    # The numbers are for who asks inside.
    assert laboratory.get("/metrics").status_code == 404

    # A machine that is gone from one moment to the next.
    web[0].kill()
    assert Counter(laboratory.get("/cases/1").status_code for _ in range(20)) == {200: 20}
    web[0].start()
    home.until(lambda: web[0].is_healthy)

    # Another version, machine by machine, while somebody asks all the time.
    found: Counter[object] = Counter()
    is_over = threading.Event()
    asking = threading.Thread(target=ask, args=(laboratory, found, is_over))
    asking.start()
    try:
        for container in web:
            container.stop()
            container.start()
            home.until(lambda container=container: container.is_healthy)  # type: ignore[misc]
    finally:
        is_over.set()
        asking.join()
    assert set(found) == {200}
    assert found[200] >= REQUESTS


def ask(laboratory: Laboratory, found: "Counter[object]", is_over: threading.Event) -> None:
    """Ask until it is over, and as often as is wanted; say what was answered."""
    while not is_over.is_set() or found.total() < REQUESTS:
        try:
            found[laboratory.get("/cases/1").status_code] += 1
        except requests.RequestException as error:
            found[repr(error)] += 1
        time.sleep(0.05)
