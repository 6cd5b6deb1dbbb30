"""Settings: read once from the environment, then passed along."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from platformdirs import user_data_path

PACKAGED_MODEL = Path(__file__).parent / "models" / "blood_cell"
PREFIX = "HEMATOVISION_"

LARGE = 10**12
RANGES = {
    "port": (0, 65_535),
    "max_file_bytes": (1, LARGE),
    "max_files": (1, LARGE),
    "max_pixels": (1, LARGE),
    "threads": (0, 256),
}
"""The least and the most that a number may be."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How this installation behaves; each is set by `HEMATOVISION_` and its name in capitals.

    Attributes:
        model_folder: The model that reads.
        data_folder: In it `secret_key`, and `uploads` for the time of a request, are private to the
            server; the folder itself is if the server made it.
        secret_key: Signs the session cookie; made and kept in `data_folder` when empty.
        host: Where the server listens.
        port: Where the server listens.
        trusted_hosts: Host names under which the server answers; a leading dot admits subdomains.
        max_file_bytes: Larger files are refused.
        max_files: Most pictures in one request.
        max_pixels: Larger pictures are refused from their header.
        threads: Threads that one inference may use; 0 takes every core.
    """

    model_folder: Path = PACKAGED_MODEL
    data_folder: Path = field(default_factory=lambda: user_data_path("hematovision"))
    secret_key: str = field(default="", repr=False)
    host: str = "127.0.0.1"
    port: int = 5000
    trusted_hosts: tuple[str, ...] = ("127.0.0.1", "localhost", "[::1]")
    max_file_bytes: int = 100 * 2**20
    max_files: int = 32
    max_pixels: int = 40_000_000
    threads: int = 0

    @property
    def max_request_bytes(self) -> int:
        """One file at its limit, and the form around it; many files share it."""
        return 2 * self.max_file_bytes

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Read the settings that are set; the others keep their defaults.

        Args:
            environment: Variables by name.

        Raises:
            ValueError: If a number is not a whole number within its range.
        """
        given = {
            name: environment[PREFIX + name.upper()]
            for name in cls.__dataclass_fields__
            if environment.get(PREFIX + name.upper())
        }
        return replace(cls(), **{name: _parse(name, text) for name, text in given.items()})


def _parse(name: str, text: str) -> Any:
    """Turn the text of a variable into the type of its setting."""
    if name.endswith("_folder"):
        return Path(text).expanduser()
    if name == "trusted_hosts":
        return tuple(host.strip() for host in text.split(",") if host.strip())
    if name in {"secret_key", "host"}:
        return text
    least, most = RANGES[name]
    # Python refuses to read a number of thousands of digits.
    if not text.isdecimal() or len(text) > len(str(LARGE)) or not least <= int(text) <= most:
        raise ValueError(
            f"{PREFIX}{name.upper()} is {text!r}; it must be a whole number from {least} to {most}."
        )
    return int(text)
