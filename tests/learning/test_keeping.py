from pathlib import Path

import numpy as np
import pytest

from hematovision.learning.keeping import save_arrays, write_whole


def test_text_and_arrays_come_back(tmp_path: Path) -> None:
    write_whole(tmp_path / "a.json", "é\n")
    save_arrays(tmp_path / "b.npz", numbers=np.arange(3))
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == "é\n"
    with np.load(tmp_path / "b.npz") as kept:
        np.testing.assert_array_equal(kept["numbers"], [0, 1, 2])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "b.npz"]


def test_what_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    class TornError(Exception):
        pass

    class Torn:
        def __array__(self, *_: object, **__: object) -> object:
            raise TornError

    save_arrays(tmp_path / "b.npz", numbers=np.arange(3))
    with pytest.raises(TornError):
        save_arrays(tmp_path / "b.npz", numbers=Torn())  # type: ignore[arg-type]
    with np.load(tmp_path / "b.npz") as kept:
        assert len(kept["numbers"]) == 3
