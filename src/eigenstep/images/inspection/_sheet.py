"""A contact sheet: small pictures of some images, with their classes or names below."""

import importlib.util
import textwrap
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from eigenstep.images.inspection._duplicates import class_name
from eigenstep.images.inspection._seen import Seen
from eigenstep.images.sources import Labels
from eigenstep.images.stored import pictures, spread

# Pixels of a picture, and how many lines and columns of them there are.
TILE, LINES, COLUMNS = 112, 8, 12
# Pixels between pictures, for a line of text below each, around all, and for the title.
GAP, TEXT, MARGIN, TITLE = 10, 17, 24, 40
PAPER, INK, MUTED, FRAME, CROSS, SPOILT = "#fdfcfa", "#1c1e22", "#63666d", "#d6d2c7", "#c2410c", "#f3efe6"

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


class Tile(NamedTuple):
    """One picture of a contact sheet.

    Attributes
    ----------
    text : str
        What stands below it.
    values : np.ndarray | None
        (T, T, C), or None for an image that cannot be used.
    reason : str | None
        Why it cannot.
    """

    text: str
    values: np.ndarray | None
    reason: str | None

    @classmethod
    def of(cls, seen: Seen, labels: Labels | None) -> "Tile":
        """Below it stands the class or, where there is none or the image is broken, the name."""
        known = None if labels is None else class_name(labels, int(labels.numbers[seen.row]))
        return cls(seen.name if known is None or seen.reason else known, seen.tile, seen.reason)


def choose_tiles(labels: Labels | None, rows: np.ndarray) -> list[list[int]]:
    """Which of the rows are shown, as lines of a sheet: spread over the classes, or over all.

    Up to 12 classes begin lines of their own; there are about 96 pictures.
    """
    if not len(rows):
        return []
    numbers = np.zeros(len(rows), np.int64) if labels is None else labels.numbers[rows]
    classes = np.unique(numbers)
    if len(classes) > COLUMNS:
        classes = classes[spread(LINES * COLUMNS, len(classes))]
        each, own_lines = LINES * COLUMNS // len(classes), False
    else:
        each, own_lines = max(LINES // len(classes), 1) * COLUMNS, True
    groups = [rows[numbers == number] for number in classes]
    groups = [group[spread(each, len(group))] for group in groups]
    if not own_lines:
        groups = [np.concatenate(groups)]
    return [
        group[start : start + COLUMNS].tolist() for group in groups for start in range(0, len(group), COLUMNS)
    ]


class Tiled:
    """Keeps what was seen of the rows that a sheet shows, and of the first 12 broken ones beside them.

    Parameters
    ----------
    plan : Sequence[Sequence[int]]
        Lines of rows, see `choose_tiles`; if there are none, nothing is kept.
    """

    def __init__(self, plan: Sequence[Sequence[int]]) -> None:
        self.plan, self.rows = plan, frozenset(row for line in plan for row in line)
        self._seen: dict[int, Seen] = {}
        self._broken: list[Seen] = []

    def add(self, seen: Seen) -> None:
        if seen.row in self.rows:
            self._seen[seen.row] = seen
        elif self.plan and seen.reason is not None and len(self._broken) < COLUMNS:
            self._broken.append(seen)

    def lines(self, labels: Labels | None) -> list[list[Tile]]:
        """The lines of the plan, and one of broken images if there are more."""
        lines = [[Tile.of(self._seen[row], labels) for row in line] for line in self.plan]
        return lines + ([[Tile.of(seen, labels) for seen in self._broken]] if self._broken else [])


def contact_sheet(lines: Sequence[Sequence[Tile]], title: str, show: Sequence[int] = ()) -> Image.Image:
    """Draw lines of pictures.

    Images of any number of channels and any depth are shown as `pictures` shows them: 8 bits as they are,
    others stretched together with all others of as many channels. One that cannot be used is a crossed
    square with the reason in it.

    Parameters
    ----------
    title : str
        What stands above.
    show : Sequence[int]
        Which channels are shown, counted from 1, of images that have them.

    Examples
    --------
    >>> grey = Tile("cat", np.zeros((TILE, TILE, 1), np.uint8), None)
    >>> contact_sheet([[grey, grey]], "two cats").mode
    'RGB'
    """
    columns = max((len(line) for line in lines), default=1)
    width = max(2 * MARGIN + columns * (TILE + GAP) - GAP, 2 * MARGIN + 4 * TILE)
    height = 2 * MARGIN + TITLE + len(lines) * (TILE + TEXT + GAP) - GAP
    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN, MARGIN), _fit(title, _font(17), width - 2 * MARGIN), INK, _font(17))
    shown = _shown([tile for line in lines for tile in line], show)
    place = 0
    for number, line in enumerate(lines):
        for column, tile in enumerate(line):
            left = MARGIN + column * (TILE + GAP)
            top = MARGIN + TITLE + number * (TILE + TEXT + GAP)
            if (picture := shown[place]) is None:
                _draw_spoilt(draw, left, top, tile.reason or "")
            else:
                sheet.paste(Image.fromarray(picture), (left, top))
                draw.rectangle((left - 1, top - 1, left + TILE, top + TILE), outline=FRAME)
            draw.text((left, top + TILE + 3), _fit(tile.text, _font(11), TILE), MUTED, _font(11))
            place += 1
    return sheet


def _shown(tiles: Sequence[Tile], show: Sequence[int]) -> list[np.ndarray | None]:
    """Each as (T, T, 3) of uint8, those of as many channels and one type stretched together."""
    shown: list[np.ndarray | None] = [None] * len(tiles)
    groups = dict[tuple[int, str], list[int]]()
    for place, tile in enumerate(tiles):
        if tile.values is not None:
            groups.setdefault((tile.values.shape[2], tile.values.dtype.name), []).append(place)
    for (channels, _), places in groups.items():
        own = show if len(show) <= 3 and all(1 <= each <= channels for each in show) else ()
        batch = pictures(np.stack([_values(tiles[place]) for place in places]), own)
        for place, picture in zip(places, batch, strict=True):
            shown[place] = picture
    return shown


def _values(tile: Tile) -> np.ndarray:
    assert tile.values is not None
    return tile.values


def _draw_spoilt(draw: ImageDraw.ImageDraw, left: int, top: int, reason: str) -> None:
    right, bottom = left + TILE - 1, top + TILE - 1
    draw.rectangle((left, top, right, bottom), fill=SPOILT, outline=CROSS)
    draw.line((left, top, right, bottom), CROSS)
    draw.line((left, bottom, right, top), CROSS)
    text = "\n".join(textwrap.wrap(_printable(reason), 17, max_lines=5, placeholder="…"))
    middle = (left + TILE / 2, top + TILE / 2)
    box = draw.multiline_textbbox(middle, text, _font(11), "mm", 3, "center")
    draw.rectangle((box[0] - 4, box[1] - 3, box[2] + 4, box[3] + 3), fill=SPOILT)
    draw.multiline_text(middle, text, INK, _font(11), "mm", 3, "center")


def _fit(text: str, font: Font, width: int) -> str:
    """The text, without its middle if it is too wide: a file's number stands at its end."""
    text = _printable(text)
    kept = len(text)
    shorter = text
    while kept > 2 and font.getlength(shorter) > width:
        kept -= 1
        shorter = f"{text[: kept // 3]}…{text[len(text) - (kept - kept // 3) :]}"
    return shorter


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() else " " for each in text)


@cache
def _font(size: int) -> Font:
    """DejaVu Sans, which knows more scripts than Pillow's own, where matplotlib has brought it."""
    found = importlib.util.find_spec("matplotlib")
    if found is not None and found.origin is not None:
        path = Path(found.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
        if path.is_file():
            return ImageFont.truetype(str(path), size)
    return ImageFont.load_default(size)
