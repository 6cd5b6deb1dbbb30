"""A model folder of somebody else is looked at as what it is: files of a stranger.

Nothing but plain files is taken, and only those that `bundle.json` lists; each is hashed while it
is copied, so that what was checked is what is kept. The copy is read before it counts.
"""

import hashlib
import json
import os
import shutil
import stat
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hematovision.cells import LoadReader, ModelIdentity
from hematovision.errors import HematoVisionError, ModelThereError, ModelUnfitError
from hematovision.services.carrying import draft_folder
from hematovision.services.choosing import PREFIX, SHIPPED, folder_of
from hematovision.services.hands import Hand
from hematovision.storage.database import Database, Records
from hematovision.storage.depot import Depot
from hematovision.storage.inserts import AlreadyThereError
from hematovision.storage.tables import NAME_LENGTH
from hematovision.vision.bundle import BUNDLE_FILE, Bundle, read_bundle
from hematovision.vision.looks import LOOKS_FILE

BESIDE = ("evaluation.json", "card.md", LOOKS_FILE)
"""What is measured of a model after its bundle was written; it may be there."""
RESERVED = {SHIPPED, "off"}
"""What commands and pages call something else by."""
MOST_FILES = 32
MOST_BYTES = 2**30
MOST_BUNDLE_BYTES = 2**24
BLOCK = 2**20
TRIAL_SIDE = 256


@dataclass(frozen=True, slots=True)
class Store:
    """Where models are installed.

    Attributes:
        database: Says which they are.
        data_folder: Has their files.
        shipped: The model that came with the program; others must name the same types.
        load: Turns a folder into a reader.
        depot: Where all machines find the files; None where there is none.
    """

    database: Database
    data_folder: Path
    shipped: Bundle
    load: LoadReader
    depot: Depot | None = None


def install_model(store: Store, source: Path, *, by: Hand) -> ModelIdentity:
    """Install a model beside those that are there.

    Where the database has it and its folder is not on this machine, only the files are copied.

    Args:
        store: Where it is installed.
        source: Its folder.
        by: Who installs it.

    Raises:
        ModelMissingError: If the folder is none, or a file of it is missing.
        ModelDamagedError: If a file is not the one that was shipped with its bundle.
        ModelUnfitError: If the folder holds what it must not, or the model does not read what
            others read.
        ModelThereError: If it is installed, or another has its name and version.
        PicturesAwayError: If the depot does not answer.
        OSError: If something cannot be read or written.
    """
    with draft_folder(store.data_folder) as draft:
        bundle = _copy(source, draft)
        _check(bundle, store)
        if store.depot is not None:
            # Before it counts: whoever promotes it must find it everywhere.
            store.depot.put(bundle.identity.sha256, draft)
        folder = folder_of(store.data_folder, bundle.identity.sha256)
        with store.database.transaction() as records:
            is_new = _register(records, bundle.identity, store.shipped, folder, by)
            draft.rename(folder)
            if is_new:
                details = {"version": bundle.identity.version, "sha256": bundle.identity.sha256}
                subject = f"model {bundle.identity.sha256[:PREFIX]}"
                records.audit.add(by.did("model.installed", subject, details))
    return bundle.identity


def _copy(source: Path, draft: Path) -> Bundle:
    """Copy what the bundle lists, each file checked against its hash."""
    if source.is_symlink():
        raise ModelUnfitError("%(name)s is a link.", name=source.name)
    _copy_file(source, BUNDLE_FILE, draft, most=MOST_BUNDLE_BYTES)
    listed = read_listed(draft)
    for name, digest in listed.items():
        if _copy_file(source, name, draft) != digest:
            raise ModelUnfitError("%(name)s is not the file that the bundle lists.", name=name)
    for name in BESIDE:
        if os.path.lexists(source / name) and name not in listed:
            _copy_file(source, name, draft)
    return read_bundle(draft)


def read_listed(folder: Path) -> dict[str, str]:
    """Read which files a bundle lists, and insist that each is called as a plain file is.

    Raises:
        ModelUnfitError: If the bundle cannot be understood, or a name leads elsewhere.
    """
    try:
        files = json.loads((folder / BUNDLE_FILE).read_bytes())["files"]
        listed = {str(name): str(digest) for name, digest in files.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelUnfitError("%(name)s cannot be understood.", name=BUNDLE_FILE) from error
    if len(listed) > MOST_FILES:
        raise ModelUnfitError("The bundle lists more files than a model has.")
    for name in listed:
        if not _is_plain(name, beside=listed):
            raise ModelUnfitError("The bundle lists a file with a name that is none.")
    return listed


def _is_plain(name: str, *, beside: Collection[str]) -> bool:
    """Tell whether a name is that of a file of the folder itself, on every system."""
    signs = set(name) - set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
    folded = [other.lower() for other in (*beside, BUNDLE_FILE)]
    return (
        0 < len(name) <= NAME_LENGTH
        and not signs
        and name[0] not in ".-"
        and folded.count(name.lower()) == 1
    )


def _copy_file(source: Path, name: str, draft: Path, *, most: int = MOST_BYTES) -> str:
    """Copy a plain file; give the hash of what was copied."""
    try:
        # A link is not followed, and a pipe is not waited for.
        handle = os.open(source / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise ModelUnfitError(
            "%(name)s cannot be read as a plain file: %(reason)s.",
            name=name,
            reason=error.strerror,
        ) from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise ModelUnfitError("%(name)s is no plain file.", name=name)
    return _copy_stream(handle, draft / name, most)


def _copy_stream(handle: int, target: Path, most: int) -> str:
    digest, copied = hashlib.sha256(), 0
    with os.fdopen(handle, "rb") as stream, target.open("xb") as copy:
        while block := stream.read(BLOCK):
            copied += len(block)
            if copied > most:
                raise ModelUnfitError(
                    "%(name)s is larger than a model's file is.", name=target.name
                )
            digest.update(block)
            copy.write(block)
        copy.flush()
        os.fsync(copy.fileno())
    return digest.hexdigest()


def _check(bundle: Bundle, store: Store) -> None:
    """Insist that a model names what others name, and that it can be run."""
    identity = bundle.identity
    if max(len(identity.name), len(identity.version)) > NAME_LENGTH or not (
        f"{identity.name}{identity.version}".isprintable() and identity.name and identity.version
    ):
        raise ModelUnfitError("The model has no name and version that can be shown.")
    if identity.version in RESERVED:
        raise ModelUnfitError("The model has a version that means something else here.")
    if set(bundle.classes) != set(store.shipped.classes) or len(bundle.classes) != len(
        store.shipped.classes
    ):
        raise ModelUnfitError(
            "The model names %(types)s; those that read here name %(wanted)s.",
            types=", ".join(bundle.classes),
            wanted=", ".join(store.shipped.classes),
        )
    _try(bundle.folder, store.load)


def _try(folder: Path, load: LoadReader) -> None:
    """Let a model read an empty field and a dark spot."""
    field = np.full((TRIAL_SIDE, TRIAL_SIDE, 3), 240, np.uint8)
    field[96:160, 96:160] = (60, 40, 130)
    try:
        load(folder).read(field)
    except HematoVisionError:
        raise
    except Exception as error:  # whatever an engine raises on a network that it cannot run
        raise ModelUnfitError("The networks of the model cannot be run.") from error


def _register(
    records: Records, model: ModelIdentity, shipped: Bundle, folder: Path, by: Hand
) -> bool:
    """Keep that a model is installed; False where it is, and its folder is not here."""
    there = records.models.find(model.sha256)
    if there is not None and not folder.exists():
        return False
    if there is not None or model.sha256 == shipped.identity.sha256:
        raise ModelThereError("This model is installed already.")
    named = (shipped.identity.name, shipped.identity.version)
    try:
        if named == (model.name, model.version):
            raise AlreadyThereError
        records.models.add(model, by=by.user_id, now=by.now)
    except AlreadyThereError as error:
        raise ModelThereError(
            "Another model is called %(name)s %(version)s.", name=model.name, version=model.version
        ) from error
    if folder.exists():
        # Of an installation that was taken back; its files were checked, and are the same.
        shutil.rmtree(folder)
    return True
