"""Every failure that a sender can act on, one class each. Anything else is a bug."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar, Self


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field of a request.

    Attributes:
        field: Its name; of nested ones all names with dots between, such as `reviews.0.cell`.
        reason: What is wrong.
    """

    field: str
    reason: str


class Phrase(str):
    """A value of a message that is English itself, so that pages translate it too."""

    __slots__ = ()


class HematoVisionError(Exception):
    """A failure with a name: the message says what is wrong, `advice` what to do.

    Attributes:
        advice: One sentence on how to go on.
        template: The message with `%(name)s` in the place of values; what pages translate.
        values: By name. Of a number, a page of another language writes the digits its own way.
        seconds: After so many it may be tried again; 0 where waiting does not help.
    """

    advice: ClassVar[str] = ""
    seconds: int = 0

    def __init__(self, template: str = "", /, **values: object) -> None:
        """Say what is wrong, in English; without values a template is the message as it stands."""
        super().__init__(template % values if values else template)
        self.template = template
        self.values = values

    @property
    def message(self) -> str:
        """What is wrong, in one sentence."""
        return str(self)

    @classmethod
    def code(cls) -> str:
        """Name the failure for programs: `ImageTooLargeError` is `image_too_large`."""
        words = re.findall(r"[A-Z][a-z]*", cls.__name__.removesuffix("Error"))
        return "_".join(words).lower()


def rounded(number: float, digits: int = 6) -> Decimal:
    """Round a number for a message, to so many digits and without an exponent."""
    return Decimal(format(Decimal(f"{number:.{digits}g}"), "f"))


def megabytes(number: int) -> Decimal:
    """Give bytes in MB, to four digits."""
    return rounded(number / 2**20, 4)


class NoImageError(HematoVisionError):
    """The request carries no picture."""

    advice = "Send one or more pictures as multipart form fields named “image”."


class TooManyImagesError(HematoVisionError):
    """More pictures in one request than are read at once."""

    advice = "Send them in several requests."


class FileTooLargeError(HematoVisionError):
    """A file, or a whole request, is over the limit of bytes."""

    advice = "Export one field of view at full magnification and send it again."

    @classmethod
    def over(cls, max_bytes: int) -> Self:
        """Say it of a file with more than `max_bytes`."""
        return cls("The file is larger than %(size)s MB.", size=megabytes(max_bytes))


class FieldsInvalidError(HematoVisionError):
    """What a program asks for has fields that are missing, unknown or wrong.

    Attributes:
        errors: What is wrong with which field.
    """

    advice = "Correct the fields that “errors” names; “/api/docs” says what each may be."

    def __init__(
        self, template: str, /, errors: Sequence[FieldError] = (), **values: object
    ) -> None:
        """Say which fields are wrong."""
        super().__init__(template, **values)
        self.errors = tuple(errors)


class DocumentUnreadableError(HematoVisionError):
    """What was sent is not JSON."""

    advice = "Send one JSON document in UTF-8."


class DocumentMissingError(HematoVisionError):
    """A request that asks for a JSON document came with something else."""

    advice = "Send a JSON document with the header “Content-Type: application/json”."


class OutdatedError(HematoVisionError):
    """What is to be changed is not as the program saw it last."""

    advice = "Get it again, and send the change with the ETag that comes with it."


class UnconditionalError(HematoVisionError):
    """A change came without saying of which state it is a change."""

    advice = "Send the ETag of what you saw as “If-Match”."


class EmptyFileError(HematoVisionError):
    """The file has no bytes."""

    advice = "It was probably cut off while copying. Copy it again from the microscope."


class UnsupportedFormatError(HematoVisionError):
    """The bytes are not a picture in a format that is accepted."""

    advice = "Save the photo as JPEG, PNG, TIFF, BMP or WebP and send it again."


class UnreadableImageError(HematoVisionError):
    """The header is sound but the pixels are not."""

    advice = "It was probably cut off while copying. Copy it again from the microscope."


class DecodingTookTooLongError(HematoVisionError):
    """The picture keeps its decoder busy for longer than any photo would."""

    advice = "Save the photo anew with another program, as PNG or JPEG, and send that."


class DecoderCrashedError(HematoVisionError):
    """The process that decodes pictures did not survive this one."""

    advice = "Save the photo anew with another program, as PNG or JPEG, and send that."


class DecodersBusyError(HematoVisionError):
    """All processes that decode pictures are at work, and many pictures wait."""

    advice = "Send it again in a minute."
    seconds = 10


class ImageTooHeavyError(HematoVisionError):
    """Decoding takes more memory than a picture of the largest size needs."""

    advice = "Save the photo anew with another program, as PNG or JPEG, and send that."

    @classmethod
    def of_any(cls) -> Self:
        """Say it of any picture."""
        return cls("Decoding it takes more memory than is allowed.")


class AnimatedImageError(HematoVisionError):
    """The file holds a moving picture."""

    advice = "Save the one frame that shows the field of view and send that."


class ImageTooLargeError(HematoVisionError):
    """The header announces more pixels than are read."""

    advice = "Export one field of view at full magnification and send it again."


class ImageTooSmallError(HematoVisionError):
    """The picture has too few pixels, or none, to show a cell."""

    advice = "Send the photo at the resolution of the camera."


class ArchiveDamagedError(HematoVisionError):
    """The directory of a ZIP cannot be read."""

    advice = "Pack the photos again, or drop the folder itself."


class ArchiveTooLargeError(HematoVisionError):
    """The files of a ZIP have more bytes together than are unpacked."""

    advice = "Those before it are kept. Send the rest in another ZIP, or drop the folder itself."


class TooManyEntriesError(HematoVisionError):
    """A ZIP holds more files than are read."""

    advice = "Pack the photos into several ZIPs, or drop the folder itself."


class EntryDamagedError(HematoVisionError):
    """A file of a ZIP is not what was packed."""

    advice = "Copy it again from the microscope and send it by itself."


class EntryEncryptedError(HematoVisionError):
    """A file of a ZIP asks for a password."""

    advice = "Pack the photos without a password, or send them unpacked."


class EntryIsLinkError(HematoVisionError):
    """An entry of a ZIP is a link, or something else that is no plain file."""

    advice = "Send the photo that it points to."


class EntryNameError(HematoVisionError):
    """A file of a ZIP has a name that leads elsewhere when unpacked."""

    advice = "Pack the photos anew with plain names, or drop the folder itself."


class EntryNestedError(HematoVisionError):
    """A file of a ZIP is an archive itself."""

    advice = "Unpack it and send what it holds."


class EntryOverlapsError(HematoVisionError):
    """Two entries of a ZIP share their bytes, as no packer writes them."""

    advice = "Pack the photos anew, or drop the folder itself."


class EntrySquashedError(HematoVisionError):
    """A file of a ZIP becomes far larger than a picture does."""

    advice = "If it is a photo, send it unpacked."


class EntryUnsupportedError(HematoVisionError):
    """A file of a ZIP is packed by a method that is not read."""

    advice = "Pack the photos the ordinary way (“deflate”), or drop the folder itself."


class ModelMissingError(HematoVisionError):
    """There is no model folder, or it is not whole; nothing can be read."""

    advice = "Put the model folder back, or set HEMATOVISION_MODEL_FOLDER to where it is."


class ModelDamagedError(HematoVisionError):
    """A file of the model folder is not the one that was shipped."""

    advice = "Copy the model folder again; “hematovision model verify” names the file."


class NotSignedInError(HematoVisionError):
    """Nobody is signed in, or they were away for too long."""

    advice = "Sign in. A program sends “Authorization: Bearer” with a token of its owner's account."


class TokenUnknownError(NotSignedInError):
    """A program shows a token that was never made, was taken away, or has ended."""

    advice = "Make another on its owner's account page."


class NotAllowedError(HematoVisionError):
    """Whoever is signed in may not do this."""

    advice = "Ask an administrator for another role, or have somebody who may do it."


class ScopeMissingError(NotAllowedError):
    """The owner of a token may do this, but the token was not given the right.

    Attributes:
        scope: The right, by the name that programs know.
    """

    advice = "Make a token that carries it, on its owner's account page."

    scope: str = ""

    @classmethod
    def of(cls, scope: str) -> Self:
        """Say which right is missing."""
        error = cls("The token does not carry “%(scope)s”.", scope=scope)
        error.scope = scope
        return error


class IdempotencyKeyInvalidError(HematoVisionError):
    """The key of a request is none."""

    advice = "Send 1 to 255 printable ASCII characters, best a random UUID, or no key."


class IdempotencyKeyReusedError(HematoVisionError):
    """Something else was asked under the key of a request."""

    advice = "Take a new key for every new request, and the same only to send it again."


class IdempotencyKeyBusyError(HematoVisionError):
    """A request with the same key is being answered.

    Attributes:
        seconds: After so long it may have been.
    """

    advice = "Wait as long as “Retry-After” says, then send it again with the same key."

    seconds: int = 2


class TooManyRequestsError(HematoVisionError):
    """Somebody asks more often than the server lets them.

    Attributes:
        seconds: After so long they may go on.
    """

    advice = "Wait so long, then go on more slowly. Programs find the seconds in “Retry-After”."

    seconds: int = 0

    @classmethod
    def after(cls, seconds: int) -> Self:
        """Say how long to wait."""
        error = cls("Too many requests. The next is possible in %(wait)s.", wait=f"{seconds} s")
        error.seconds = seconds
        return error


class ScopeInvalidError(HematoVisionError):
    """A token is to carry nothing, or what it cannot carry."""

    advice = "Choose among what its owner may do; no token may sign, erase or manage users."


class SignInFailedError(HematoVisionError):
    """Name, password and code do not belong together; which of them is wrong is not told."""

    advice = "Check them. An administrator can give you a link that lets you choose a new password."


class TooManySignInsError(HematoVisionError):
    """So many sign-ins under one name failed that the next must wait."""

    advice = "Wait, then try again; or ask an administrator for a link."

    @classmethod
    def until(cls, seconds: int) -> Self:
        """Say how long."""
        minutes, rest = divmod(seconds, 60)
        wait = f"{minutes} min {rest} s" if minutes else f"{rest} s"
        error = cls("Too many sign-ins failed. The next is possible in %(wait)s.", wait=wait)
        error.seconds = seconds
        return error


class LinkSpentError(HematoVisionError):
    """A link that lets in once was used, replaced by another, or is too old."""

    advice = "Ask an administrator for another: “hematovision users reset-password”."


class PasswordTooWeakError(HematoVisionError):
    """A password that would be guessed."""

    advice = "Take four or five words that nobody would put together, or let a password manager."


class WrongPasswordError(HematoVisionError):
    """The present password, which a change asks for, is another."""

    advice = "Type the password that you signed in with."


class WrongCodeError(HematoVisionError):
    """The code is not the one that the authenticator shows now."""

    advice = "Type the six digits that it shows now; the clocks of both devices must be right."


class SecondFactorThereError(HematoVisionError):
    """Somebody has an authenticator already; another must not take its place unasked."""

    advice = "Remove it first; that asks for your password."


class UserNameTakenError(HematoVisionError):
    """Somebody has this name already, perhaps with other capitals, perhaps shut out."""

    advice = "Choose another, such as first.last; let somebody in again, do not add them twice."


class UserNameInvalidError(HematoVisionError):
    """A name that cannot be told apart, shown or typed."""

    advice = "Use letters, digits, dots, hyphens, underscores and @, up to 64."


class UserUnknownError(HematoVisionError):
    """Nobody has this name or number."""

    advice = "“hematovision users list” shows everybody."


class ProviderUnreachableError(HematoVisionError):
    """The provider that signs people in does not answer, or not as a provider does."""

    advice = "Try again in a minute. A password of this server lets in all the same."


class ProviderRefusedError(HematoVisionError):
    """The provider did not sign somebody in."""

    advice = "Try again; if it says no again, ask whoever runs it."


class SignInUnprovenError(HematoVisionError):
    """What came back from the provider does not prove who somebody is."""

    advice = "Begin again on the page to sign in. It must be finished in the browser that began it."


class RoleUnmappedError(HematoVisionError):
    """The provider says nothing of somebody that makes them something here."""

    advice = "Ask whoever runs it to put you into a group of HematoVision, then sign in again."


class AccountShutError(HematoVisionError):
    """Somebody whom the provider signs in is shut out here."""

    advice = "Ask an administrator to let you in again."


class PasswordElsewhereError(HematoVisionError):
    """Somebody whom a provider signs in needs no password here."""

    advice = "Change your password where you sign in."


class AnotherPersonError(HematoVisionError):
    """The provider signed in somebody other than who is signed in here."""

    advice = "Sign in there as yourself, or sign out here first."


class NotAskedAgainError(HematoVisionError):
    """The provider let somebody through without asking who they are again."""

    advice = (
        "Ask whoever runs it to heed “max_age” and to send “auth_time”. Until then, ask an "
        "administrator for a link that lets you choose a password for signing."
    )


class ConfirmationSpentError(HematoVisionError):
    """That somebody confirmed who they are was used, is too old, or was for something else."""

    advice = "Confirm once more who you are, then sign."


class LastAdministratorError(HematoVisionError):
    """Without this person nobody could manage users any more."""

    advice = "Make somebody else an administrator first."


class CaseUnknownError(HematoVisionError):
    """There is no such case."""

    advice = "Look for it in the list of cases."


class AccessionInvalidError(HematoVisionError):
    """A case's number that cannot be told apart, shown or typed."""

    advice = "Use letters, digits, dots, hyphens, slashes and spaces, up to 64."


class AccessionTakenError(HematoVisionError):
    """A case has this number already, perhaps with other capitals."""

    advice = "Open that case and add the photos there, or choose another number."


class CaseClosedError(HematoVisionError):
    """The case is signed: nothing in it may be changed."""

    advice = "What must be changed after signing becomes an amendment."


class BackupUnusableError(HematoVisionError):
    """A backup is damaged, needs another version of this program, or its keys are not at hand."""

    advice = "Nothing was overwritten. Copy the backup again, or name its keys with --keys."


class TargetNotEmptyError(HematoVisionError):
    """A backup is put back only where there is nothing yet."""

    advice = "Set HEMATOVISION_DATA_FOLDER and HEMATOVISION_DATABASE_URL to where there is nothing."


class KeyOutdatedError(HematoVisionError):
    """A key of this machine is not the one that the installation works with by now."""

    advice = (
        "Give this machine the keys of the others: data_key, audit_key and secret_key. Where "
        "another secret_key is meant to hold: hematovision keys session."
    )


class RotationBusyError(HematoVisionError):
    """Somebody else rotates the key at this moment."""

    advice = "Wait until they are done."


class NotConfirmedError(HematoVisionError):
    """What cannot be undone was asked for without the words that confirm it."""

    advice = "Type the case's number as it stands there, and choose why it is erased."


class ChangedMeanwhileError(HematoVisionError):
    """Somebody else changed the same thing since it was looked at; nothing was overwritten."""

    advice = "Look at what they changed, then change it again if need be."


class PhotoUnknownError(HematoVisionError):
    """There is no such photo here."""

    advice = "Look for it in its case."


class JobUnknownError(HematoVisionError):
    """There is no such job, or it is not of whoever asks."""

    advice = "The “Location” of the answer to what was sent says where its job is."


class PictureNotKeptError(HematoVisionError):
    """The picture is not kept: the installation keeps none, or it was deleted since."""

    advice = "Send the photo again; an administrator sets HEMATOVISION_KEEP_PICTURES."


class PhotoFiledError(HematoVisionError):
    """The reading belongs to a case already; it is filed once."""

    advice = "Open it in its case; for another case send the photo again."


class EventUnknownError(HematoVisionError):
    """Nothing of this number is on record."""

    advice = "Search the audit record."


class CellUnknownError(HematoVisionError):
    """There is no such cell in this case."""

    advice = "Load the page again."


class LabelUnknownError(HematoVisionError):
    """A cell cannot be called so here."""

    advice = "Choose one of the names that the gallery lists."


class BoxInvalidError(HematoVisionError):
    """A box that holds no cell: too small, or not inside its photo."""

    advice = "Draw it around the whole cell, inside the photo."


class RangeInvalidError(HematoVisionError):
    """Reference ranges that cannot be: a number, the name of the age band, or no source."""

    advice = "Give each age band a name and a source, and each range both ends: 0.5 and 1."


class CountInvalidError(HematoVisionError):
    """A target, an age band or a white count that cannot be."""

    advice = "A target is 50 to 1000 cells; a white count is in 10⁹ a litre, such as 7.2 or 7,2."


class CheckInvalidError(HematoVisionError):
    """A number of missed cells or of wrong boxes that cannot be."""

    advice = "Count in the photo that is shown, and write whole numbers; 0 for none."


class LabelInvalidError(HematoVisionError):
    """A name for cells that cannot be told apart, shown or typed."""

    advice = "Use 2 to 40 letters, digits, spaces and hyphens that no other name has."


class KeyTakenError(HematoVisionError):
    """A key that does something else already, or that is no letter or digit."""

    advice = "Choose another letter or digit; U, Z, H and G do something else."


class NameMissingError(HematoVisionError):
    """Who signs gave no full name, or one that cannot be printed."""

    advice = "Type your name as it is to stand under what you sign, up to 64 characters."


class PasswordMissingError(HematoVisionError):
    """Who signs has no password, so nothing shows that it is they."""

    advice = "Choose a password on your account page first."


class ReasonMissingError(HematoVisionError):
    """What must be explained was not: a check left open, an amendment, a case sent back."""

    advice = "Write it in a sentence that a colleague understands in a year."


class ChecksOpenError(HematoVisionError):
    """Something is to be done before the case is signed."""

    advice = "Do what the checks ask for, or write why one is left open where that is possible."


class NotSignedError(HematoVisionError):
    """The case, or this version of it, is not signed."""

    advice = "Look at the differential of the case: it says what is signed."


class SignatureBrokenError(HematoVisionError):
    """What is kept of a signed version is not what the audit record says was signed."""

    advice = (
        "Somebody changed it behind the program's back. Tell an administrator: "
        "“hematovision audit verify” says what else is not as it was, and a backup has what was "
        "signed."
    )


class SecondReadingError(HematoVisionError):
    """A second reading that cannot be begun, taken or finished so."""

    advice = "Look at the page of the second reading: it says how far it is."


class BlindError(HematoVisionError):
    """Whoever reads a case a second time must not see what the first reader said."""

    advice = "Finish your second reading first, or give it up."


class ModelUnknownError(HematoVisionError):
    """No model that is installed here is called so."""

    advice = "“hematovision model list” shows them; the one that was shipped is called shipped."


class ModelThereError(HematoVisionError):
    """The model is installed already, or another has its name and version."""

    advice = "Nothing was changed. Give a model of its own a version of its own."


class ModelUnfitError(HematoVisionError):
    """A model folder that must not be installed: what lies in it, or what it would read."""

    advice = "Nothing was installed. Copy the folder again, or ask whoever made it."


class ModelReadsError(HematoVisionError):
    """The model reads already."""

    advice = "Choose another; “hematovision model list” shows which reads."


class NoModelBeforeError(HematoVisionError):
    """There is no promotion that could be rolled back."""

    advice = "The model that was shipped reads; promote another one."


class NothingConfirmedError(HematoVisionError):
    """There are no cells that people have named and that may be used for this."""

    advice = "Name cells in the gallery. To export, let cases improve the model on their pages."


class WebhookInvalidError(HematoVisionError):
    """A webhook that cannot be: its address, its events, its description, or one too many."""

    advice = (
        "Give a complete https address that programs elsewhere know, and at least one event. An "
        "address inside the laboratory must lie in HEMATOVISION_WEBHOOK_NETWORKS."
    )


class WebhookUnknownError(HematoVisionError):
    """There is no such webhook, or it was never told this."""

    advice = "Somebody may have deleted it; look at the list of webhooks."


class WebhookOffError(HematoVisionError):
    """The webhook is switched off, so it is told nothing."""

    advice = "Switch it on first."


class DeliveryWaitsError(HematoVisionError):
    """What is to be sent again is still being sent."""

    advice = "Wait for the attempts that are still to come; the page says when the next one is."


class FolderTakenError(HematoVisionError):
    """A folder to write is there already; nothing is overwritten."""

    advice = "Name a folder that is not there yet."


class BusyError(HematoVisionError):
    """So many photos are being read, and wait to be, that another must come later."""

    advice = "Wait a few seconds, then send it again; or send many photos as those of a case."
    seconds = 5


class QueueFullError(HematoVisionError):
    """So many photos of cases wait to be read that no more are taken in."""

    advice = "Wait until some are read, then send the rest; or let more workers read."
    seconds = 60


class DatabaseAwayError(HematoVisionError):
    """The database does not answer, or not in time; what was asked for was not done."""

    advice = "Nothing was changed. Try again in a moment."
    seconds = 5


class PicturesAwayError(HematoVisionError):
    """The place where pictures are kept does not answer, or refuses this server."""

    advice = "Nothing was changed. Try again in a moment."
    seconds = 5


class StorageFullError(HematoVisionError):
    """There is no room left where something was to be kept."""

    advice = (
        "Nothing was changed. Ask whoever runs the server to make room on its disk, then try again."
    )


PASSING = (DatabaseAwayError, PicturesAwayError, StorageFullError, DecodersBusyError)
"""What is no fault of what was sent: it may be sent again as it is."""
