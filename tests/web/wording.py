"""What people read of a page, of a template and of a script, without the words around it."""

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser

from jinja2 import Environment, nodes

READ_ALOUD = {"aria-label", "aria-description", "alt", "title", "placeholder", "label", "data-of"}
UNREAD = {"script", "style", "code", "kbd"}
SAY = {"_", "gettext", "ngettext", "pgettext", "npgettext"}
GAP = "\N{OBJECT REPLACEMENT CHARACTER}"
"""Stands where a template has an expression."""

ATTRIBUTES = re.compile(r'[\w-]+="[^"]*"')
"""Where a block or a variable holds them alone."""
SENTENCE = re.compile(r"[A-Za-z]{2,}[.,;:]? [a-z]{2,}|^[A-Z][a-z]{2,}")


class _Reader(HTMLParser):
    """Collects texts and the attributes that are read aloud."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.words = ""
        self._inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.texts += [value or "" for name, value in attrs if name in READ_ALOUD]
        if tag in UNREAD:
            self._inside.append("words" if ("id", "words") in attrs else tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in UNREAD and self._inside:
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        if not self._inside:
            self.texts.append(data)
        elif self._inside[-1] == "words":
            self.words += data


def texts_of(page: str) -> set[str]:
    """Give all that is read on a page, and all that its scripts may say."""
    reader = _Reader()
    reader.feed(page)
    said = json.loads(reader.words).values() if reader.words else ()
    return {" ".join(text.split()) for text in (*reader.texts, *said)} - {""}


def bare_texts(source: str, environment: Environment) -> list[str]:
    """Give the texts of a template that nothing translates."""
    tree = environment.parse(source)
    reader = _Reader()
    reader.feed("".join(_plain_parts(tree)))
    texts = [ATTRIBUTES.sub("", text.replace(GAP, " ")) for text in reader.texts]
    written = [text for text in texts if re.search(r"[^\W\d_]{2,}", text)]
    return written + [text for text in _strings(tree) if SENTENCE.search(text)]


def _plain_parts(node: nodes.Node) -> Iterator[str]:
    if isinstance(node, nodes.TemplateData):
        yield node.data
    elif isinstance(node, nodes.Expr):
        yield GAP
    else:
        for child in node.iter_child_nodes():
            yield from _plain_parts(child)


def _strings(node: nodes.Node) -> Iterator[str]:
    """Give the strings that an expression could show."""
    if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name) and node.node.name in SAY:
        return
    if isinstance(node, nodes.Const) and isinstance(node.value, str):
        yield node.value
    for child in node.iter_child_nodes():
        yield from _strings(child)


SCRIPT_PARTS = re.compile(
    r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`", re.DOTALL
)
IS_CODE = re.compile(
    r"[\[\]#<>=(){}|*@]|^\.|, [a-z]+\b(?!.*\.$)|^[A-Z][a-z]+(-[A-Z]\w+)+$"
    r"|^(Accept|Alt|Arrow\w*|Backspace|Control|Delete|End|Enter|Escape|Home|Meta|Page\w*|Shift|Tab)$"
)
"""Selectors, mark-up, headers, and keys as browsers call them."""


def bare_strings(script: str) -> list[str]:
    """Give the strings of a script that read like words for people."""
    strings = [
        re.sub(r"\$\{[^}]*\}", " ", part[0])[1:-1].strip()
        for part in SCRIPT_PARTS.finditer(script)
        if not part[0].startswith("/") and not _is_class(script, part.start())
    ]
    return [text for text in strings if SENTENCE.search(text) and not IS_CODE.search(text)]


def _is_class(script: str, start: int) -> bool:
    """Tell whether a line speaks of classes before a string begins."""
    return "class" in script[script.rfind("\n", 0, start) + 1 : start].lower()
