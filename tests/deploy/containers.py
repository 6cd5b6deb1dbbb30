"""compose.yaml's services as processes of this machine, with what the file itself says of them.

Only what a container has of its own is another here: its folders, its port on loopback in the place
of an address of its network, and the stores, which are those of tests.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from tests.deploy.deployed import ROOT, compose, dockerfile
from tests.doors import free_port

Found = TypeVar("Found")
LAST = dict(dockerfile()[-1])
HOST = "localhost"


@dataclass(slots=True)
class Container:
    """A process that stands for a container.

    Attributes:
        name: Of the service, and which of its replicas it is.
        command: What it runs.
        environment: All that it is given.
        log: What it says.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        return int(self.environment["HEMATOVISION_PORT"])

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - the command of our own file
                self.command,
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def run(self) -> str:
        """Run to the end; give what it said."""
        self.start()
        assert self.process is not None
        assert self.process.wait(60) == 0, self.said
        return self.said

    def stop(self) -> None:
        """Let it come to its end, as `docker stop` does."""
        assert self.process is not None
        self.process.terminate()
        assert self.process.wait(60) == 0, self.said

    def kill(self) -> None:
        """Kill it with all that it has started."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    @property
    def said(self) -> str:
        return self.log.read_text()

    @property
    def is_healthy(self) -> bool:
        """Ask as the image's HEALTHCHECK does."""
        assert self.process is not None
        assert self.process.poll() is None, self.said
        words = re.search(r'CMD \["python", "-c", "(.*)"\]$', LAST["HEALTHCHECK"])
        assert words
        code = words[1].replace('\\"', '"')
        done = subprocess.run(  # noqa: S603 - the words of our own Dockerfile
            [sys.executable, "-S", "-c", code],
            env=self.environment,
            capture_output=True,
            check=False,
        )
        return done.returncode == 0


@dataclass(slots=True)
class Machine:
    """What runs compose.yaml.

    Attributes:
        folder: Of everything.
        variables: What stands in `.env`.
        replaced: What is elsewhere here, by what the file says.
        given: What the image of tests has in its environment beside.
    """

    folder: Path
    variables: Mapping[str, str]
    replaced: Mapping[str, str]
    given: Mapping[str, str]
    containers: list[Container] = field(default_factory=list)

    @property
    def services(self) -> dict[str, Any]:
        services: dict[str, Any] = compose(**self.variables)["services"]
        return services

    def make(self, service: str, number: int = 1, command: Sequence[str] = ()) -> Container:
        """Make a container of a service, or of another command in it; it does not run yet."""
        said = self.services[service]
        name = f"{service}-{number}" + ("-once" if command else "")
        made = Container(
            name,
            list(command) or said.get("command") or re.findall(r'"([^"]+)"', LAST["CMD"]),
            self._environment(said["environment"], self.folder / f"data-{service}-{number}"),
            self.folder / f"{name}.log",
        )
        self.containers.append(made)
        return made

    def replicas(self, service: str) -> list[Container]:
        number = self.services[service]["deploy"]["replicas"]
        return [self.make(service, one + 1) for one in range(number)]

    def _environment(self, said: Mapping[str, str], data: Path) -> dict[str, str]:
        image = dict(re.findall(r"(HEMATOVISION_\w+)=(\S+)", LAST["ENV"]))
        own = {
            "HEMATOVISION_DATA_FOLDER": str(data),
            "HEMATOVISION_HOST": "127.0.0.1",
            "HEMATOVISION_PORT": str(free_port()),
        }
        assert set(own) == set(image)
        # What stands there empty is an empty variable, as Compose has it.
        replaced = {name: self._here(str(text or "")) for name, text in said.items()}
        path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
        return {"PATH": path, "PYTHONPATH": "src"} | own | replaced | dict(self.given)

    def _here(self, text: str) -> str:
        for there, here in self.replaced.items():
            text = text.replace(there, here)
        return text

    def until(self, find: Callable[[], Found], seconds: float = 60) -> Found:
        """Wait until something is found."""
        end = time.monotonic() + seconds
        while not (found := find()):
            assert time.monotonic() < end, "\n".join(one.said[-3000:] for one in self.containers)
            time.sleep(0.05)
        return found


@contextmanager
def machine(folder: Path, **given: Any) -> Iterator[Machine]:
    """Have a machine for as long as it is needed; nothing outlives it."""
    made = Machine(folder, **given)
    try:
        yield made
    finally:
        for container in made.containers:
            container.kill()


@contextmanager
def nginx(program: str, folder: Path, servers: Sequence[int], secrets: Path) -> Iterator[int]:
    """Run compose's proxy; give the port of its TLS.

    Args:
        program: nginx itself.
        folder: Empty.
        servers: The ports of web servers.
        secrets: The folder of the certificate and its key.
    """
    plain, closed = free_port(), free_port()
    replaced = {
        "/tmp/": f"{folder}/",  # noqa: S108 - the container's own
        "listen 8080": f"listen 127.0.0.1:{plain}",
        "listen 8443": f"listen 127.0.0.1:{closed}",
        "listen [::]:8080": "# listen",
        "listen [::]:8443": "# listen",
        "/run/secrets": str(secrets),
        "/dev/stderr": f"{folder}/log",
        "resolver 127.0.0.11 valid=2s ipv6=off;": "",
        "    server web:5000 resolve max_fails=1 fail_timeout=2s;": "\n".join(
            f"    server 127.0.0.1:{port} max_fails=1 fail_timeout=2s;" for port in servers
        ),
    }
    for file in (ROOT / "deploy/nginx").glob("*.conf"):
        text = file.read_text()
        for there, here in replaced.items():
            text = text.replace(there, here)
        (folder / file.name).write_text(text)
    user = "user root; " if os.geteuid() == 0 else ""
    process = subprocess.Popen(  # noqa: S603 - nginx itself
        [program, "-p", folder, "-c", folder / "nginx.conf", "-g", f"{user}daemon off;"],
        start_new_session=True,
    )
    try:
        yield closed
    finally:
        process.terminate()
        process.wait(30)
