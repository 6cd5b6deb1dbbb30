import pytest
from tests.films import NOW

from hematovision.errors import HematoVisionError, KeyTakenError, LabelInvalidError
from hematovision.labels import LABELS, Count
from hematovision.people import Role, User
from hematovision.services.hands import Hand
from hematovision.services.naming import (
    Keys,
    add_label,
    choose_keys,
    get_own_labels,
    keys_of,
    own_labels,
    retire_label,
    revive_label,
)
from hematovision.storage.database import Database

BY = Hand(None, "page", NOW)


def somebody(database: Database) -> User:
    with database.transaction() as records:
        return records.users.add("ines", Role.TECHNOLOGIST, now=NOW)


def keys(database: Database, user: User) -> Keys:
    with database.reading() as records:
        return keys_of(records, user.id, own_labels(records).usable)


def test_own_label_is_added_retired_and_used_again(database: Database) -> None:
    label = add_label(database, " Hairy  cell ", "y", Count.WHITE, by=BY)
    assert (label.code, label.name, label.key) == ("own_hairy_cell", "Hairy cell", "Y")
    assert get_own_labels(database).active == (label,)
    retire_label(database, label.code, by=BY)
    own = get_own_labels(database)
    assert (own.active, own.retired, own.every) == ((), (label,), (label,))
    revive_label(database, label.code, by=BY)
    assert get_own_labels(database).active == (label,)
    with database.reading() as records:
        actions = [event.action for event in records.audit.list()]
    assert actions == ["label.revived", "label.retired", "label.added"]


@pytest.mark.parametrize(
    ("name", "key", "error"),
    [
        pytest.param("", "Y", LabelInvalidError, id="no name"),
        pytest.param("x", "Y", LabelInvalidError, id="too short"),
        pytest.param("x" * 41, "Y", LabelInvalidError, id="too long"),
        pytest.param("<b>", "Y", LabelInvalidError, id="no letters"),
        pytest.param("Band", "Y", LabelInvalidError, id="name of the table"),
        pytest.param("Hairy-Cell", "Y", LabelInvalidError, id="nearly the same name"),
        pytest.param("Sezary cell", "N", KeyTakenError, id="key of the table"),
        pytest.param("Sezary cell", "q", KeyTakenError, id="key of another"),
        pytest.param("Sezary cell", "Z", KeyTakenError, id="key that undoes"),
        pytest.param("Sezary cell", "/", KeyTakenError, id="no letter"),
        pytest.param("Sezary cell", "YV", KeyTakenError, id="two letters"),
    ],
)
def test_label_that_cannot_be_told_apart_is_refused(
    database: Database, name: str, key: str, error: type[HematoVisionError]
) -> None:
    known = add_label(database, "hairy cell", "Q", Count.WHITE, by=BY)
    with pytest.raises(error):
        add_label(database, name, key, Count.WHITE, by=BY)
    assert get_own_labels(database).active == (known,)


def test_label_comes_back_without_a_key_that_something_else_has(database: Database) -> None:
    first = add_label(database, "hairy cell", "Y", Count.WHITE, by=BY)
    retire_label(database, first.code, by=BY)
    second = add_label(database, "Sezary cell", "Y", Count.WHITE, by=BY)
    revive_label(database, first.code, by=BY)
    assert [label.key for label in get_own_labels(database).active] == [second.key, ""]


def test_keys_are_ones_own_and_what_stays_is_not_kept(database: Database) -> None:
    ines = somebody(database)
    assert keys(database, ines).letters == {label.code: label.key for label in LABELS}
    choose_keys(database, ines, {"band": "q", "neutrophil": "N", "blast": ""}, on=True, by=BY)
    letters = keys(database, ines).letters
    assert (letters["band"], letters["blast"], letters["neutrophil"]) == ("Q", "", "N")
    with database.reading() as records:
        kept = records.laboratory.preference(ines.id, "keys", None)
    assert kept == {"letters": {"band": "Q", "blast": ""}, "on": True}
    choose_keys(database, ines, {}, on=True, by=BY)
    with database.reading() as records:
        assert records.laboratory.preference(ines.id, "keys", None) is None
        assert [event.action for event in records.audit.list()] == ["user.keys_chosen"] * 2


def test_keys_can_change_places(database: Database) -> None:
    ines = somebody(database)
    choose_keys(database, ines, {"neutrophil": "E", "eosinophil": "N"}, on=True, by=BY)
    letters = keys(database, ines).letters
    assert (letters["neutrophil"], letters["eosinophil"]) == ("E", "N")


@pytest.mark.parametrize("letter", ["N", "u", "z", "h", "g", "é", "??"])
def test_key_that_does_something_else_is_refused(database: Database, letter: str) -> None:
    ines = somebody(database)
    with pytest.raises(KeyTakenError):
        choose_keys(database, ines, {"band": letter}, on=True, by=BY)
    assert keys(database, ines).letters["band"] == "D"


def test_letters_can_be_switched_off(database: Database) -> None:
    ines = somebody(database)
    choose_keys(database, ines, {}, on=False, by=BY)
    assert not keys(database, ines).on


def test_key_chosen_before_goes_before_that_of_a_new_label(database: Database) -> None:
    ines = somebody(database)
    choose_keys(database, ines, {"band": "Y"}, on=True, by=BY)
    label = add_label(database, "hairy cell", "Y", Count.WHITE, by=BY)
    letters = keys(database, ines).letters
    assert (letters["band"], letters[label.code]) == ("Y", "")
