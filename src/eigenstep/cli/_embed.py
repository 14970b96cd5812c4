"""The subcommand `embed`."""

from pathlib import Path
from typing import Annotated, Literal

import tyro

from eigenstep.cli._parse import Flag
from eigenstep.spelling import printable

ViewerName = Literal["atlas", "spotlight", "tensorboard", "latent-scope"]
MapName = Literal["principal", "umap"]


def embed(
    run: tyro.conf.Positional[Path],
    out: Path,
    data: str | None = None,
    viewer: Annotated[ViewerName | None, tyro.conf.arg(name="for")] = None,
    thumbnails: int | None = None,
    map_name: Annotated[MapName | None, tyro.conf.arg(name="map")] = None,
    neighbours: int | None = None,
    modes: Path | None = None,
    split: str | None = None,
    limit: int | None = None,
    broken: Literal["pass"] | None = None,
    checkpoint: str = "last",
    device: str = "auto",
    overwrite: Flag = False,
) -> None:
    """Write the features and embeddings of every image of a data set, in order, to a file.

    Parameters
    ----------
    run : tyro.conf.Positional[Path]
        A run folder.
    out : Path
        The file to write: embeddings.parquet, or .npz, or .npy for features alone; a folder for TensorBoard.
    data : str | None
        Images, named as the data set to train on; default: the run's own.
    viewer : Annotated[ViewerName | None, tyro.conf.arg(name='for')]
        The viewer to look at them with: writes the thumbnails, map and neighbours that it needs in its
        format, and prints the command that opens them.
    thumbnails : int | None
        Add a column with a picture of each image, of at most this many pixels a side.
    map_name : Annotated[MapName | None, tyro.conf.arg(name='map')]
        Add columns x, y and z with places on a map: principal axes of the features, or UMAP's layout.
    neighbours : int | None
        Add a column with this many nearest images by the features' cosine distance; all pairs are compared.
    modes : Path | None
        The modes.json of eigenstep modes RUN: adds columns mode_1 and so on, with scores along its modes.
    split : str | None
        Which split of them; default: the run's.
    limit : int | None
        Use at most this many images.
    broken : Literal['pass'] | None
        Read damaged archives and tables as far as they go; default: as in the run's training.
    checkpoint : str
        Last, best (by the k-NN probe during training) or a step's number.
    device : str
        Auto, cpu or cuda.
    overwrite : Flag
        Replace the file.
    """
    from eigenstep.export import VIEWERS
    from eigenstep.export import embed as write
    from eigenstep.terminal import console, progress_line

    try:
        with progress_line("embed") as line:
            written = write(
                run,
                out,
                data,
                checkpoint,
                viewer=viewer,
                thumbnails=thumbnails,
                map_name=map_name,
                neighbours=neighbours,
                modes=modes,
                split=split,
                limit=limit,
                broken=broken,
                device=device,
                overwrite=overwrite,
                progress=lambda done, total: line.update(done, total, "images"),
            )
    except ValueError as error:  # which names the option of train
        told = str(error).replace("--images.split", "--split").replace("--images.broken", "--broken")
        raise ValueError(told) from error
    if written.broken:
        shown = ", ".join(written.broken[:20]) + (", ..." if len(written.broken) > 20 else "")
        several = "images were" if len(written.broken) > 1 else "image was"
        console.print(f"{len(written.broken)} broken {several} left out: {shown}", soft_wrap=True)
    labels = "with labels" if written.labelled else "no labels"
    print(printable(f"embeddings: {out} ({written.count} images, {labels})"))
    if viewer is not None:
        print(printable(f"{VIEWERS[viewer].title} opens it: {VIEWERS[viewer].command(out)}"))
