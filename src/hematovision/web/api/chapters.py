"""The document laid out for a page: chapters of operations, and what each takes and gives."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

METHODS = ("get", "post", "put", "patch", "delete")
CODE = re.compile(r"`([^`]+)`")
JSON = "application/json"
DEEPEST = 4
URL, TOKEN = '"$HEMATOVISION_URL', '"Authorization: Bearer $HEMATOVISION_TOKEN"'

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Member:
    """A parameter, or a member of what is sent or answered.

    Attributes:
        name: Of nested ones all names with dots between; `[]` stands for every entry of a list.
        kind: Its type, in words.
        about: What it is.
        is_required: Whether it must be there.
        place: Of a parameter: `path`, `query` or `header`; empty elsewhere.
    """

    name: str
    kind: str
    about: str
    is_required: bool
    place: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request that succeeds is answered.

    Attributes:
        status: The status code.
        about: What it means.
        media: The types of its content; none where there is no content.
        members: What a JSON document holds.
        headers: By name, what each says.
    """

    status: str
    about: str
    media: Sequence[str]
    members: Sequence[Member]
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Failure:
    """A named failure: its status, its code and what is wrong."""

    status: str
    code: str
    about: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that a program can ask for.

    Attributes:
        id: No other operation is called so.
        method: Of HTTP.
        path: With names in braces.
        summary: In a sentence.
        paragraphs: What else there is to say.
        scope: What the token must carry; empty where everybody may.
        parameters: Of the address and the headers.
        media: What type the request's content has; empty where there is none.
        body: What the content holds.
        answers: What it is answered where all is well.
        failures: What else can happen.
        curl: A command that asks for it.
    """

    id: str
    method: str
    path: str
    summary: str
    paragraphs: Sequence[str]
    scope: str
    parameters: Sequence[Member]
    media: str
    body: Sequence[Member]
    answers: Sequence[Answer]
    failures: Sequence[Failure]
    curl: str


@dataclass(frozen=True, slots=True)
class Chapter:
    """Operations under one tag."""

    name: str
    about: str
    operations: Sequence[Operation]


def chapters_of(document: Mapping[str, Any]) -> Sequence[Chapter]:
    """Lay a document out, chapter by chapter, in its own order."""
    every = list(_operations(document))
    return [
        Chapter(tag["name"], tag["description"], [one for of, one in every if of == tag["name"]])
        for tag in document["tags"]
    ]


def coded(text: str) -> Markup:
    """Let what stands between backticks be code."""
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else escape(part)
        for number, part in enumerate(CODE.split(text))
    )


def _operations(document: Mapping[str, Any]) -> Iterator[tuple[str, Operation]]:
    schemas = document["components"]["schemas"]
    for path, methods in document["paths"].items():
        for method in METHODS:
            if method in methods:
                given = methods[method]
                shared = methods.get("parameters", ())
                yield given["tags"][0], _operation(path, method, given, shared, schemas)


def _operation(
    path: str, method: str, given: Schema, shared: Sequence[Schema], schemas: Schema
) -> Operation:
    parameters = [_parameter(one) for one in (*shared, *given.get("parameters", ()))]
    media, schema = _content(given.get("requestBody", {}))
    return Operation(
        id=given["operationId"],
        method=method.upper(),
        path=path,
        summary=given["summary"],
        paragraphs=given.get("description", "").split("\n\n"),
        scope=given.get("x-scope", ""),
        parameters=parameters,
        media=media,
        body=list(_members(schema, schemas)),
        answers=[
            _answer(str(status), one, schemas)
            for status, one in sorted(given["responses"].items(), key=lambda pair: str(pair[0]))
            if str(status)[0] in "23"
        ],
        failures=list(_failures(given)),
        curl=_curl(path, method, media, _sample(schema, schemas), is_open=not given["security"]),
    )


def _parameter(given: Schema) -> Member:
    kind, required = _kind(given["schema"]), given.get("required", False)
    return Member(given["name"], kind, given["description"], required, given["in"])


def _answer(status: str, given: Schema, schemas: Schema) -> Answer:
    headers = {name: one["description"] for name, one in given.get("headers", {}).items()}
    content = given.get("content", {})
    _media, schema = _content(given)
    members = list(_members(schema, schemas))
    return Answer(status, given["description"], list(content), members, headers)


def _failures(given: Schema) -> Iterator[Failure]:
    for status, one in sorted(given["responses"].items(), key=lambda pair: str(pair[0])):
        for code, about in one.get("x-codes", {}).items():
            yield Failure(str(status), code, about)


def _content(given: Schema) -> tuple[str, Schema]:
    """Give the first type of a content and its schema; nothing where there is none."""
    for media, one in given.get("content", {}).items():
        return media, one.get("schema", {})
    return "", {}


def _members(schema: Schema, schemas: Schema, before: str = "", deep: int = 0) -> Iterator[Member]:
    """Walk the members of a schema, those within them after them."""
    schema = _resolved(schema, schemas)
    required = set(schema.get("required", ()))
    for name, one in schema.get("properties", {}).items():
        whole = f"{before}{name}"
        inner = _resolved(one, schemas)
        about = one.get("description") or inner.get("description", "")
        yield Member(whole, _kind(inner), about, name in required)
        entries = inner.get("items")
        if deep < DEEPEST and name != "error":
            suffix = "[]." if entries else "."
            yield from _members(entries or inner, schemas, whole + suffix, deep + 1)


def _resolved(schema: Schema, schemas: Schema) -> Schema:
    """Follow a reference, also one that stands beside a description or in a list of one."""
    for one in (schema, *schema.get("allOf", ())):
        if "$ref" in one:
            found: Schema = schemas[one["$ref"].rpartition("/")[2]]
            return found
    return schema


def _kind(schema: Schema) -> str:
    """Say the type of a value in words."""
    types = schema.get("type", "object")
    types = [types] if isinstance(types, str) else types
    words = " or ".join(str(one) for one in types)
    if "enum" in schema:
        words = " | ".join(json.dumps(one) for one in schema["enum"])
    elif schema.get("format"):
        words += f", {schema['format']}"
    if "items" in schema and "$ref" not in schema["items"]:
        words += f" of {_kind(schema['items'])}"
    if "maximum" in schema and schema["maximum"] < 10**9:
        words += f", {schema.get('minimum', 0)} to {schema['maximum']}"
    if "default" in schema and schema["default"] not in (None, ""):
        words += f", {json.dumps(schema['default'])} unless said"
    return words


def _sample(schema: Schema, schemas: Schema) -> Any:
    """Make a value that a schema allows, with what is required."""
    schema = _resolved(schema, schemas)
    for known in ("example", "default"):
        if schema.get(known) is not None:
            return schema[known]
    if "enum" in schema:
        return schema["enum"][0]
    if "items" in schema:
        return [_sample(schema["items"], schemas)]
    types = schema.get("type", "object")
    kind = types if isinstance(types, str) else types[0]
    if kind == "object":
        required = schema.get("required", ())
        members = schema.get("properties", {}).items()
        return {name: _sample(one, schemas) for name, one in members if name in required}
    return {"integer": 1, "number": 1.5, "boolean": True}.get(kind, "text")


def _curl(path: str, method: str, media: str, sample: Any, *, is_open: bool) -> str:
    """Write a command that asks for an operation."""
    parts = ["curl"]
    if method != "get":
        parts.append(f"--request {method.upper()}")
    if not is_open:
        parts.append(f"--header {TOKEN}")
    if media == JSON:
        parts.append(f"--json {shlex.quote(json.dumps(sample, ensure_ascii=False))}")
    elif media:
        parts.append("--form image=@smear.jpg")
    address = re.sub(r"\{[^}]*\}", "1", path)
    return " \\\n  ".join([*parts, f'{URL}{address}"'])
