"""A real store of objects for tests: moto's server, which speaks S3 over HTTP."""

import logging
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count

NUMBERS = count(1)
KEY = "testing"


@dataclass(slots=True)
class Objects:
    """A server of its own on loopback, that keeps everything in memory.

    Attributes:
        url: Of the server.
        environment: What a process needs to reach it.
    """

    url: str
    environment: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.environment = {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": KEY,
            "AWS_DEFAULT_REGION": "eu-central-1",
        }

    def make_bucket(self) -> str:
        """Make a bucket; give its address."""
        import boto3

        name = f"bucket-{os.getpid()}-{next(NUMBERS)}"
        client = boto3.client(
            "s3", endpoint_url=self.url, aws_access_key_id=KEY, aws_secret_access_key=KEY
        )
        client.create_bucket(
            Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
        )
        return f"s3://{name}"


@contextmanager
def objects() -> Iterator[Objects]:
    """Start a store of objects for as long as it is needed.

    Raises:
        LookupError: If there is none.
    """
    try:
        from moto.server import ThreadedMotoServer
    except ImportError as error:
        raise LookupError(f"there is no S3: pip install 'moto[s3,server]' ({error})") from error
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    before = threading.active_count()
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield Objects(f"http://{host}:{port}")
    finally:
        server.stop()
        assert threading.active_count() <= before + 2
