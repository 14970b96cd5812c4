"""A data set in random access, decoded while training."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from eigenstep.images.decoding import no_images
from eigenstep.images.opened._batches import Sharing
from eigenstep.images.opened._streamed import StreamedImages
from eigenstep.images.sources import Labels, RandomAccess, Sample
from eigenstep.images.stored import Decoded, StoredFormat, decode_squares, spread

# Images that are decoded at a time where only what they tell together is kept.
BLOCK = 64


class StreamedRows(StreamedImages):
    """Rows in the order in which they would be taken from memory.

    An image that cannot be decoded is replaced by the next row that can be.
    """

    def __init__(
        self, rows: RandomAccess, labels: Labels | None, stored: StoredFormat, sharing: Sharing
    ) -> None:
        sharing.check(rows.count())
        super().__init__(rows, stored, sharing, rows.count(), labels.classes if labels else None)
        self._rows = rows
        self._labels = labels.numbers if labels else None

    def probe(self, n: int) -> Tensor:
        rows = spread(n, self._rows.count()).tolist()
        decoded, taken = RowDecoder(self._rows, self.stored).decode(rows)
        first = np.unique(taken, return_index=True)[1]  # a stand-in may be there already
        return torch.from_numpy(decoded.images[first])

    def _spread_blocks(self, n: int) -> Iterator[np.ndarray]:
        decoder, rows = RowDecoder(self._rows, self.stored), spread(n, self._rows.count()).tolist()
        found = 0
        for start in range(0, len(rows), BLOCK):
            block = decoder.alone(rows[start : start + BLOCK])
            found += len(block)
            yield block
        if not found:
            yield decoder.decode(rows[:1])[0].images  # what stands in; raises if nothing does

    def _tasks(self, start: int) -> Iterator[tuple[tuple[int, None], list[int]]]:
        for epoch, order in self.sharing.orders(self._rows.count(), start):
            yield (epoch, None), order[self.sharing.rows].tolist()

    def _work(self) -> "RowDecoder":
        return RowDecoder(self._rows, self.stored, self._labels)

    def _complete(self, decoded: Decoded, about: None) -> None:
        pass  # the rows' decoder has done everything


class RowDecoder:
    """Rows as stored images.

    Parameters
    ----------
    labels : np.ndarray | None
        int64 (n,), of all rows, or None.
    """

    def __init__(self, source: RandomAccess, stored: StoredFormat, labels: np.ndarray | None = None) -> None:
        self.source = source
        self.stored = stored
        self.labels = labels
        self._stand_ins: dict[int, int] = {}  # of broken rows
        self._reasons: dict[int, str] = {}  # of rows that have stand-ins, which are not read again

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
        decoded = decode_squares(samples, self.stored.room(len(rows)), self.stored, gaps=True)
        taken = np.array(rows)
        for broken in decoded.broken:
            row = rows[broken.place]
            self._reasons.setdefault(row, broken.reason)
            taken[broken.place], decoded.images[broken.place] = self._stand_in(row)
        decoded.broken = [each._replace(reason=self._reasons[rows[each.place]]) for each in decoded.broken]
        return decoded, taken

    def _stand_in(self, row: int) -> tuple[int, np.ndarray]:
        """The next row that can be decoded, and its image."""
        passed = [row]
        while passed[-1] not in self._stand_ins:
            other = (passed[-1] + 1) % self.source.count()
            if other == row:
                names = [
                    f"{self.source.sample(each).name} ({self._reasons[each]})"
                    for each in range(min(3, self.source.count()))
                ]
                raise ValueError(no_images(self.source.data, self.source.count(), names))
            if other not in self._stand_ins and len(self.alone([other])):
                self._stand_ins[passed[-1]] = other
            else:
                passed.append(other)
        found = self._stand_ins[passed[-1]]
        self._stand_ins.update(dict.fromkeys(passed, found))
        return found, self.alone([found])[0]

    def alone(self, rows: list[int]) -> np.ndarray:
        """The images (n, C, S, S) of those of the rows that can be decoded."""
        samples = map(self.source.sample, rows)
        decoded = decode_squares(samples, self.stored.room(len(rows)), self.stored)
        for broken in decoded.broken:
            self._reasons.setdefault(rows[broken.place], broken.reason)
        return decoded.images
