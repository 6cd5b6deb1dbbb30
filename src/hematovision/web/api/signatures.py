"""`/cases/ID/signatures`: what was signed of a case, by whom and when."""

from collections.abc import Mapping
from typing import Any

from marshmallow import fields

from hematovision.errors import BlindError, CaseUnknownError
from hematovision.people import Right
from hematovision.services.accounts import list_users
from hematovision.services.amending import get_versions
from hematovision.services.contents import digest_of
from hematovision.services.vouching import vouches
from hematovision.storage.signatures import Signature
from hematovision.web.access import needs
from hematovision.web.api import values
from hematovision.web.api.paging import Paging, cursor_of, page_of, page_schema
from hematovision.web.api.resources import Resource, fails
from hematovision.web.api.schemas import Document, Moment, said
from hematovision.web.looks import look
from hematovision.web.wiring import get_wiring

resource = Resource("signatures", "Signatures", "What was signed of a case, by whom and when.")


class SignatureDocument(Document):
    """A version of a case that somebody signed."""

    version = values.number("Counts the signatures of the case from one.", example=1)
    name = values.text("The full name of whoever signed.", example="Rosa Okafor, MD")
    account = values.code("The account of whoever signed.", example="rosa")
    meaning = values.text("What signing it says, as it was read when it was signed.")
    at = Moment(required=True, metadata=said("When."))
    reason = values.text("Why the version before it was amended; empty for the first.")
    overrides = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        required=True,
        metadata=said("Why checks were left open, by the codes of the checks."),
    )
    sha256 = fields.String(required=True, metadata=said("SHA-256 of what was signed, hexadecimal."))
    is_vouched = values.flag("Whether the audit record says that this very content was signed.")


@resource.get("/cases/<int:case_id>/signatures")
@needs(Right.SEE_CASES)
@resource.arguments(Paging, location="query")
@resource.response(200, page_schema(SignatureDocument))
@fails(CaseUnknownError, BlindError)
def index(wanted: dict[str, Any], case_id: int) -> Any:
    """List what was signed of a case, the oldest first.

    A version after the first is an amendment. Signing itself is done by people at the page.
    """
    (after,) = wanted["cursor"] or (0,)
    _case, every = get_versions(get_wiring().database, case_id)
    look("signatures.seen", f"case {case_id}", polled=True)
    later = [one for one in every if one.version > after]
    given, people = later[: wanted["limit"]], _people()
    items = [_document(one, people) for one in given]
    return page_of(items, cursor_of(given[-1].version) if len(later) > len(given) else None)


def _document(signature: Signature, people: Mapping[int, str]) -> dict[str, Any]:
    return {
        "version": signature.version,
        "name": signature.printed_name,
        "account": people[signature.signed_by],
        "meaning": signature.meaning,
        "at": signature.signed_at,
        "reason": signature.reason,
        "overrides": signature.overrides,
        "sha256": digest_of(signature.content),
        "is_vouched": vouches(get_wiring().database, signature),
    }


def _people() -> Mapping[int, str]:
    return {user.id: user.name for user in list_users(get_wiring().database)}
