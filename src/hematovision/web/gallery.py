"""The gallery: the cells of a case sorted by name, and each in its photo."""

from collections.abc import Sequence
from typing import Any

from flask import (
    Flask,
    Response,
    abort,
    jsonify,
    redirect,
    render_template,
    request,
    url_for,
)
from flask_babel import gettext as _

from hematovision.errors import BoxInvalidError
from hematovision.labels import FIVE, LABELS, NO_CELL, UNIDENTIFIED, Count, Label
from hematovision.people import Right
from hematovision.services.cases import CLOSED
from hematovision.services.galleries import Gallery, open_gallery, open_photo
from hematovision.services.naming import OwnLabels, get_own_labels
from hematovision.services.review import (
    Outcome,
    Said,
    box_cell,
    history_of,
    name_cells,
    take_back,
)
from hematovision.storage.photos import Photo
from hematovision.storage.references import Reference
from hematovision.web.access import get_user, hand, needs
from hematovision.web.crops import blueprint, crop_address, references
from hematovision.web.language import name_of
from hematovision.web.looks import look
from hematovision.web.numbers import clock
from hematovision.web.overlay import lay_over
from hematovision.web.signs import sign_of
from hematovision.web.tiles import (
    Tile,
    box_of,
    label_document,
    rows_of,
    says_of,
    state_document,
    tile_document,
)
from hematovision.web.wiring import get_wiring

MOST_SAID = 500
"""Cells that one request may name."""
WORKERS_LABELS = (
    Label(UNIDENTIFIED, "U", Count.OUT),
    Label(NO_CELL, "", Count.OUT),
)
"""What people may say beside the names."""


@blueprint.get("/review")
@needs(Right.SEE_CASES)
def show(case_id: int) -> str:
    """Show the cells of a case by name."""
    gallery = open_gallery(get_wiring().database, case_id, user_id=get_user().id, labels=FIVE)
    look("gallery.seen", f"case {case_id}")
    rows = rows_of(gallery.cells, gallery.own.every, gallery.without_picture)
    tiles = [tile for row in rows for tile in row.tiles]
    references = {"references": references_of(gallery)}
    return render_template(
        "gallery.html",
        case=gallery.case,
        photos=len(gallery.photos),
        rows=rows,
        left=sum(tile.kept for tile in rows[0].tiles),
        known=gallery_document(gallery, tiles) | references,
        returned=gallery.returned,
        blind=False,
        **gallery_words(gallery),
    )


@blueprint.post("/reviews")
@needs(Right.REVIEW)
def review(case_id: int) -> Response:
    """Keep what somebody says of cells; what somebody else said meanwhile comes back with 409.

    The body is `{"said": [{"cell": 5, "label": "band", "seen": 0}], "undo": false}`.
    """
    sent = json_sent()
    verb = take_back if isinstance(sent, dict) and sent.get("undo") is True else name_cells
    outcomes = verb(get_wiring().database, case_id, said_of(sent), by=hand())
    answer = jsonify({"cells": [outcome_of(outcome) for outcome in outcomes]})
    answer.status_code = 200 if all(outcome.stored for outcome in outcomes) else 409
    return answer


@blueprint.post("/boxes")
@needs(Right.REVIEW)
def box(case_id: int) -> Response:
    """Keep a cell that the locator missed: `{"photo": 3, "box": [xmin, ymin, xmax, ymax]}`."""
    sent = json_sent()
    drawn = box_of(sent.get("box")) if isinstance(sent, dict) else None
    if drawn is None or type(sent.get("photo")) is not int:
        raise BoxInvalidError("This is no box.")
    cell = box_cell(get_wiring().database, case_id, sent["photo"], drawn, by=hand())
    answer = jsonify(state_document(cell))
    answer.status_code = 201
    return answer


@blueprint.get("/cells/<int:cell_id>/history")
@needs(Right.SEE_CASES)
def history(case_id: int, cell_id: int) -> Response:
    """List what was said of a cell, the newest first."""
    database = get_wiring().database
    said, own = history_of(database, case_id, cell_id), get_own_labels(database).every
    look("cell.history_seen", f"cell {cell_id}", {"case": case_id})
    return jsonify(
        [
            {
                "says": name_of(one.label, own=own) if one.label else _("taken back"),
                "by": one.by,
                "at": clock(one.at),
            }
            for one in said
        ]
    )


@blueprint.get("/photos/<int:number>")
@needs(Right.SEE_CASES)
def photo(case_id: int, number: int) -> Any:
    """Show a photo large, with all its cells."""
    gallery, shown = open_photo(get_wiring().database, case_id, number, user_id=get_user().id)
    if shown.same_as is not None:
        first = next(one.number for one in gallery.photos if one.id == shown.same_as)
        return redirect(url_for("gallery.photo", case_id=case_id, number=first))
    look("photo.seen", f"photo {shown.id}", {"case": case_id})
    here = [cell for cell in gallery.cells if cell.photo_id == shown.id]
    rows = rows_of(here, gallery.own.every, gallery.without_picture)
    tiles = sorted((tile for row in rows for tile in row.tiles), key=lambda tile: tile.cell.number)
    return render_template(
        "photo.html",
        case=gallery.case,
        photo=shown,
        before=_neighbour(gallery.photos, shown, -1),
        after=_neighbour(gallery.photos, shown, 1),
        photos=len(gallery.photos),
        tiles=tiles,
        overlay=_overlay(shown, tiles, gallery.own),
        known=gallery_document(gallery, tiles),
        **gallery_words(gallery),
    )


def json_sent() -> Any:
    """Read the body; one that is nested without end is none."""
    try:
        return request.get_json()
    except RecursionError:
        abort(400)


def said_of(sent: Any) -> list[Said]:
    """Read what is said of cells."""
    said = sent.get("said") if isinstance(sent, dict) else None
    if not isinstance(said, list) or not 0 < len(said) <= MOST_SAID:
        abort(400)
    return [_one_said(one) for one in said]


def _one_said(one: Any) -> Said:
    """Read what is said of one cell."""
    if not isinstance(one, dict) or not isinstance(one.get("label"), str | None):
        abort(400)
    cell, seen = one.get("cell"), one.get("seen")
    if type(cell) is not int or type(seen) is not int or min(cell, seen) < 0:
        abort(400)
    if max(cell, seen) >= 2**31:
        abort(400)
    return Said(cell, one.get("label"), seen)


def outcome_of(outcome: Outcome) -> dict[str, Any]:
    """Give what the script is told of what it said."""
    return {"stored": outcome.stored, **state_document(outcome.cell)}


def references_of(gallery: Gallery) -> dict[str, list[dict[str, str]]]:
    """Say where reference cells of each type are, and whence they come."""
    return {
        label: [_reference(one, gallery.side) for one in found]
        for label, found in gallery.references.items()
    }


def _reference(one: Any, side: int) -> dict[str, str]:
    if isinstance(one, Reference):
        address = url_for("references.reference", reference_id=one.id)
        return {"url": address, "from": one.source}
    address = url_for("gallery.crop", case_id=one.case_id, cell_id=one.cell_id, side=side)
    return {"url": address, "from": _("confirmed here"), "cell": one.cell_id}


def gallery_document(gallery: Gallery, tiles: Sequence[Tile]) -> dict[str, Any]:
    """Give what the scripts know."""
    case, own, keys, side = gallery.case, gallery.own, gallery.keys, gallery.side
    address = crop_address(case.id, side)
    labels = (*WORKERS_LABELS, *own.usable, *own.retired)
    return {
        "cells": [tile_document(tile) for tile in tiles],
        "labels": {
            label.code: label_document(label, own.every, keys.letters.get(label.code, ""))
            for label in labels
        },
        "usable": [label.code for label in (*WORKERS_LABELS, *own.usable)],
        "letters": keys.on,
        "urls": {
            "crop": address,
            "heat": address.replace("{id}.jpg", "{id}/heat.jpg"),
            "history": address.replace("{id}.jpg", "{id}/history").partition("?")[0],
            "reviews": url_for("gallery.review", case_id=case.id),
            "boxes": url_for("gallery.box", case_id=case.id),
            "gallery": url_for("gallery.show", case_id=case.id),
            "photo": url_for("gallery.photo", case_id=case.id, number=0)[:-1] + "{number}",
        },
    }


def gallery_words(gallery: Gallery) -> dict[str, Any]:
    """Give what the templates of both pages ask for."""
    case, own, keys, side = gallery.case, gallery.own, gallery.keys, gallery.side
    codes = [*(label.code for label in LABELS + own.every), UNIDENTIFIED, NO_CELL, "other"]
    # Asked for a thousand times a page, so found once.
    signs = {code: sign_of(code, own.every) for code in codes}
    names = {code: name_of(code, own=own.every) for code in codes}
    five = [label for label in own.usable if label.code in FIVE]
    more = [label for label in own.usable if label.code not in FIVE]
    return {
        "side": side,
        "may": get_user().may(Right.REVIEW) and case.state not in CLOSED,
        "closed": case.state in CLOSED,
        "five": sorted(five, key=lambda label: FIVE.index(label.code)),
        "more": [label for label in more if label.code != "not_classed"],
        "keys": keys,
        "own": own.every,
        "sign_of": signs.__getitem__,
        "says_of": lambda tile: says_of(tile, names),
        "crop_of": crop_address(case.id, side),
    }


def _overlay(photo: Photo, tiles: Sequence[Tile], own: OwnLabels) -> Any:
    """Lay boxes over a photo; None where nobody read it yet."""
    if photo.width is None or photo.height is None:
        return None
    tags = [f"{tile.cell.number} {sign_of(tile.code, own.every).letter}" for tile in tiles]
    return lay_over(photo.width, photo.height, [tile.cell.box for tile in tiles], tags)


def _neighbour(photos: Sequence[Photo], shown: Photo, step: int) -> int | None:
    """Give the number of the photo before or after, without those shown before."""
    numbers = [one.number for one in photos if one.same_as is None]
    place = numbers.index(shown.number) + step
    return numbers[place] if 0 <= place < len(numbers) else None


def init_app(app: Flask) -> None:
    """Register the pages."""
    app.register_blueprint(blueprint)
    app.register_blueprint(references)
