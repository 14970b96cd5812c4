"""What images are that were looked at: their channels, types, and lowest and highest values."""

import math
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from eigenstep.images._config import ImagesConfig
from eigenstep.images.decoding import (
    HEAD,
    NPY,
    TIFF,
    ZIP,
    FailedItem,
    File,
    PartImage,
    PillowImage,
    Record,
    array_shapes,
    as_pixels,
    find_layout,
    is_deep_png,
    is_dicom,
    look_at_picture,
    look_at_tiff,
    read_image,
)
from eigenstep.images.stored._channels import taken
from eigenstep.images.stored._scale import own_range
from eigenstep.images.stored._spread import spread

# Of each image so many values, evenly spread, tell what percentiles are.
VALUES = 16384


@dataclass
class Looks:
    """What the images that were looked at are.

    Attributes
    ----------
    channels : Counter[int]
        How many have so many channels, in their files.
    dtypes : Counter[str]
        How many have values of this type.
    open_low, open_high : float
        The lowest and the highest finite value of those whose type does not say what black and white are.
    high16 : float
        The highest value of those of 16 bits.
    values : list[np.ndarray]
        Some of all values, for percentiles.
    with_gaps : int
        How many have values that are no finite numbers.
    shallow : int
        How many have more bits than they are read with.
    layouts : dict[str, tuple[int, ...]]
        How the axes of arrays were guessed, with the shape of one.
    """

    config: ImagesConfig
    channels: Counter[int] = field(default_factory=Counter)
    dtypes: Counter[str] = field(default_factory=Counter)
    open_low: float = math.inf
    open_high: float = -math.inf
    high16: float = 0.0
    values: list[np.ndarray] = field(default_factory=list)
    with_gaps: int = 0
    shallow: int = 0
    layouts: dict[str, tuple[int, ...]] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)

    def look(self, record: Record) -> None:
        """Broken images are passed over: whoever decodes them all tells."""
        try:
            channels, is_deep = self._header(record)
            if channels is not None and not self._wants_values:
                self.channels[channels] += 1
                self.dtypes["uint8"] += 1
                return
            pixels = as_pixels(read_image(record, self.config))
            self.channels[pixels.shape[2]] += 1
            pixels = taken(pixels, self.config)
        except Exception:  # decoders raise SyntaxError, RuntimeError, struct.error and more
            return
        self.dtypes[pixels.dtype.name] += 1
        self.shallow += pixels.dtype == np.uint8 and is_deep
        self._see_values(pixels)

    def notes(self) -> Iterator[str]:
        total = self.dtypes.total()
        if self.with_gaps:
            yield (
                f"{self.with_gaps} of {total} images looked at hold NaN or infinite values; NaN becomes the"
                " lowest value, infinity the highest"
            )
        for layout, shape in self.layouts.items():
            yield (
                f"the axes of arrays such as {'×'.join(map(str, shape))} are taken as {layout};"
                " set --images.layout to say otherwise"
            )
        if self.shallow:
            yield (
                f"{self.shallow} of {total} images looked at are PNGs in colours of 16 bits, which are read"
                " at 8; install the package imagecodecs to read them as they are"
            )

    @property
    def _wants_values(self) -> bool:
        return self.config.range is not None and self.config.range[0] == "percentile"

    def _header(self, record: Record) -> tuple[int | None, bool]:
        """The channels of an image of 8 bits or fewer that Pillow reads, None of others; if it is a deep PNG.

        Of an array the layout is seen.
        """
        if record is None or isinstance(record, np.ndarray | PillowImage | FailedItem):
            return None, False
        with warnings.catch_warnings(), record.open() as file:
            warnings.simplefilter("ignore")
            head = file.read(HEAD)
            file.seek(0)
            if head.startswith((NPY, ZIP)):
                self._see_layout(record.file if isinstance(record, PartImage) else record)
            elif isinstance(record, PartImage) or is_dicom(head):
                pass
            elif head.startswith(TIFF):
                return look_at_tiff(file, self.config), False
            else:
                is_deep = head.startswith(b"\x89PNG") and is_deep_png(head)
                return look_at_picture(file, head, self.config), is_deep
        return None, False

    def _see_layout(self, file: File) -> None:
        """How the axes of its arrays were guessed: of more than two, where nothing says it."""
        if file.path and file.path in self._seen:
            return
        self._seen.add(file.path or "")
        for shape in array_shapes(file, self.config).values():
            if len(shape) > 2 and (self.config.layout is None or len(self.config.layout) != len(shape)):
                self.layouts.setdefault(find_layout(shape, self.config), shape)

    def _see_values(self, pixels: np.ndarray) -> None:
        if pixels.dtype.kind == "f":
            finite = np.isfinite(pixels)
            if not finite.all():
                self.with_gaps += 1
                pixels = pixels[finite]
        if not pixels.size:
            return
        if pixels.dtype == np.uint16:
            self.high16 = max(self.high16, float(pixels.max()))
        if own_range(pixels.dtype) is None:
            self.open_low = min(self.open_low, float(pixels.min()))
            self.open_high = max(self.open_high, float(pixels.max()))
        if self._wants_values:
            flat = pixels.reshape(-1)
            self.values.append(flat[spread(VALUES, flat.size)].astype(np.float64))
