"""A data set in random access, decoded while training."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from eigenstep.images._batches import Sharing, spread
from eigenstep.images._config import ImagesConfig
from eigenstep.images._decode import decode_square
from eigenstep.images._images import no_images
from eigenstep.images._labels import Labels
from eigenstep.images._records import Record
from eigenstep.images._streamed import Decoded, StreamedImages
from eigenstep.images._table import Table


class TableImages(StreamedImages):
    """Rows in the order in which they would be taken from memory.

    An image that cannot be decoded is replaced by the next row of the table that can be.
    """

    def __init__(self, table: Table, labels: Labels | None, config: ImagesConfig, sharing: Sharing) -> None:
        sharing.check(table.count())
        super().__init__(table.data, config, sharing, table.count(), labels.classes if labels else None)
        self._table = table
        self._labels = labels.numbers if labels else None

    def probe(self, n: int) -> Tensor:
        rows = spread(n, self._table.count()).tolist()
        decoded, taken = RowDecoder(self._table, self.size).decode(rows)
        first = np.unique(taken, return_index=True)[1]  # a stand-in may be there already
        return torch.from_numpy(decoded.images[first])

    def _tasks(self, start: int) -> Iterator[tuple[tuple[int, Any], list[int]]]:
        for epoch, order in self.sharing.orders(self._table.count(), start):
            yield (epoch, None), order[self.sharing.rows].tolist()

    def _work(self) -> "RowDecoder":
        return RowDecoder(self._table, self.size, self._labels)

    def _complete(self, decoded: Decoded, about: None) -> None:
        pass  # the rows' decoder has done everything


class RowDecoder:
    """Rows of a table as images of size × size.

    Parameters
    ----------
    labels : int64 (n,), of all rows, or None
    """

    def __init__(self, table: Table, size: int, labels: np.ndarray | None = None) -> None:
        self.table = table
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
        decoded = Decoded(np.empty((len(rows), 3, self.size, self.size), np.uint8), [], 0)
        taken = np.array(rows)
        for place, (row, record) in enumerate(zip(rows, self.table.records(rows), strict=True)):
            image = None if row in self._stand_ins else self._try(record)
            if image is not None:
                decoded.images[place], small = image
                decoded.enlarged += small
            else:
                decoded.broken.append((place, self.table.name(row, record)))
                taken[place], decoded.images[place] = self._stand_in(row)
        return decoded, taken

    def _stand_in(self, row: int) -> tuple[int, np.ndarray]:
        """The next row that can be decoded, and its image."""
        passed = [row]
        while passed[-1] not in self._stand_ins:
            other = (passed[-1] + 1) % self.table.count()
            if other == row:
                names = [self.table.name(row, record) for row, record in self._first(3)]
                raise ValueError(no_images(self.table.data, self.table.count(), names))
            if other not in self._stand_ins and self._try(self.table.records([other])[0]) is not None:
                self._stand_ins[passed[-1]] = other
            else:
                passed.append(other)
        found = self._stand_ins[passed[-1]]
        self._stand_ins.update(dict.fromkeys(passed, found))
        return found, decode_square(self.table.records([found])[0], self.size)[0]

    def _first(self, rows: int) -> list[tuple[int, Record]]:
        return list(enumerate(self.table.records(list(range(min(rows, self.table.count()))))))

    def _try(self, record: Record) -> tuple[np.ndarray, bool] | None:
        try:
            return decode_square(record, self.size)
        except Exception:  # decoders raise SyntaxError, RuntimeError, struct.error and more
            return None
