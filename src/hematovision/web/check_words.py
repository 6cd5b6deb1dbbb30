"""What the page says of each check: what is, what to do, and where."""

from collections.abc import Sequence
from dataclasses import dataclass

from babel.lists import format_list
from flask import url_for
from flask_babel import get_locale, ngettext
from flask_babel import gettext as _

from hematovision.people import Right, User
from hematovision.services.cases import CLOSED
from hematovision.services.checks import Check, CheckState
from hematovision.services.differential import Sheet

SIGNS = {CheckState.OPEN: "!", CheckState.LOOK: "→", CheckState.DONE: "✓"}
NUMBERS_SHOWN = 8
PHOTOS, REVIEW = "cases.photos", "gallery.show"
PLACES = {
    "waiting": PHOTOS,
    "unidentified": REVIEW,
    "unconfirmed": REVIEW,
    "target": PHOTOS,
    "failed": PHOTOS,
    "empty": PHOTOS,
    "models": REVIEW,
    "second": "second.show",
    "apart": "second.agreement",
}
"""Where something can be done about a check."""


@dataclass(frozen=True, slots=True)
class CheckWords:
    """A check as the page shows it.

    Attributes:
        code: Of the check.
        state: How it stands.
        sign: In one letter, beside the words.
        what: What is.
        advice: What to do; empty where nothing is.
        act: What the link says.
        url: Where it leads.
        is_leavable: Whether it may stay open, with a reason.
    """

    code: str
    state: CheckState
    sign: str
    what: str
    advice: str = ""
    act: str = ""
    url: str = ""
    is_leavable: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """What the black button says, and where it leads."""

    words: str
    url: str


def words_of_checks(sheet: Sheet) -> list[CheckWords]:
    """Put the checks of a case into words, the open ones first."""
    order = list(CheckState)
    found = [_words(check, sheet) for check in sheet.checks]
    return sorted(filter(None, found), key=lambda words: order.index(words.state))


def next_step(sheet: Sheet, checks: Sequence[CheckWords], user: User) -> Step:
    """Say what comes next: the first open check, then to sign, and then the next case."""
    case_id = sheet.case.id
    if sheet.case.state in CLOSED and sheet.signed:
        address = url_for("signing.version", case_id=case_id, number=sheet.signed)
        return Step(_("See what was signed"), address)
    if not user.may(Right.REVIEW):
        return Step(_("Look at the cells"), url_for(REVIEW, case_id=case_id))
    left = [check for check in checks if check.state is CheckState.OPEN]
    if user.may(Right.SIGN):
        return _before_signing(left, case_id)
    return (
        Step(left[0].act, left[0].url)
        if left
        else Step(_("Go to the cases"), url_for("cases.show"))
    )


def _before_signing(left: Sequence[CheckWords], case_id: int) -> Step:
    if not left:
        return Step(_("Sign"), url_for("signing.show", case_id=case_id))
    words = ngettext(
        "%(num)s check left before you sign", "%(num)s checks left before you sign", len(left)
    )
    return Step(str(words), left[0].url)


def _words(check: Check, sheet: Sheet) -> CheckWords | None:
    sign = SIGNS[check.state]
    if check.state is CheckState.DONE:
        what = _done(check, sheet.case.target)
        return CheckWords(check.code, check.state, sign, what) if what else None
    what, advice, act = _left(check, sheet.case.target)
    url = url_for(PLACES[check.code], case_id=sheet.case.id)
    return CheckWords(check.code, check.state, sign, what, advice, act, url, check.is_leavable)


def _done(check: Check, target: int) -> str:
    """Say what is in order; a check that has nothing to say is left out."""
    if check.code == "models" and not check.number:
        return ""
    words = {
        "waiting": _("No photo waits to be read"),
        "unidentified": _("No unidentified cell is left"),
        "unconfirmed": _("Every suggestion was looked at"),
        "target": _(
            "%(number)s counted, at least %(target)s needed", number=check.number, target=target
        ),
        "empty": _("Every photo that was read shows a white cell"),
        "models": _("One model read all photos"),
        "second": _("Somebody else read the case as well"),
        "apart": _("Both readers agree, or somebody decided"),
    }
    return str(words.get(check.code, ""))


def _left(check: Check, target: int) -> tuple[str, str, str]:
    """Say what is, what to do, and what the link says."""
    number = check.number
    photos = _numbers(check.photos)
    models = ", ".join(check.models)
    said = {
        "waiting": lambda: (
            ngettext("%(num)s photo is not read yet", "%(num)s photos are not read yet", number),
            _("Their cells come by themselves; go on where they were stopped."),
            ngettext("See the photo that waits", "See the %(num)s photos that wait", number),
        ),
        "unidentified": lambda: (
            ngettext(
                "%(num)s unidentified cell is left", "%(num)s unidentified cells are left", number
            ),
            _("Name each, or take it out of the count."),
            _("Review %(num)s unidentified", num=number),
        ),
        "unconfirmed": lambda: (
            ngettext(
                "%(num)s suggestion was not looked at",
                "%(num)s suggestions were not looked at",
                number,
            ),
            _("Confirm each, or name it otherwise."),
            ngettext("Review %(num)s suggestion", "Review %(num)s suggestions", number),
        ),
        "target": lambda: (
            ngettext("%(num)s more cell to count", "%(num)s more cells to count", number),
            _(
                "The target is %(target)s. Add photos of other fields, or choose another target.",
                target=target,
            ),
            ngettext("Add photos, %(num)s cell to go", "Add photos, %(num)s cells to go", number),
        ),
        "failed": lambda: (
            ngettext("%(num)s photo could not be read", "%(num)s photos could not be read", number),
            _("Its cells are missing here. See why, try again, or send it anew."),
            _("See why"),
        ),
        "empty": lambda: (
            ngettext(
                "%(num)s photo shows no white cell", "%(num)s photos show no white cell", number
            ),
            _("Look, so that nothing was missed."),
            ngettext(
                "Look at photo %(photos)s", "Look at photos %(photos)s", number, photos=photos
            ),
        ),
        "models": lambda: (
            ngettext("%(num)s model read these photos", "%(num)s models read these photos", number),
            _("They may name the same cell otherwise: %(models)s.", models=models),
            _("Look at the cells"),
        ),
        "second": lambda: (
            _("Nobody has read this case a second time"),
            _("Somebody who has not seen what was said names every cell."),
            _("See the second reading"),
        ),
        "apart": lambda: (
            ngettext(
                "The readers differ on %(num)s cell", "The readers differ on %(num)s cells", number
            ),
            _("Decide what each is."),
            ngettext("Decide on %(num)s cell", "Decide on %(num)s cells", number),
        ),
    }
    what, advice, act = said[check.code]()
    return str(what), str(advice), str(act)


def _numbers(photos: Sequence[int]) -> str:
    shown = [str(number) for number in photos[:NUMBERS_SHOWN]]
    if len(photos) > NUMBERS_SHOWN:
        return ", ".join(shown) + " …"
    return str(format_list(shown, locale=get_locale())) if shown else ""
