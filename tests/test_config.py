import os
import re
import subprocess
from dataclasses import asdict, fields
from ipaddress import ip_network
from pathlib import Path

import pytest

from hematovision.config import PREFIX, RANGES, Settings

ROOT = Path(__file__).resolve().parents[1]
VARIABLES = {PREFIX + field.name.upper() for field in fields(Settings)}


def test_nothing_set_gives_the_defaults() -> None:
    assert Settings.from_environment({}) == Settings()


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        pytest.param("MODEL_FOLDER", "/srv/model", Path("/srv/model"), id="folder"),
        pytest.param("DATA_FOLDER", "~/private", Path.home() / "private", id="home"),
        pytest.param("SECRET_KEY", "123", "123", id="key of digits"),
        pytest.param("HOST", "0.0.0.0", "0.0.0.0", id="host"),  # noqa: S104
        pytest.param("PORT", "8080", 8080, id="port"),
        pytest.param("THREADS", "0", 0, id="zero"),
        pytest.param(
            "TRUSTED_HOSTS", " a.example, .b.example,", ("a.example", ".b.example"), id="hosts"
        ),
        pytest.param(
            "WEBHOOK_NETWORKS",
            "10.1.0.0/16, fd12::/16,",
            (ip_network("10.1.0.0/16"), ip_network("fd12::/16")),
            id="networks",
        ),
        pytest.param("PORT", "", 5000, id="empty"),
        pytest.param("LOG_FORMAT", "JSON", "json", id="word"),
    ],
)
def test_variable_sets_its_setting(variable: str, text: str, value: object) -> None:
    settings = Settings.from_environment({PREFIX + variable: text})
    assert getattr(settings, variable.lower()) == value


@pytest.mark.parametrize("variable", ["RATE_LIMIT", "RATE_LIMIT_VISITORS"])
@pytest.mark.parametrize("text", ["1 per second", "600 per minute", "999999999 per day", "off"])
def test_rate_is_a_number_a_time_or_off(variable: str, text: str) -> None:
    settings = Settings.from_environment({PREFIX + variable: text})
    assert getattr(settings, variable.lower()) == text


@pytest.mark.parametrize("text", ["600", "0 per day", "5 per week", "1 per day;2 per day", "no"])
def test_rate_that_is_none_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match=f"{PREFIX}RATE_LIMIT is .*600 per minute"):
        Settings.from_environment({PREFIX + "RATE_LIMIT": text})


@pytest.mark.parametrize("text", ["10.1.0.1/16", "10.1", "lis", "10.0.0.0/8;10.1.0.0/16"])
def test_network_that_is_none_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match=f"{PREFIX}WEBHOOK_NETWORKS is '{text}'"):
        Settings.from_environment({PREFIX + "WEBHOOK_NETWORKS": text})


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:8000",
        "https://triton.lab.example",
        "http://lab.example:8000/serve/hematovision",
        "grpc://[fd12::1]:8001",
        "grpcs://triton:8001",
    ],
)
def test_address_of_an_inference_server_is_taken(text: str) -> None:
    assert Settings.from_environment({PREFIX + "INFERENCE_URL": text}).inference_url == text


@pytest.mark.parametrize(
    "text",
    [
        "triton:8001",
        "ftp://triton",
        "http://",
        "http://user:hush@triton",  # pragma: allowlist secret
        "http://a b",
        "grpc:x",
    ],
)
def test_address_that_is_none_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(ValueError, match=f"{PREFIX}INFERENCE_URL is no address") as caught:
        Settings.from_environment({PREFIX + "INFERENCE_URL": text})
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("text", ["-1", "4k", "1.5", " 1", "²", "1_000"])
@pytest.mark.parametrize("variable", ["PORT", "MAX_FILE_BYTES", "THREADS"])
def test_bad_number_is_refused_by_name(variable: str, text: str) -> None:
    with pytest.raises(ValueError, match=f"{PREFIX}{variable} is .*whole number"):
        Settings.from_environment({PREFIX + variable: text})


@pytest.mark.parametrize(
    ("variable", "text", "limits"),
    [
        pytest.param("PORT", "65536", "0 to 65535", id="port"),
        pytest.param("THREADS", "257", "0 to 256", id="threads"),
        pytest.param("MAX_FILES", "0", "1 to 1000000000000", id="no file"),
        pytest.param("MAX_FILE_BYTES", "0", "1 to 1000000000000", id="no byte"),
        pytest.param("MAX_PIXELS", "0", "1 to 1000000000000", id="no pixel"),
        pytest.param("MAX_PIXELS", "9" * 5000, "1 to 1000000000000", id="thousands of digits"),
    ],
)
def test_number_out_of_range_is_refused_by_name(variable: str, text: str, limits: str) -> None:
    with pytest.raises(
        ValueError, match=f"{PREFIX}{variable} is '{text}'; .* whole number from {limits}"
    ):
        Settings.from_environment({PREFIX + variable: text})


@pytest.mark.parametrize(
    ("variable", "known"), [("LOG_FORMAT", "text or json"), ("TRACES", "off or otlp")]
)
def test_word_that_nobody_knows_is_refused_by_name(variable: str, known: str) -> None:
    with pytest.raises(ValueError, match=f"{PREFIX}{variable} is 'xml'; it must be {known}"):
        Settings.from_environment({PREFIX + variable: "xml"})


def test_as_many_photos_are_read_at_once_as_there_are_cores_unless_it_is_set() -> None:
    assert Settings().readings_at_once == os.cpu_count()
    assert Settings(reading_slots=3).readings_at_once == 3


def test_every_number_has_a_range_that_holds_its_default() -> None:
    defaults = {name: value for name, value in asdict(Settings()).items() if type(value) is int}
    assert set(RANGES) == set(defaults)
    assert all(least <= defaults[name] <= most for name, (least, most) in RANGES.items())


def test_secret_is_never_shown() -> None:
    assert "hush" not in repr(Settings(secret_key="hush"))  # noqa: S106


def test_request_holds_more_than_one_file() -> None:
    settings = Settings(max_file_bytes=10)
    assert settings.max_request_bytes > settings.max_file_bytes


def test_every_setting_is_in_the_example_as_a_shell_reads_it() -> None:
    said = subprocess.run(
        ["/bin/sh", "-e", "-c", "set -a; . ./.env.example; env -0"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    assert not said.stderr
    pairs = (line.partition("=") for line in said.stdout.split("\0"))
    given = {name: text for name, _, text in pairs if name.startswith(PREFIX)}
    assert set(given) == VARIABLES
    assert Settings.from_environment(given) == Settings()


def test_every_setting_is_documented_once() -> None:
    documented = re.findall(rf"^\| `({PREFIX}\w+)` ", (ROOT / "docs/settings.md").read_text(), re.M)
    assert sorted(documented) == sorted(VARIABLES)


@pytest.mark.parametrize("name", ["database_url", "queue_url"])
def test_address_with_a_password_may_stand_in_a_file(name: str, tmp_path: Path) -> None:
    file = tmp_path / "address"
    file.write_text("redis://:hush@host\nnot this line\n")
    given = {f"{PREFIX}{name.upper()}_FILE": str(file), f"{PREFIX}{name.upper()}": "other://"}
    settings = Settings.from_environment(given)
    assert getattr(settings, name) == "redis://:hush@host"
    assert "hush" not in repr(settings)


def test_file_of_an_address_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    none, no_text = tmp_path / "none", tmp_path / "no_text"
    no_text.write_bytes(b"\xff")
    for file, words in ((none, "No such file"), (no_text, "it is no text")):
        with pytest.raises(ValueError, match=f"DATABASE_URL_FILE is '{file}': {words}"):
            Settings.from_environment({f"{PREFIX}DATABASE_URL_FILE": str(file)})


def test_folder_of_a_user_whom_nobody_knows_is_named() -> None:
    with pytest.raises(ValueError, match="HEMATOVISION_DATA_FOLDER is '~nosuchuser/x'"):
        Settings.from_environment({"HEMATOVISION_DATA_FOLDER": "~nosuchuser/x"})


@pytest.mark.parametrize("text", ["proxy.example", "10.1.0.1/16", "10.0.0.1,10.0.0.2"])
def test_proxy_that_is_no_address_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match=f"{PREFIX}TRUSTED_PROXY is '{text}'"):
        Settings.from_environment({PREFIX + "TRUSTED_PROXY": text})


@pytest.mark.parametrize("text", ["10.1.2.3", "10.1.0.0/16", "fd12::/64", "*"])
def test_proxy_is_an_address_a_network_or_anybody(text: str) -> None:
    assert Settings.from_environment({PREFIX + "TRUSTED_PROXY": text}).trusted_proxy == text


def test_what_is_shared_lies_beside_the_pictures_of_an_address_alone(tmp_path: Path) -> None:
    alone = Settings(data_folder=tmp_path, pictures_url="/mnt/pictures")
    assert (alone.keys, alone.shared, alone.checkpoints) == (tmp_path, "", "")
    many = Settings(pictures_url="s3://bucket/pictures/", keys_folder=tmp_path)
    assert (many.keys, many.shared) == (tmp_path, "s3://bucket/pictures")
    assert many.checkpoints == "s3://bucket/pictures/audit_checkpoints"
    assert Settings(checkpoints_url="s3://locked").checkpoints == "s3://locked"


@pytest.mark.parametrize(
    ("hosts", "host"),
    [([], "127.0.0.1"), (["127.0.0.1", "0.0.0.0"], "0.0.0.0"), (["::1"], "127.0.0.1")],  # noqa: S104
)
def test_server_is_as_open_as_its_most_open_address(hosts: list[str], host: str) -> None:
    assert Settings().reached_at(hosts).host == host
