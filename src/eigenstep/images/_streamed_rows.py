"""A data set in random access, decoded while training."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from eigenstep.images._batches import Sharing, spread
from eigenstep.images._config import ImagesConfig
from eigenstep.images._decode import Decoded, decode_squares, no_images
from eigenstep.images._samples import Labels, Sample
from eigenstep.images._source import RandomAccess
from eigenstep.images._streamed import StreamedImages


class StreamedRows(StreamedImages):
    """Rows in the order in which they would be taken from memory.

    An image that cannot be decoded is replaced by the next row that can be.
    """

    def __init__(
        self, rows: RandomAccess, labels: Labels | None, config: ImagesConfig, sharing: Sharing
    ) -> None:
        sharing.check(rows.count())
        super().__init__(rows, config, sharing, rows.count(), labels.classes if labels else None)
        self._rows = rows
        self._labels = labels.numbers if labels else None

    def probe(self, n: int) -> Tensor:
        rows = spread(n, self._rows.count()).tolist()
        decoded, taken = RowDecoder(self._rows, self.size).decode(rows)
        first = np.unique(taken, return_index=True)[1]  # a stand-in may be there already
        return torch.from_numpy(decoded.images[first])

    def _tasks(self, start: int) -> Iterator[tuple[tuple[int, None], list[int]]]:
        for epoch, order in self.sharing.orders(self._rows.count(), start):
            yield (epoch, None), order[self.sharing.rows].tolist()

    def _work(self) -> "RowDecoder":
        return RowDecoder(self._rows, self.size, self._labels)

    def _complete(self, decoded: Decoded, about: None) -> None:
        pass  # the rows' decoder has done everything


class RowDecoder:
    """Rows as images of size × size.

    Parameters
    ----------
    labels : np.ndarray | None
        int64 (n,), of all rows, or None.
    """

    def __init__(self, source: RandomAccess, size: int, labels: np.ndarray | None = None) -> None:
        self.source = source
        self.size = size
        self.labels = labels
        self._stand_ins: dict[int, int] = {}  # of broken rows

    def __call__(self, rows: list[int]) -> Decoded:
        decoded, taken = self.decode(rows)
        if self.labels is not None:
            decoded.labels = self.labels[taken]
        return decoded

    def decode(self, rows: list[int]) -> tuple[Decoded, np.ndarray]:
        """The rows' images, and the rows (b,) that were taken: others where one cannot be decoded."""
        samples = [
            Sample(self.source.name(row, record), None if row in self._stand_ins else record, None)
            for row, record in zip(rows, self.source.records(rows), strict=True)
        ]
        room = np.empty((len(rows), 3, self.size, self.size), np.uint8)
        decoded, taken = decode_squares(samples, room, gaps=True), np.array(rows)
        for place, _ in decoded.broken:
            taken[place], decoded.images[place] = self._stand_in(rows[place])
        return decoded, taken

    def _stand_in(self, row: int) -> tuple[int, np.ndarray]:
        """The next row that can be decoded, and its image."""
        passed = [row]
        while passed[-1] not in self._stand_ins:
            other = (passed[-1] + 1) % self.source.count()
            if other == row:
                names = [self.source.sample(row).name for row in range(min(3, self.source.count()))]
                raise ValueError(no_images(self.source.data, self.source.count(), names))
            if other not in self._stand_ins and len(self._alone(other)):
                self._stand_ins[passed[-1]] = other
            else:
                passed.append(other)
        found = self._stand_ins[passed[-1]]
        self._stand_ins.update(dict.fromkeys(passed, found))
        return found, self._alone(found)[0]

    def _alone(self, row: int) -> np.ndarray:
        """The row's image, uint8 (1, 3, size, size), or (0, 3, size, size) where it cannot be decoded."""
        room = np.empty((1, 3, self.size, self.size), np.uint8)
        return decode_squares([self.source.sample(row)], room).images
