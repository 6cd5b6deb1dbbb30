"""Settings: read once from the environment, then passed along."""

import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any

from platformdirs import user_data_path

from hematovision.machine import cores

PACKAGED_MODEL = Path(__file__).parent / "models" / "blood_cell"
PREFIX = "HEMATOVISION_"

LARGE = 10**12
RANGES = {
    "port": (0, 65_535),
    "max_file_bytes": (1, LARGE),
    "max_files": (1, LARGE),
    "max_pixels": (1, LARGE),
    "max_archive_files": (1, 10**6),
    "max_archive_bytes": (1, LARGE),
    "threads": (0, 256),
    "decoders": (0, 64),
    "idle_minutes": (1, 24 * 60),
    "session_hours": (1, 24 * 7),
    "keep_days": (0, 36_500),
    "keep_case_days": (0, 36_500),
    "reading_slots": (0, 256),
    "reading_queue": (0, 1000),
    "max_waiting_photos": (1, 10**9),
    "inference_seconds": (1, 600),
    "drain_seconds": (0, 300),
}
"""The least and the most that a number may be."""

RATES = {"rate_limit", "rate_limit_visitors"}
RATE = re.compile(r"[1-9]\d{0,8} per (second|minute|hour|day)")
RATE_OFF = "off"
ANY_PROXY = "*"

INFERENCE = re.compile(r"(https?|grpcs?)://(\[[0-9a-fA-F:.]+\]|[\w.-]+)(:\d{1,5})?(/[\w./-]*)?")
"""Where inference is done; never with a password, which would be seen."""

LISTS: dict[str, Callable[[str], Any]] = {"trusted_hosts": str, "webhook_networks": ip_network}
"""What has commas between its parts, and how each is read."""
SWITCHES = {"keep_pictures", "oidc_only", "inference_fallback"}
TEXTS = {
    "secret_key",
    "host",
    "database_url",
    "pictures_url",
    "checkpoints_url",
    "queue_url",
    "oidc_issuer",
    "oidc_client_id",
    "oidc_client_secret",
    "oidc_scopes",
    "oidc_role_claim",
    "oidc_roles",
    "oidc_name",
}
IN_FILES = ("database_url", "queue_url")
"""What holds a password, and may stand in the first line of a file that `_file` names."""
CHOICES = {"log_format": ("text", "json"), "traces": ("off", "otlp")}
WORDS = {"yes": True, "true": True, "on": True, "1": True} | {
    "no": False,
    "false": False,
    "off": False,
    "0": False,
}


@dataclass(frozen=True, slots=True)
class Settings:
    """How this installation behaves; each is set by `HEMATOVISION_` and its name in capitals.

    Attributes:
        model_folder: The model that reads while no other is promoted.
        data_folder: Holds `models` that were installed, `uploads` for the time of a request, and
            the keys, checkpoints, database, pictures and queue that are nowhere else. All are
            private to the server; the folder itself is if the server made it.
        keys_folder: Holds `secret_key`, `data_key` and `audit_key`, the same for all machines; may
            be read only where they are there; `data_folder` when left out.
        secret_key: Signs the session cookie; made and kept in the folder of the keys when empty.
        host: Where the server listens.
        port: Where the server listens.
        trusted_hosts: Host names under which the server answers; a leading dot admits subdomains.
        trusted_proxy: The address of a server before this one, or a network of such, which says
            from where and how somebody comes; `*` for whoever asks; empty: nobody is believed that.
        max_file_bytes: Larger files are refused.
        max_files: Most pictures in one request.
        max_pixels: Larger pictures are refused from their header.
        max_archive_files: Most files in one ZIP, pictures or not.
        max_archive_bytes: Of one ZIP no more is unpacked.
        threads: Threads that one inference may use; 0 shares the cores among those that read at
            once.
        decoders: Processes that decode pictures, at most, beside each server and worker; 0 for as
            many as there are cores, 2 to 4.
        database_url: Where all but pictures is kept, as SQLAlchemy writes it; a file in
            `data_folder` when empty.
        database_url_file: Holds `database_url` in its first line.
        admin_password_file: Holds the password that the first administrator gets.
        pictures_url: Where pictures are kept, sealed: a folder, or an address that fsspec knows,
            such as `s3://bucket/folder`; `pictures` in `data_folder` when empty. At an address,
            installed models are kept beside them for all machines.
        checkpoints_url: Where the checkpoints of the audit record are kept, as `pictures_url`; when
            empty beside the pictures where these are at an address, and in `data_folder` else.
        keep_pictures: Whether pictures stay once they were read; without, cells cannot be looked
            at again.
        queue_url: Wakes those who read photos, such as `redis://host`; a file in `data_folder` when
            empty.
        queue_url_file: Holds `queue_url` in its first line.
        idle_minutes: Who asks for nothing so long must sign in again.
        session_hours: After so long everybody must sign in again.
        rate_limit: So often somebody who is signed in, or all their programs, may ask; `off` for no
            limit.
        rate_limit_visitors: So often an address may try to sign in, a link or a token.
        keep_days: Pictures are deleted so many days after they were sent; 0 keeps them.
        keep_case_days: Cases are erased so many days after something was last done in them, and
            readings of no case so many days after they were made; 0 keeps them.
        webhook_networks: Of the laboratory, which webhooks may tell though they are not public.
        oidc_issuer: The provider that signs people in beside passwords; empty for none.
        oidc_client_id: What the provider calls this server.
        oidc_client_secret: Proves to the provider that this server asks; none for a public client.
        oidc_client_secret_file: Holds it in its first line.
        oidc_scopes: What the provider is asked for.
        oidc_role_claim: What the provider says of people that makes them something here.
        oidc_roles: What each group is here, such as `hv-path=pathologist,hv-tech=technologist`.
        oidc_name: What people call the provider; its host when empty.
        oidc_only: Whether passwords let in administrators alone.
        metrics_token_file: Holds the token that Prometheus shows; without it there is no
            `/metrics`.
        log_format: `text` for people, or `json`, a line an object, with one for every request.
        traces: `otlp` sends traces to where the `OTEL_EXPORTER_OTLP_` variables say.
        reading_slots: Requests that read photos at once, or photos of a worker; 0 for as many as
            there are cores.
        reading_queue: Requests that may wait to read; more are told to come again.
        max_waiting_photos: Photos of cases that may wait; more are not taken in.
        inference_url: The server that runs the networks by the Open Inference Protocol, such as
            `http://host:8000` or `grpc://host:8001`; empty: they run in the process.
        inference_seconds: So long one attempt to ask it may take.
        inference_fallback: Whether photos are read in the process while it does not answer.
        inference_token_file: Holds the token that it is shown.
        drain_seconds: So long a server of gunicorn that is to end says that it is not ready, and
            still answers, before it takes no more.
    """

    model_folder: Path = PACKAGED_MODEL
    data_folder: Path = field(default_factory=lambda: user_data_path("hematovision"))
    keys_folder: Path | None = None
    secret_key: str = field(default="", repr=False)
    host: str = "127.0.0.1"
    port: int = 5000
    trusted_hosts: tuple[str, ...] = ("127.0.0.1", "localhost", "[::1]")
    trusted_proxy: str = ""
    max_file_bytes: int = 100 * 2**20
    max_files: int = 32
    max_pixels: int = 40_000_000
    max_archive_files: int = 5000
    max_archive_bytes: int = 2**30
    threads: int = 0
    decoders: int = 0
    database_url: str = field(default="", repr=False)
    database_url_file: Path | None = None
    admin_password_file: Path | None = None
    pictures_url: str = ""
    checkpoints_url: str = ""
    keep_pictures: bool = True
    queue_url: str = field(default="", repr=False)
    queue_url_file: Path | None = None
    idle_minutes: int = 15
    session_hours: int = 12
    rate_limit: str = "600 per minute"
    rate_limit_visitors: str = "60 per minute"
    keep_days: int = 0
    keep_case_days: int = 0
    webhook_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    oidc_issuer: str = ""
    oidc_client_id: str = ""
    oidc_client_secret: str = field(default="", repr=False)
    oidc_client_secret_file: Path | None = None
    oidc_scopes: str = "openid profile"
    oidc_role_claim: str = "groups"
    oidc_roles: str = ""
    oidc_name: str = ""
    oidc_only: bool = False
    metrics_token_file: Path | None = None
    log_format: str = "text"
    traces: str = "off"
    reading_slots: int = 0
    reading_queue: int = 16
    max_waiting_photos: int = 10_000
    inference_url: str = ""
    inference_seconds: int = 10
    inference_fallback: bool = False
    inference_token_file: Path | None = None
    drain_seconds: int = 5

    @property
    def keys(self) -> Path:
        """The folder of the keys."""
        return self.keys_folder or self.data_folder

    @property
    def shared(self) -> str:
        """The address that all machines reach; empty where pictures lie in a folder."""
        return self.pictures_url.rstrip("/") if "://" in self.pictures_url else ""

    @property
    def checkpoints(self) -> str:
        """Where the checkpoints of the audit record are; empty for a file of the data folder."""
        return self.checkpoints_url or (self.shared and f"{self.shared}/audit_checkpoints")

    @property
    def max_request_bytes(self) -> int:
        """One file at its limit, and the form around it; many files share it."""
        return 2 * self.max_file_bytes

    @property
    def readings_at_once(self) -> int:
        """So many requests read photos at once: as many as there are cores, unless it is set."""
        return self.reading_slots or cores()

    @property
    def threads_a_reading(self) -> int:
        """So many threads one inference may use where others run beside it.

        All that read at once share the cores: more threads than cores would only wait in turn.
        """
        return self.threads or max(1, cores() // self.readings_at_once)

    def reached_at(self, hosts: Sequence[str]) -> "Settings":
        """Say at which hosts it listens in truth, where another program decides that."""
        far = [host for host in hosts if not is_loopback(host)]
        return replace(self, host=(far or ["127.0.0.1"])[0])

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Read the settings that are set; the others keep their defaults.

        Args:
            environment: Variables by name.

        Raises:
            ValueError: If a number is not a whole number within its range, a switch neither yes nor
                no, a rate or a network none, a word none of those that are known, a folder is of
                a user whom nobody knows, or a file that holds a setting cannot be read.
        """
        given = {
            name: environment[PREFIX + name.upper()]
            for name in cls.__dataclass_fields__
            if environment.get(PREFIX + name.upper())
        }
        for name in IN_FILES:
            if file := given.get(f"{name}_file"):
                given[name] = _first_line(f"{name}_file", file)
        return replace(cls(), **{name: _parse(name, text) for name, text in given.items()})


def is_loopback(host: str) -> bool:
    """Tell whether a host is this very machine."""
    return host in {"localhost", "::1", "[::1]"} or host.startswith("127.")


def _parse(name: str, text: str) -> Any:
    """Turn the text of a variable into the type of its setting."""
    for names, parse in PARSERS:
        if name in names:
            return parse(name, text)
    if name.endswith(("_folder", "_file")):
        return _parse_path(name, text)
    return _parse_number(name, text)


def _first_line(name: str, text: str) -> str:
    try:
        return _parse_path(name, text).read_text().partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise ValueError(f"{PREFIX}{name.upper()} is {text!r}: {reason}") from error


def _parse_text(_name: str, text: str) -> str:
    return text


def _parse_path(name: str, text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise ValueError(f"{PREFIX}{name.upper()} is {text!r}: {error}") from error


def _parse_number(name: str, text: str) -> int:
    least, most = RANGES[name]
    # Python refuses to read a number of thousands of digits.
    if not text.isdecimal() or len(text) > len(str(LARGE)) or not least <= int(text) <= most:
        raise ValueError(
            f"{PREFIX}{name.upper()} is {text!r}; it must be a whole number from {least} to {most}."
        )
    return int(text)


def _parse_rate(name: str, text: str) -> str:
    if text != RATE_OFF and not RATE.fullmatch(text):
        raise ValueError(
            f"{PREFIX}{name.upper()} is {text!r}; it must be such as “600 per minute”, or “off”."
        )
    return text


def _parse_inference(name: str, text: str) -> str:
    if not INFERENCE.fullmatch(text):
        raise ValueError(
            f"{PREFIX}{name.upper()} is no address such as http://host:8000 or grpc://host:8001."
        )
    return text


def _parse_proxy(name: str, text: str) -> str:
    try:
        if text != ANY_PROXY:
            ip_network(text)
    except ValueError as error:
        raise ValueError(f"{PREFIX}{name.upper()} is {text!r}: {error}") from error
    return text


def _parse_list(name: str, text: str) -> tuple[Any, ...]:
    """Read the parts of a list; an empty one is left out."""
    try:
        return tuple(LISTS[name](part.strip()) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise ValueError(f"{PREFIX}{name.upper()} is {text!r}: {error}") from error


def _parse_word(name: str, text: str) -> bool | str:
    """Read a setting that is one of some words."""
    known: Mapping[str, bool | str] = WORDS
    if name in CHOICES:
        known = {word: word for word in CHOICES[name]}
    if text.lower() not in known:
        choices = " or ".join(CHOICES.get(name, ("yes", "no")))
        raise ValueError(f"{PREFIX}{name.upper()} is {text!r}; it must be {choices}.")
    return known[text.lower()]


PARSERS: tuple[tuple[Collection[str], Callable[[str, str], Any]], ...] = (
    (LISTS, _parse_list),
    (TEXTS, _parse_text),
    (RATES, _parse_rate),
    ({"inference_url"}, _parse_inference),
    ({"trusted_proxy"}, _parse_proxy),
    (SWITCHES, _parse_word),
    (CHOICES, _parse_word),
)
