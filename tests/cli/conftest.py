from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

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
