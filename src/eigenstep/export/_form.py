"""What a table of embeddings is written as: which kind of file, with which columns."""

import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from eigenstep.export._columns import Columns, ParquetFile, check_suffix, open_columns
from eigenstep.export._maps import MapName, check_map
from eigenstep.export._new_file import check_new_file, new_file
from eigenstep.export._of_all_rows import add_columns_of_all_rows
from eigenstep.export._projector import PROJECTORS, check_points, projector_folder
from eigenstep.export._viewers import VIEWERS, ViewerName
from eigenstep.record import check_folder, replace_folder


class Rows(Protocol):
    """What takes rows a block at a time."""

    def write(self, block: Columns) -> None: ...


@dataclass(frozen=True)
class Form:
    """A file or folder of rows.

    Attributes
    ----------
    viewer : ViewerName | None
        The program that it is for.
    thumbnails : int | None
        The longest side of the pictures of the images; None for no pictures.
    map_name : MapName | None
        The map that rows are placed on.
    neighbours : int | None
        How many of the nearest rows each row names.
    """

    viewer: ViewerName | None = None
    thumbnails: int | None = None
    map_name: MapName | None = None
    neighbours: int | None = None

    @property
    def is_folder(self) -> bool:
        return self.viewer is not None and VIEWERS[self.viewer].is_folder

    def check(self, out: Path, overwrite: bool) -> None:
        """Raise in one line, before anything is computed, what stands in the way of writing to `out`."""
        for name, value in (("thumbnails", self.thumbnails), ("neighbours", self.neighbours)):
            if value is not None and value < 1:
                raise ValueError(f"--{name}: expected at least 1, got {value}")
        if self.is_folder:
            self._check_folder(out, overwrite)
            return
        check_map(self.map_name)
        check_suffix(out)
        wanted = [self.viewer, self.thumbnails, self.map_name, self.neighbours]
        if out.suffix != ".parquet" and any(each is not None for each in wanted):
            raise ValueError(
                f"expected a .parquet file for viewers, thumbnails, maps and neighbours, got {out}"
            )
        check_new_file(out, overwrite)

    def _check_folder(self, out: Path, overwrite: bool) -> None:
        assert self.viewer is not None
        title = VIEWERS[self.viewer].title
        if out.suffix:
            raise ValueError(f"{title} opens a folder: expected a name without a suffix, got {out}")
        if self.map_name or self.neighbours:
            raise ValueError(
                f"{title} makes its own map and finds neighbours itself; leave out --map and --neighbours"
            )
        check_folder(out, PROJECTORS, overwrite=overwrite)

    def write(
        self,
        out: Path,
        fill: Callable[[Rows], None],
        description: dict[str, Any],
        count: int,
        *,
        overwrite: bool = False,
        device: torch.device | str = "cpu",
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """Write a file or folder, which is there when it is whole.

        Parameters
        ----------
        fill : Callable[[Rows], None]
            Writes all blocks to what it is given.
        count : int
            Rows to come, at most.
        """
        if self.is_folder:
            check_points(count)

            def fill_folder(folder: Path) -> None:
                with projector_folder(folder, count) as rows:
                    fill(rows)

            replace_folder(out, fill_folder, check=lambda: self._check_folder(out, overwrite))
            return
        with new_file(out, overwrite) as aside:
            if self.map_name is None and self.neighbours is None:
                with closing(open_columns(aside, out.suffix, description)) as rows:
                    fill(rows)
                return
            with tempfile.TemporaryFile(dir=out.parent) as spool:  # without a name: nothing is left of it
                with closing(ParquetFile(spool, description)) as rows:
                    fill(rows)
                add_columns_of_all_rows(spool, aside, self.map_name, self.neighbours, device, progress)


def form_for(
    viewer: ViewerName | None = None,
    thumbnails: int | None = None,
    map_name: MapName | None = None,
    neighbours: int | None = None,
) -> Form:
    """The form that a viewer opens, with what is said otherwise.

    Examples
    --------
    >>> form_for("atlas", neighbours=5)
    Form(viewer='atlas', thumbnails=64, map_name='principal', neighbours=5)
    """
    if viewer is None:
        return Form(None, thumbnails, map_name, neighbours)
    if viewer not in VIEWERS:
        raise ValueError(f"expected one of {', '.join(VIEWERS)} as viewer, got {viewer!r}")
    usual = VIEWERS[viewer]
    return Form(
        viewer,
        usual.thumbnails if thumbnails is None else thumbnails,
        map_name or usual.map_name,
        usual.neighbours if neighbours is None else neighbours,
    )
