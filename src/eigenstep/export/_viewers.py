"""Viewers of embeddings, and what each of them opens."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from eigenstep.export._maps import MapName
from eigenstep.export._thumbnails import SIDE

ViewerName = Literal["atlas", "spotlight", "tensorboard", "latent-scope"]


@dataclass(frozen=True)
class Viewer:
    """A program that shows embeddings.

    Attributes
    ----------
    title : str
        What it is called.
    opened_by : str
        Its own command, with `{out}` for what was written.
    map_name : MapName | None
        The map that it is given; None for one that makes its own.
    neighbours : int | None
        How many it is given; None for one that finds them itself.
    is_folder : bool
        Whether it opens a folder; else a Parquet file.
    thumbnails : int
        The longest side of the pictures that it is given.
    """

    title: str
    opened_by: str
    map_name: MapName | None = None
    neighbours: int | None = None
    is_folder: bool = False
    thumbnails: int = SIDE

    def command(self, out: str | Path) -> str:
        """What opens a file or folder that was written for it.

        Examples
        --------
        >>> VIEWERS["spotlight"].command("my run.parquet")
        "spotlight 'my run.parquet'"
        """
        return self.opened_by.format(out=shlex.quote(str(out)))


VIEWERS: dict[ViewerName, Viewer] = {
    "atlas": Viewer(
        "Embedding Atlas",
        "embedding-atlas {out} --x x --y y --image image --neighbors neighbours",
        map_name="principal",
        neighbours=15,
    ),
    "spotlight": Viewer("Renumics Spotlight", "spotlight {out}"),
    "tensorboard": Viewer("TensorBoard's projector", "tensorboard --logdir {out}", is_folder=True),
    "latent-scope": Viewer("Latent Scope", "ls-ingest embeddings --path {out}"),
}
