from collections.abc import Sequence

import pytest

from hematovision.labels import find_label
from hematovision.services.films import (
    AT_ONCE,
    MIXES,
    NOTES,
    READ_AT_ONCE,
    Opener,
    Stage,
    drawn_films,
    photo_films,
    photos_to_drop,
)

EMPTY = Stage.EMPTY
FIELDS = {100: 2, 50: 1}


def photos(number: int, name: str = "photo") -> Sequence[Opener]:
    def opener(place: int) -> Opener:
        return lambda: f"{name} {place}".encode()

    return [opener(place) for place in range(number)]


def test_drawn_films_are_of_every_stage_and_the_same_for_one_seed() -> None:
    films = drawn_films(seed=3, fields=FIELDS)
    assert [film.stage for film in films] == list(Stage)
    assert [film.accession for film in films] == [f"DEMO-{n}" for n in range(1, 9)]
    again = drawn_films(seed=3, fields=FIELDS)
    first, second = list(films[0].fields()), list(again[0].fields())
    assert first == second
    assert len(first) == 2
    assert all(field.cells for field in first)
    assert [film.target for film in films if film.target != 100] == [50, 50]
    assert list(films[-1].fields()) == []


def test_mixes_are_of_a_hundred_known_cells() -> None:
    assert set(MIXES) == set(Stage) - {EMPTY}
    assert {sum(mix.values()) for mix in MIXES.values()} == {100}
    assert all(find_label(kind) for mix in MIXES.values() for kind in mix)


def test_every_stage_says_what_it_is() -> None:
    assert set(NOTES) == set(Stage)


def test_photos_to_drop_are_in_no_film() -> None:
    films = drawn_films(seed=3, fields=FIELDS)
    shown = {field.picture for film in films for field in film.fields()}
    assert not shown & set(photos_to_drop(fields=1, seed=3))


@pytest.mark.parametrize(
    ("number", "sizes"),
    [
        pytest.param(1, [1], id="one photo"),
        pytest.param(3, [1, 1, 1], id="fewer than cases"),
        pytest.param(7, [1] * 7, id="one a case"),
        pytest.param(45, [6] * 6 + [9], id="spread evenly"),
        pytest.param(300, [20] * 6 + [180], id="most are left to the worker"),
    ],
)
def test_photos_of_one_folder_are_spread_over_cases(number: int, sizes: list[int]) -> None:
    *films, empty = photo_films([photos(number)])
    fields = [list(film.fields()) for film in films]
    assert [len(some) for some in fields] == sizes
    assert [film.stage for film in films] == list(Stage)[: len(sizes)]
    pictures = [one.picture for some in fields for one in some]
    assert pictures == [open_it() for open_it in photos(number)]
    assert all(one.cells is None for some in fields for one in some)
    assert empty.stage is EMPTY


def test_each_of_several_folders_is_a_case_and_large_ones_come_last() -> None:
    folders = [photos(AT_ONCE + 1, "many"), photos(2, "few"), photos(AT_ONCE, "some")]
    films = photo_films(folders)
    assert [film.stage for film in films] == [*READ_AT_ONCE[:2], Stage.ARRIVING, EMPTY]
    assert [next(film.fields()).picture for film in films[:-1]] == [b"few 0", b"some 0", b"many 0"]
    assert [film.accession for film in films] == [f"DEMO-{n}" for n in range(1, 5)]


def test_more_folders_than_stages_arrive() -> None:
    films = photo_films([photos(1)] * 8)
    assert [film.stage for film in films] == [*READ_AT_ONCE, *[Stage.ARRIVING] * 2, EMPTY]
