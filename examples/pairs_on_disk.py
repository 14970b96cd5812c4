"""Positive pairs in two .npy files, for the examples on data that memory would not hold."""

import os
import time
import uuid
from pathlib import Path

import numpy as np
from numpy.lib.format import write_array_header_1_0

BLOCK_ROWS = 10_000


def pairs_on_disk(folder, n_pairs, n_features, write=True):
    """Return two memory maps (n_pairs, n_features) of views.

    Missing files are written block by block; with write=False another process is to do so, and is waited for.

    A sample is a random point whose features fade as 1/sqrt(j); its views add noise of 0.3 times that size to
    it. Files appear under their names only when they are complete.
    """
    paths = [Path(folder) / f"{view}-{n_pairs}x{n_features}.npy" for view in ("first", "second")]
    while not all(path.exists() for path in paths):
        if write:
            _write(paths, n_pairs, n_features)
        time.sleep(0.1)
    return tuple(np.load(path, mmap_mode="r") for path in paths)


def _write(paths, n_pairs, n_features):
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(0)
    sizes = np.arange(1, n_features + 1, dtype=np.float32) ** -0.5
    header = {"descr": "<f4", "fortran_order": False, "shape": (n_pairs, n_features)}
    unfinished = [path.with_suffix(f".{uuid.uuid4().hex}.part") for path in paths]
    # Plain writes, for the pages of a writable memory map would count as this process's memory.
    with unfinished[0].open("wb") as first, unfinished[1].open("wb") as second:
        write_array_header_1_0(first, header)
        write_array_header_1_0(second, header)
        for start in range(0, n_pairs, BLOCK_ROWS):
            shape = (min(BLOCK_ROWS, n_pairs - start), n_features)
            points = generator.standard_normal(shape, dtype=np.float32)
            for file in (first, second):
                view = points + 0.3 * generator.standard_normal(shape, dtype=np.float32)
                file.write((sizes * view).astype("<f4").tobytes())
    for part, path in zip(unfinished, paths, strict=True):
        os.replace(part, path)
