"""The subcommand `compare`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from eigenstep.cli._parse import Flag
from eigenstep.record import atomic_write, make_folder
from eigenstep.spelling import printable

if TYPE_CHECKING:
    from eigenstep.comparison import SideBySide


def compare(
    inputs: tyro.conf.Positional[tuple[str, ...]],
    beside: str | None = None,
    data: str | None = None,
    split: str | None = None,
    images: int | None = None,
    what: Literal["embedding", "features"] = "embedding",
    neighbours: int = 10,
    resamples: int = 200,
    agreement: Flag = False,
    each: Literal["layers", "checkpoints"] | None = None,
    permutations: int = 199,
    device: str = "auto",
    out: Path | None = None,
    as_json: Annotated[Flag, tyro.conf.arg(name="json")] = False,
) -> None:
    """Show how far runs, predictions, files of embeddings and pretrained encoders agree on the same images.

    Prints subspace overlap (as a whole, and of the first modes at moments when exactly these had been
    learned), CKA, Procrustes and nearest neighbours, each with a bootstrap interval and its chance level. For
    two runs it also prints how many times sooner the second learned 1, 2, 4, 8, ... modes, whether they are
    the same, and predicted learning times beside measured ones. With --agreement, it prints a dozen measures
    beside what shuffled images give.

    Parameters
    ----------
    inputs : tyro.conf.Positional[tuple[str, ...]]
        Two or more of: RUN, RUN@CHECKPOINT (init, last, best or a step), the folder of a prediction, FILE or
        FILE@COLUMN of embeddings (.npy, .npz, .pt, .safetensors, .parquet, .csv), timm:MODEL (by timm's own
        weights) or timm:MODEL@WEIGHTS.
    beside : str | None
        A run that differs from one of those compared only in its seed: how far the two agree is shown beside
        the others. Default: one among those compared, if there is one.
    data : str | None
        The images that runs embed, named as the data set to train on; default: those of the predictions and
        files, or the first run's own.
    split : str | None
        Which split of them; default: that of the files or of the first run.
    images : int | None
        How many images, if no prediction or file says so; default: 512.
    what : Literal['embedding', 'features']
        A run's or file's embedding, or its backbone's features.
    neighbours : int
        How many nearest neighbours of each image are compared.
    resamples : int
        Resamples of the images, for the intervals.
    agreement : Flag
        Compare by debiased CKA, mutual k-NN, CKNNA, Procrustes, RSA and others, each with z and p.
    each : Literal['layers', 'checkpoints'] | None
        Compare every layer, or every checkpoint, of one with every one of the other, with p corrected for the
        search; for checkpoints, also say which run came first, and which mode of one is which mode of the
        other.
    permutations : int
        Shuffled orders of the images, for z and p.
    device : str
        Auto, cpu or cuda.
    out : Path | None
        Folder for comparison.json, comparison.png and comparison.html.
    as_json : Annotated[Flag, tyro.conf.arg(name='json')]
        Print everything as JSON instead of tables.
    """
    from eigenstep.comparison import compare as run_comparison
    from eigenstep.comparison import draw_matrices, write_page
    from eigenstep.record import check_writable
    from eigenstep.terminal import console

    if out is not None:
        check_writable(out)
    found = run_comparison(
        inputs,
        beside=beside,
        data=data,
        split=split,
        images=images,
        what=what,
        neighbours=neighbours,
        resamples=resamples,
        agreement=agreement,
        each=each,
        permutations=permutations,
        device=device,
        progress=None if as_json else lambda text: console.print(text, soft_wrap=True),
    )
    content = json.dumps(found.as_json(), indent=1, allow_nan=False)
    if as_json:
        print(content)
    else:
        _show(found)
    if out is not None:
        make_folder(out)
        atomic_write(out / "comparison.json", content)
        written = [write_page(found, out / "comparison.html"), draw_matrices(found, out / "comparison.png")]
        if not as_json:
            print(printable("\n".join(f"{path.suffix[1:]}: {path}" for path in written)))


def _show(found: "SideBySide") -> None:
    from eigenstep.terminal import console, print_table

    for name, given, moment, learned, rule in zip(
        found.letters, found.inputs, found.moments, found.learned_words, found.rules, strict=True
    ):
        modes = learned if "of" not in learned else f"{learned} modes learned"
        by = f"; {rule}" if rule else ""
        console.print(f"{name}: {given.name} ({given.kind}, {moment}, {modes}{by})", soft_wrap=True)
    for table in found.tables():
        print_table(table.title, table.header, table.rows)
        if table.note:
            console.print(table.note, soft_wrap=True)
    for note in found.notes:
        console.print(f"note: {note}", soft_wrap=True)
