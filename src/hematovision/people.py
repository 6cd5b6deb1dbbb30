"""Who uses the system, and the one table of what each may do."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Role(StrEnum):
    """What somebody is in the laboratory."""

    VIEWER = "viewer"
    TECHNOLOGIST = "technologist"
    PATHOLOGIST = "pathologist"
    ADMINISTRATOR = "administrator"


class Right(StrEnum):
    """What somebody may do."""

    SEE_MODEL = "see_model"
    """Look at the model's page and at one's own account."""
    READ_PHOTOS = "read_photos"
    """Have photos read."""
    SEE_CASES = "see_cases"
    """Look at cases, their photos, cells and differentials, and search them."""
    REVIEW = "review"
    """Make cases, add photos, and say what cells are."""
    EXPORT = "export"
    """Take reports, tables and pictures of cases out of the system."""
    SEE_QUALITY = "see_quality"
    """Look at how well the laboratory and the model do, and check the locator."""
    SIGN = "sign"
    """Sign cases, amend them, and decide where two readers differ."""
    SEE_AUDIT = "see_audit"
    """Search the record of who did what."""
    SET_LABORATORY = "set_laboratory"
    """Set what holds for everybody: reference ranges, own classes, reference cells."""
    MANAGE_USERS = "manage_users"
    """Add people, change their roles, shut them out and let them in."""
    MANAGE_MODELS = "manage_models"
    """Install models, try them in shadow, promote them and roll back."""
    ERASE = "erase"
    """Erase cases for good."""
    CONNECT = "connect"
    """Connect other systems: webhooks that tell them of signed cases."""


RIGHTS_OF: dict[Role, frozenset[Right]] = {
    Role.VIEWER: frozenset({Right.SEE_MODEL, Right.SEE_CASES}),
    Role.TECHNOLOGIST: frozenset(
        {
            Right.SEE_MODEL,
            Right.SEE_CASES,
            Right.READ_PHOTOS,
            Right.REVIEW,
            Right.EXPORT,
            Right.SEE_QUALITY,
        }
    ),
    Role.PATHOLOGIST: frozenset(Right)
    - {Right.MANAGE_USERS, Right.MANAGE_MODELS, Right.ERASE, Right.CONNECT},
    # The first person of a new machine is its administrator, and wants to read a photo.
    Role.ADMINISTRATOR: frozenset(Right),
}

OF_PEOPLE_ALONE = frozenset({Right.ERASE, Right.SIGN, Right.MANAGE_USERS})
"""What no program may do, whoever made its token."""


def rights_of_programs(role: Role) -> list[Right]:
    """List what somebody of a role may let a program do, in the order of `Right`."""
    return [right for right in Right if right in RIGHTS_OF[role] - OF_PEOPLE_ALONE]


@dataclass(frozen=True, slots=True)
class User:
    """Somebody with an account.

    Attributes:
        id: Never given to another.
        name: Of the sign-in, unique whatever its case.
        role: Decides what they may do.
        has_password: False until they chose one.
        has_second_factor: Whether a code of an authenticator is asked for as well.
        is_disabled: Whether they are shut out.
        created_at: When the account was made, UTC.
        scopes: What their program may do, as far as they may themselves; None where they ask in
            person.
    """

    id: int
    name: str
    role: Role
    has_password: bool
    has_second_factor: bool
    is_disabled: bool
    created_at: datetime
    scopes: frozenset[Right] | None = None

    def may(self, right: Right) -> bool:
        """Tell whether this person, or the program that shows their token, may do something."""
        if self.scopes is not None and right not in self.scopes - OF_PEOPLE_ALONE:
            return False
        return not self.is_disabled and right in RIGHTS_OF[self.role]
