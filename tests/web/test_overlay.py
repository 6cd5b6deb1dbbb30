import pytest

from hematovision.cells import Box
from hematovision.web.overlay import Area, lay_over


@pytest.mark.parametrize(
    ("width", "height"), [(640, 480), (4000, 3000), (80, 80), (480, 640), (3000, 200)]
)
def test_drawing_has_the_shape_of_the_photo_and_one_size(width: int, height: int) -> None:
    overlay = lay_over(width, height, [Box(0, 0, width, height)], ["1 N"])
    assert overlay.width / overlay.height == pytest.approx(width / height)
    assert overlay.width == pytest.approx(640) or overlay.height == pytest.approx(480)
    assert overlay.boxes == (Area(0, 0, overlay.width, overlay.height),)
    assert overlay.tags[0].area.height == 18


@pytest.mark.parametrize(
    ("box", "below"),
    [
        pytest.param(Box(300, 200, 400, 300), False, id="in the middle"),
        pytest.param(Box(300, 0, 400, 100), True, id="at the top"),
        pytest.param(Box(560, 380, 640, 480), False, id="in the corner"),
        pytest.param(Box(0, 0, 60, 60), True, id="in the first corner"),
    ],
)
def test_tag_stays_in_the_photo_and_beside_its_cell(box: Box, below: bool) -> None:
    overlay = lay_over(640, 480, [box], ["1 N"])
    (area, _), cell = overlay.tags[0], overlay.boxes[0]
    assert area.shared_with(Area(0, 0, 640, 480)) == area.width * area.height
    assert area.shared_with(cell) == 0
    assert (area.y > cell.y) is below


def test_tag_of_a_cell_that_fills_the_photo_lies_on_it() -> None:
    overlay = lay_over(640, 480, [Box(0, 0, 640, 480)], ["12 ?"])
    area, _ = overlay.tags[0]
    assert area.shared_with(overlay.boxes[0]) == area.width * area.height


def test_thousands_of_tags_find_their_places() -> None:
    corners = [(45 * column, 45 * row) for row in range(50) for column in range(40)]
    boxes = [Box(x, y, x + 30, y + 30) for x, y in corners]
    overlay = lay_over(1800, 2250, boxes, [f"{number} N" for number in range(2000)])
    assert len(overlay.tags) == len(overlay.boxes) == 2000


def test_tags_of_neighbours_do_not_cover_each_other() -> None:
    boxes = [Box(100, 100, 180, 180), Box(105, 104, 185, 184), Box(110, 98, 190, 178)]
    tags = [tag.area for tag in lay_over(640, 480, boxes, ["1 N", "2 L", "3 ?"]).tags]
    assert [one.shared_with(other) for one in tags for other in tags if one is not other] == [0] * 6
