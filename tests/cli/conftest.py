import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine, event

from hematovision.cells import CellReader
from hematovision.cli import main
from hematovision.cli.tools import Tools
from hematovision.config import Settings
from hematovision.vision.decoders import HERE

Run = Callable[..., Result]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        model_folder=tmp_path / "model",
        data_folder=tmp_path / "private",
        max_file_bytes=100_000,
        max_pixels=20_000,
    )


@pytest.fixture
def tools(settings: Settings, reader: CellReader) -> Tools:
    return Tools(
        settings,
        load_reader=lambda folder, threads=0: reader,
        open_decoders=lambda settings: HERE,
        keep_workers=lambda number, *_: nullcontext(),
    )


@pytest.fixture
def run(tools: Tools) -> Run:
    def run(*arguments: str | Path, tools: Tools = tools, sent: bytes = b"") -> Result:
        words: Sequence[str] = [str(argument) for argument in arguments]
        return CliRunner(env={"COLUMNS": "200"}).invoke(main, words, obj=tools, input=sent)

    return run


@dataclass(slots=True)
class Outage:
    """Whether every database that is asked just now is away."""

    is_there: bool = False

    def refuse(self, *_: object) -> None:
        if self.is_there:
            raise sqlite3.OperationalError("unable to open database file")


@pytest.fixture
def outage() -> Iterator[Outage]:
    """Give what takes databases away, and lets them come back."""
    made = Outage()
    event.listen(Engine, "before_cursor_execute", made.refuse)
    yield made
    event.remove(Engine, "before_cursor_execute", made.refuse)
