"""What a migration takes away from programs that were written before it."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Engine, inspect

Tables = Mapping[str, Mapping[str, Any]]


def tables_of(engine: Engine) -> Tables:
    """Give every table with its columns, and what must be unique or must hold."""
    seen = inspect(engine)
    return {
        name: {
            "columns": {column["name"]: column for column in seen.get_columns(name)},
            "unique": {
                frozenset(one["column_names"])
                for one in [*seen.get_unique_constraints(name), *seen.get_indexes(name)]
                if one.get("unique", True)
            },
            "checks": {one["sqltext"] for one in seen.get_check_constraints(name)},
        }
        for name in seen.get_table_names()
    }


def losses(before: Tables, after: Tables) -> Sequence[str]:
    """Say what programs of before would miss, or would be refused."""
    found = [f"{name} is gone" for name in before if name not in after]
    for name in before.keys() & after.keys():
        old, new = before[name], after[name]
        found += [f"{name}: {what}" for what in _columns(old["columns"], new["columns"])]
        if new["unique"] - old["unique"] or new["checks"] - old["checks"]:
            found.append(f"{name} refuses what it took")
    return sorted(found)


def _columns(old: Mapping[str, Any], new: Mapping[str, Any]) -> Sequence[str]:
    gone = [f"{column} is gone" for column in old if column not in new]
    other = [
        f"{column} is another"
        for column in old.keys() & new.keys()
        if str(old[column]["type"]) != str(new[column]["type"])
        or (old[column]["nullable"] and not new[column]["nullable"])
    ]
    asked = [
        f"{name} must be written"
        for name, column in new.items()
        if name not in old and not column["nullable"] and column["default"] is None
    ]
    return [*gone, *other, *asked]
