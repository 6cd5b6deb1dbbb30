import errno
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyotp
import pytest
from sqlalchemy import select
from tests.films import NOW, FilmReader, cells_of, make_case, picture

from hematovision.errors import KeyOutdatedError, RotationBusyError
from hematovision.people import Role, User
from hematovision.services import rotation
from hematovision.services.batches import LEASE, Desk, add_photo, read_photo, take_next
from hematovision.services.crops import Album, get_crop
from hematovision.services.hands import Hand
from hematovision.services.references import add_reference, get_reference
from hematovision.services.rotation import Rotated, Vault, check_key, rotate
from hematovision.services.sign_ins import set_second_factor
from hematovision.services.webhooks import Wanted, add_webhook, rotate_secret
from hematovision.storage.cases import Case
from hematovision.storage.database import Database
from hematovision.storage.depot import open_depot
from hematovision.storage.files import Files, PictureGoneError, open_files
from hematovision.storage.keys import open_seal, write_keys
from hematovision.storage.private import read_data_keys
from hematovision.storage.sealing import Seal, SealBrokenError, mark_of
from hematovision.storage.tables import ReferenceRow

BY = Hand(None, "terminal", NOW)
FACTOR = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


class Killed(BaseException):
    """The process is gone."""


def at_once(span: timedelta) -> None:
    """Wait for nothing."""


def renew(vault: Vault, wait: Callable[[timedelta], None] = at_once) -> Rotated:
    return rotate(vault, by=BY, wait=wait, clock=lambda: NOW)


@pytest.fixture
def vault(database: Database) -> Vault:
    folder = database.custody.folder
    return Vault(database, open_files("", folder, open_seal(folder)))


@pytest.fixture
def case(vault: Vault) -> Case:
    """Make a case with pictures, and pictures made of them."""
    case = make_case(vault.database, vault.files, FilmReader(3), [picture(1), picture(2)])
    get_crop(Album(vault.database, vault.files), case.id, cells_of(vault.database, case)[0].id, 64)
    return case


def names(vault: Vault) -> list[str]:
    return sorted(path.name for path in Path(vault.files.root).rglob("*") if path.is_file())


def opened(vault: Vault, seal: Seal) -> dict[str, bool]:
    """Say which files a seal opens."""
    files = replace(vault.files, seal=seal)
    return {name: opens(files, name) for name in names(vault)}


def opens(files: Files, name: str) -> bool:
    try:
        return bool(files.get(name))
    except SealBrokenError:
        return False


def test_everything_opens_with_the_new_key_and_nothing_with_the_old(
    vault: Vault, case: Case
) -> None:
    (old,) = read_data_keys(vault.folder)
    assert len(names(vault)) == 3
    done = renew(vault)
    (new,) = read_data_keys(vault.folder)
    assert new != old
    assert (done.mark, done.was_begun, done.broken) == (mark_of(new), False, set())
    # Three files, and the key under which the record keeps what it can forget of the case.
    assert done.renewed == 4
    assert set(opened(vault, Seal(new)).values()) == {True}
    assert set(opened(vault, Seal(old)).values()) == {False}
    with vault.database.reading() as records:
        kept = [vault.files.get(photo.file or "") for photo in records.photos.list(case.id)]
    assert kept == [picture(1), picture(2)]


def test_rotation_is_recorded_without_the_key(vault: Vault, case: Case) -> None:
    renew(vault)
    with vault.database.reading() as records:
        retired, added = records.audit.list(limit=2)
    (key,) = read_data_keys(vault.folder)
    assert (added.action, added.details) == ("key.added", {"mark": mark_of(key)})
    assert retired.action == "key.retired"
    assert retired.details == {"mark": mark_of(key), "renewed": 4, "broken": 0}
    assert key.hex() not in f"{added}{retired}"


def test_second_factor_is_asked_for_as_before(vault: Vault) -> None:
    with vault.database.transaction() as records:
        ines = records.users.add("ines", Role.PATHOLOGIST, now=NOW)
    with_factor(vault, ines)
    (old,) = read_data_keys(vault.folder)
    renew(vault)
    with vault.database.reading() as records:
        sealed = records.users.secrets_of(ines.id).second_factor
    assert sealed is not None
    purpose = f"second factor of user {ines.id}"
    assert vault.seal.open(sealed, purpose) == FACTOR.encode()
    with pytest.raises(SealBrokenError):
        Seal(old).open(sealed, purpose)


def with_factor(vault: Vault, user: User) -> None:
    code = pyotp.TOTP(FACTOR).at(NOW)
    set_second_factor(
        vault.database, user, FACTOR, code, seal=vault.seal, by=Hand(user.id, "page", NOW)
    )


def test_webhooks_are_signed_for_as_before(vault: Vault) -> None:
    wanted = Wanted("https://lis.example.org/", "", ["case.signed"])
    webhook, first = add_webhook(vault.database, vault.seal, wanted, (), by=BY)
    _, second = rotate_secret(vault.database, vault.seal, webhook.id, by=BY)
    renew(vault)
    (new,) = read_data_keys(vault.folder)
    with vault.database.reading() as records:
        sealed = records.webhooks.secrets_of(webhook.id)
    purpose = f"secret of webhook {webhook.id}"
    assert Seal(new).open(sealed.secret, purpose) == second.encode()
    assert Seal(new).open(sealed.former or b"", purpose) == first.encode()


def test_what_the_record_can_forget_still_opens(vault: Vault, case: Case) -> None:
    with vault.database.transaction() as records:
        records.audit.add(BY.did("case.noted", f"case {case.id}", after={"note": "a note"}))
    (old,) = read_data_keys(vault.folder)
    renew(vault)
    with vault.database.reading() as records:
        event = records.audit.find(action="case.noted", subject=f"case {case.id}")
        values = records.audit.values.open(event.id) if event else None
        (secret,) = records.sealed.secrets()
    assert values is not None
    assert values.after == {"note": "a note"}
    with pytest.raises(SealBrokenError):
        Seal(old).open(secret.sealed, secret.purpose)


def test_reference_cells_are_sealed_anew(vault: Vault) -> None:
    album = Album(vault.database, vault.files)
    assert add_reference(album, "monocyte", "PBC", picture(1, 96, 96), by=BY)
    renew(vault)
    with vault.database.reading() as records:
        reference = records.session.scalars(select(ReferenceRow.id)).one()
    assert get_reference(album, reference)


def kill_at(number: int) -> Callable[[timedelta], None]:
    """Kill whoever waits for so many times."""
    left = iter(range(number))

    def wait(span: timedelta) -> None:
        if next(left, None) is None:
            raise Killed

    return wait


def test_rotation_that_is_killed_is_gone_on_with(vault: Vault, case: Case) -> None:
    with pytest.raises(Killed):
        renew(vault, kill_at(0))
    keys = read_data_keys(vault.folder)
    assert len(keys) == 2
    # What was sealed before, and what is sealed by now, opens meanwhile.
    late = vault.files.put(b"sent meanwhile")
    assert set(opened(vault, vault.seal).values()) == {True}
    assert opens(replace(vault.files, seal=Seal(keys[0])), late)
    done = renew(vault)
    assert done.was_begun
    assert read_data_keys(vault.folder) == [keys[0]]
    assert set(opened(vault, Seal(keys[0])).values()) == {True}
    with vault.database.reading() as records:
        actions = [event.action for event in records.audit.list(limit=3)]
    assert actions.count("key.added") == 1


def test_photo_in_hand_is_waited_for(vault: Vault, case: Case) -> None:
    (old,) = read_data_keys(vault.folder)
    name = add_photo(vault.database, vault.files, case, picture(3) + b"behind", by=BY).file
    taken = take_next(vault.database, "worker", now=NOW)
    assert taken is not None
    waited: list[timedelta] = []

    def read_meanwhile(span: timedelta) -> None:
        waited.append(span)
        if len(waited) == 2:
            assert opens(replace(vault.files, seal=Seal(old)), name or "")
            desk = Desk(vault.database, vault.files, FilmReader(3))
            read_photo(desk, taken, "worker", clock=lambda: NOW)

    renew(vault, read_meanwhile)
    assert len(waited) == 2
    assert set(opened(vault, Seal(*read_data_keys(vault.folder))).values()) == {True}
    assert vault.files.get(name or "") == picture(3)


def test_photo_of_a_lost_worker_holds_nobody_up(vault: Vault, case: Case) -> None:
    add_photo(vault.database, vault.files, case, picture(3), by=BY)
    assert take_next(vault.database, "lost", now=NOW - LEASE) is not None
    assert renew(vault).renewed == 5


def test_process_that_runs_learns_of_the_new_key(vault: Vault, case: Case) -> None:
    other = open_files("", vault.folder, open_seal(vault.folder))
    renew(vault)
    name = other.put(b"sealed by another process")
    assert opens(replace(vault.files, seal=Seal(*read_data_keys(vault.folder))), name)
    assert all(opened(vault, other.seal).values())


def test_key_file_that_is_broken_meanwhile_changes_nothing(vault: Vault, case: Case) -> None:
    (vault.folder / "data_key").write_text("no key")
    assert set(opened(vault, vault.seal).values()) == {True}


def test_what_no_key_opens_is_named_and_stops_nothing(vault: Vault, case: Case) -> None:
    with vault.database.reading() as records:
        first, second = (photo.file or "" for photo in records.photos.list(case.id))
    broken = Path(vault.files.root) / first[:2] / first
    broken.write_bytes(b"torn" * 20)
    vault.files.delete(second)
    done = renew(vault)
    assert done.broken == {first, second}
    assert len(read_data_keys(vault.folder)) == 1


def test_machine_without_the_new_key_seals_nothing(vault: Vault, case: Case) -> None:
    left = Seal(*read_data_keys(vault.folder))
    check_key(vault.database, left)
    renew(vault)
    check_key(vault.database, vault.seal)
    with pytest.raises(KeyOutdatedError):
        check_key(vault.database, left)
    kept = names(vault)
    with pytest.raises(KeyOutdatedError):
        add_photo(vault.database, replace(vault.files, seal=left), case, picture(3), by=BY)
    assert names(vault) == kept


def test_key_of_another_installation_is_not_rotated(vault: Vault, case: Case) -> None:
    renew(vault)
    write_keys(vault.folder, [bytes(32)])
    with pytest.raises(KeyOutdatedError):
        renew(vault)
    assert read_data_keys(vault.folder) == [bytes(32)]


def test_of_two_that_rotate_at_once_the_last_comes_to_the_end(vault: Vault, case: Case) -> None:
    def meanwhile(span: timedelta) -> None:
        assert renew(vault).was_begun

    with pytest.raises(RotationBusyError):
        renew(vault, meanwhile)
    assert set(opened(vault, Seal(*read_data_keys(vault.folder))).values()) == {True}


def test_many_that_rotate_at_once_lose_nothing(vault: Vault, case: Case) -> None:
    def attempt(_: int) -> int:
        try:
            renew(vault)
        except RotationBusyError:
            return 0
        return 1

    with ThreadPoolExecutor(3) as pool:
        assert sum(pool.map(attempt, range(3))) >= 1
    renew(vault)
    assert set(opened(vault, Seal(*read_data_keys(vault.folder))).values()) == {True}


def test_erased_picture_does_not_come_back(vault: Vault, case: Case) -> None:
    with vault.database.reading() as records:
        pictures = records.sealed.pictures()
    with vault.database.transaction() as records:
        records.belongings.erase("cases", case.id)
    for one in pictures:
        vault.files.delete(one.file)
    renew(vault)
    assert names(vault) == []
    with pytest.raises(PictureGoneError):
        vault.files.renew(pictures[0].file)
    with vault.database.transaction() as records:
        assert not records.sealed.hold(pictures[0], now=NOW)


def test_keys_that_others_lay_out_are_rotated_without_writing_them(
    vault: Vault, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    (old,) = read_data_keys(vault.folder)
    new = bytes(range(32))
    write_keys(vault.folder, [new, old])

    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(rotation, "write_keys", refuse)
    done = renew(vault)
    assert (done.is_left, done.was_begun, done.mark) == (True, True, mark_of(new))
    assert set(opened(vault, Seal(new)).values()) == {True}
    write_keys(vault.folder, [new])
    check_key(vault.database, vault.seal)


def test_key_is_not_made_where_it_cannot_be_written(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(rotation, "write_keys", refuse)
    before = read_data_keys(vault.folder)
    with pytest.raises(OSError, match="Read-only"):
        renew(vault)
    assert read_data_keys(vault.folder) == before


def test_models_that_all_machines_share_are_sealed_anew(vault: Vault, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "bundle.json").write_text("{}")
    depot = open_depot(f"memory:/{tmp_path}", vault.seal)
    assert depot
    depot.put("ab", tmp_path / "model")
    assert renew(replace(vault, depot=depot)).renewed == 2
    depot.fetch("ab", tmp_path / "model")
