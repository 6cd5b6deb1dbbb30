"""What pages say of signatures."""

from flask_babel import gettext as _
from flask_babel import lazy_gettext

from hematovision.services.signing import MEANINGS
from hematovision.storage.signatures import Signature

MEANS = dict(
    zip(
        MEANINGS,
        (
            lazy_gettext("I reviewed these cells and confirm this differential."),
            lazy_gettext("I approve this differential, which others reviewed."),
        ),
        strict=True,
    )
)
"""What a signature says, in the language of the page."""


def meaning_of(signature: Signature) -> str:
    """Say what a signature says, in the language of the page."""
    return str(MEANS.get(signature.meaning, signature.meaning))


def reason_title(code: str) -> str:
    """Say what was left open, where somebody wrote why."""
    return str(
        {
            "unidentified": _("Unidentified cells were left"),
            "unconfirmed": _("Suggestions were not looked at"),
            "target": _("Fewer cells than the target were counted"),
            "second": _("Nobody read the case a second time"),
            "apart": _("Nobody decided where the readers differ"),
        }[code]
    )
