"""How events are asked for, by whoever reads them."""

import re
from typing import Any

from sqlalchemy import Select, select

from hematovision.storage.tables import AuditRow, Base

CASE = re.compile(r"case (\d{1,18})", re.ASCII)
"""The subject of an event that is of a case."""
EVENTS = Base.metadata.tables[AuditRow.__tablename__]


def asked_events() -> Select[Any]:
    """Ask for the columns of an event, in the order of `StoredEvent`."""
    columns = EVENTS.c
    return select(
        columns.id,
        columns.digest,
        columns.at,
        columns.actor_id,
        columns.door,
        columns.address,
        columns.action,
        columns.subject,
        columns.case_id,
        columns.details,
        columns.before_digest,
        columns.after_digest,
    )


NEWEST = asked_events().order_by(EVENTS.c.id.desc()).limit(1)
"""The end of the chain; made once, for whoever writes asks."""
