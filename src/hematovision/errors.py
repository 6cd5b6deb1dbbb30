"""Every failure that a sender can act on, one class each. Anything else is a bug."""

import re
from typing import ClassVar, Self


class HematoVisionError(Exception):
    """A failure with a name: the message says what is wrong, `advice` what to do.

    Attributes:
        advice: One sentence on how to go on.
    """

    advice: ClassVar[str] = ""

    @property
    def message(self) -> str:
        """What is wrong, in one sentence."""
        return str(self)

    @classmethod
    def code(cls) -> str:
        """Name the failure for programs: `ImageTooLargeError` is `image_too_large`."""
        words = re.findall(r"[A-Z][a-z]*", cls.__name__.removesuffix("Error"))
        return "_".join(words).lower()


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
        return cls(f"The file is larger than {max_bytes / 2**20:.4g} MB.")


class EmptyFileError(HematoVisionError):
    """The file has no bytes."""

    advice = "It was probably cut off while copying. Copy it again from the microscope."


class UnsupportedFormatError(HematoVisionError):
    """The bytes are not a picture in a format that is accepted."""

    advice = "Save the photo as JPEG, PNG, TIFF, BMP or WebP and send it again."


class UnreadableImageError(HematoVisionError):
    """The header is sound but the pixels are not."""

    advice = "It was probably cut off while copying. Copy it again from the microscope."


class AnimatedImageError(HematoVisionError):
    """The file holds a moving picture."""

    advice = "Save the one frame that shows the field of view and send that."


class ImageTooLargeError(HematoVisionError):
    """The header announces more pixels than are read."""

    advice = "Export one field of view at full magnification and send it again."


class ImageTooSmallError(HematoVisionError):
    """The picture has too few pixels, or none, to show a cell."""

    advice = "Send the photo at the resolution of the camera."


class ModelMissingError(HematoVisionError):
    """There is no model folder, or it is not whole; nothing can be read."""

    advice = "Put the model folder back, or set HEMATOVISION_MODEL_FOLDER to where it is."


class ModelDamagedError(HematoVisionError):
    """A file of the model folder is not the one that was shipped."""

    advice = "Copy the model folder again; “hematovision model verify” names the file."
