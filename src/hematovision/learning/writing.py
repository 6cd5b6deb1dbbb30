"""Fills the templates of what is generated: the model card and the report."""

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from hematovision.cells import NOTICE
from hematovision.vision.scores import limits_in_words, plain_words, share_in_words

TEMPLATES = Path(__file__).parent / "templates"


def fill(template: str, **values: Any) -> str:
    """Fill a template; text is escaped where that ends in `.html`.

    Args:
        template: A file of `learning/templates`.
        values: What it uses beside the notice.
    """
    return _environment().get_template(template).render(notice=NOTICE, **values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(share=share_in_words, limits=limits_in_words, plain=plain_words)
    return environment
