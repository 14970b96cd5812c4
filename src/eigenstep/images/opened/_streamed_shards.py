"""A data set that can only be read in order, decoded while training."""

from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from eigenstep.images.decoding import no_images
from eigenstep.images.opened._batches import Sharing
from eigenstep.images.opened._streamed import StreamedImages
from eigenstep.images.sources import Labels, Sample, Shards
from eigenstep.images.stored import Decoded, StoredFormat, decode_squares

# At least so many samples after a batch can stand in for those of it that cannot be decoded.
MOST_STAND_INS = 256
# Of the images of a probe so many are decoded at a time, since their number is not known before.
BLOCK = 256


class _Drawn(NamedTuple):
    """A whole batch, what may stand in for its samples, and how long an epoch is, if that is known then."""

    batch: list[Sample]
    stand_ins: list[Sample]
    epoch_length: int | None


class StreamedShards(StreamedImages):
    """Samples in the order that `Shards.shuffled` gives, a new one every epoch.

    An epoch ends where the stream ends, without its incomplete last batch. To go on in the middle of an
    epoch its encoded samples are read again up to there, so the batches are exactly those of a run that
    was not interrupted; where an epoch is not the first and `count` is not known yet, one more pass tells it.

    Every training process reads the whole stream and decodes its own rows. An image that cannot be decoded
    is replaced by one that follows the batch in its epoch, or, at an epoch's end, by one of the batch.

    Parameters
    ----------
    labels : Labels | None
        Of the samples as they are stored, or None.
    """

    def __init__(self, shards: Shards, labels: Labels | None, stored: StoredFormat, sharing: Sharing) -> None:
        sharing.check(sum(1 for _ in islice(shards.samples(), sharing.batch_size)))
        count = len(labels.numbers) if labels else None
        super().__init__(shards, stored, sharing, count, labels.classes if labels else None)
        self._shards = shards
        self._labels = labels

    def probe(self, n: int) -> Tensor:
        return torch.from_numpy(np.concatenate([self.stored.room(0), *self._spread_blocks(n)]))

    def _spread_blocks(self, n: int) -> Iterator[np.ndarray]:
        rest, found, broken = self._shards.samples(), 0, list[str]()
        while found < n:
            decoded = decode_squares(rest, self.stored.room(min(n - found, BLOCK)), self.stored)
            broken += decoded.broken_names
            if not len(decoded.images):
                break
            found += len(decoded.images)
            yield decoded.images
        if broken and not found:
            raise ValueError(no_images(self.data, len(broken), broken))

    def _tasks(self, start: int) -> Iterator[tuple[tuple[int, _Drawn], list[Sample]]]:
        size, rows = self.sharing.batch_size, self.sharing.rows
        known = self.count
        epoch, skipped = (0, start) if known is None else divmod(start, known // size)
        while True:
            count = 0
            for position, drawn in enumerate(self._epoch(epoch, known)):
                count += len(drawn.batch)
                if position >= skipped and len(drawn.batch) == size:
                    yield (epoch, drawn), drawn.batch[rows]
            self.sharing.check(count)
            if known not in (None, count):
                raise ValueError(f"{self.data} has changed: it had {known} images, now it has {count}")
            known = count
            if skipped > count // size:  # this pass was to tell how long an epoch is
                epoch, skipped = divmod(start, count // size)
            else:
                epoch, skipped = epoch + 1, 0

    def _epoch(self, epoch: int, length: int | None) -> Iterator[_Drawn]:
        """The epoch's batches, the incomplete last one too."""
        size = self.sharing.batch_size
        samples = self._shards.shuffled(self.config.shuffle_buffer, self.sharing.generator(epoch))
        ahead = deque(islice(samples, size))
        while ahead:
            ahead.extend(islice(samples, max(size + MOST_STAND_INS - len(ahead), 0)))
            batch = [ahead.popleft() for _ in range(min(size, len(ahead)))]
            yield _Drawn(batch, list(islice(ahead, MOST_STAND_INS)), length)

    def _work(self) -> "SampleDecoder":
        return SampleDecoder(self.stored)

    def _complete(self, decoded: Decoded, about: _Drawn) -> None:
        self.count = about.epoch_length
        taken = about.batch[self.sharing.rows]
        for place, _, _ in decoded.broken:
            taken[place], decoded.images[place] = self._stand_in(about, self.sharing.rows.start + place)
        if self._labels is not None:
            decoded.labels = np.array([self._labels.number(sample.label) for sample in taken])

    def _stand_in(self, drawn: _Drawn, place: int) -> tuple[Sample, np.ndarray]:
        """The first that can be decoded, from a place on that differs between a batch's rows."""
        first = place % max(len(drawn.stand_ins), 1)
        others = drawn.stand_ins[first:] + drawn.stand_ins[:first]
        others += drawn.batch[place + 1 :] + drawn.batch[:place]
        found = decode_squares(others, self.stored.room(1), self.stored)
        if len(found.kept):
            return others[found.kept[0]], found.images[0]
        names = [sample.name for sample in drawn.batch]
        raise ValueError(
            f"{self.data}: none of {len(others) + 1} images that follow each other can be decoded,"
            f" for example {', '.join(names[:3])}"
        )


class SampleDecoder:
    """Samples as stored images; zeros where one cannot be decoded."""

    def __init__(self, stored: StoredFormat) -> None:
        self.stored = stored

    def __call__(self, samples: list[Sample]) -> Decoded:
        return decode_squares(samples, self.stored.room(len(samples)), self.stored, gaps=True)
