"""The subcommand `modes`."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from eigenstep.cli._folders import folder_named_after, refuse_other_source, same_place
from eigenstep.cli._parse import Flag
from eigenstep.spelling import printable

SHOWN = 16


def modes_command(arguments: list[str]) -> Callable[..., Any]:
    """The subcommand `modes`; what it is made of is loaded where it is asked for alone."""
    if arguments[:1] != ["modes"]:
        return _modes_in_short
    from eigenstep.images import ImagesConfig
    from eigenstep.modes import ClosedForm, explain_modes, write_modes
    from eigenstep.record import check_writable, is_run
    from eigenstep.terminal import console, print_table
    from eigenstep.views import ViewsConfig

    def command(
        source: tyro.conf.Positional[str],
        images: str | None = None,
        size: int | None = None,
        split: str | None = None,
        count: int | None = None,
        labels: Literal["auto", "yes", "no"] = "auto",
        label: str | None = None,
        column: str | None = None,
        table: Path | None = None,
        beside: Path | None = None,
        what: Literal["embedding", "features"] = "embedding",
        kernel: Literal["random-conv", "patches", "backbone", "rbf", "linear"] = "random-conv",
        backbone: str = "convnet",
        backbone_weights: str | None = None,
        order: Literal["gamma", "invariance"] = "gamma",
        components: int = 64,
        n_views: int = 3,
        views: ViewsConfig = ViewsConfig(),  # noqa: B008
        device: str = "auto",
        seed: int = 0,
        out: Path | None = None,
        as_json: Annotated[Flag, tyro.conf.arg(name="json")] = False,
    ) -> None:
        """Tell what modes mean and what they are worth: of a data set before training, of a run, of a file.

        Statistics of the images (brightness, colours, layout, edges, frequencies, ...) explain the first
        modes, and give a name to those that deserve one: found again from other images and another random
        network. With labels, how much of them is in which modes. Written to modes.json and modes.html.

        Parameters
        ----------
        source : tyro.conf.Positional[str]
            Images, named as the data set to train on; a run folder; or, with --images, a file of embeddings.
        images : str | None
            The data set that a file's rows are of, or other images for a run to embed.
        size : int | None
            Height and width in pixels that images are read at; default: 32, of a run its own.
        split : str | None
            Of the data set; default: train, of a run its own.
        count : int | None
            Images at most; default: 3,000, for runs and files 1,500.
        labels : Literal['auto', 'yes', 'no']
            Use the data set's labels where every image has one; need them; leave them alone.
        label : str | None
            The data set's column of labels; default: the only one that fits.
        column : str | None
            The data set's column of images, or a file's of embeddings.
        table : Path | None
            A CSV or Parquet file with a row for each image of the data set: its columns of numbers are
            statistics too.
        beside : Path | None
            A run like the one that is explained but for its seed, to find its modes again in.
        what : Literal['embedding', 'features']
            A run's embedding, or its backbone's features.
        kernel : Literal['random-conv', 'patches', 'backbone', 'rbf', 'linear']
            Of the closed form: features of an untrained convolutional network, of patches or of a backbone,
            or of pixels.
        backbone : str
            For --kernel backbone: convnet, or any timm model.
        backbone_weights : str | None
            Its weights: a file, a run folder, or pretrained; default: random ones.
        order : Literal['gamma', 'invariance']
            Modes as training learns them, or by what views leave alone.
        components : int
            Modes of the closed form at most.
        n_views : int
            Views of each image.
        views : ViewsConfig
            What two views of an image may differ in.
        device : str
            Auto, cpu or cuda, for a run's network.
        seed : int
            Of which images are learned from and judged on, of views and of random networks.
        out : Path | None
            Folder for modes.json and modes.html; default: the run, or runs/NAME-modes.
        as_json : Annotated[Flag, tyro.conf.arg(name='json')]
            Print everything as JSON instead of tables.
        """
        of_run = is_run(source)
        if of_run:
            _refuse({"--size": size, "--label": label}, f"{source} is a run, which has its own")
        folder = out or (Path(source) if of_run else folder_named_after(source, "modes"))
        check_writable(folder)
        if not of_run or not same_place(folder, source):
            refuse_other_source(folder, "modes.json", source)
        read = None if size is None and label is None else ImagesConfig(size=size or 32, label=label)
        form = ClosedForm(kernel, views, n_views, components, order, backbone, backbone_weights)
        found = explain_modes(
            source,
            images=images,
            labels={"auto": None, "yes": True, "no": False}[labels],
            table=table,
            beside=beside,
            column=column,
            what=what,
            count=count,
            read=read,
            split=split,
            closed_form=None if form == ClosedForm() else form,
            device=device,
            seed=seed,
            progress=None if as_json else lambda text: console.print(text, soft_wrap=True),
        )
        written = write_modes(found, folder)
        if as_json:
            print(written[0].read_text())
            return
        for each in found.modes[:SHOWN]:
            console.print(each.sentence, soft_wrap=True)
        if len(found.modes) > SHOWN:
            console.print(f"{len(found.modes) - SHOWN} more are in {written[0]}", soft_wrap=True)
        for text in found.tables():
            print_table(text.title, text.header, text.rows)
            if text.note:
                console.print(text.note, soft_wrap=True)
        for name, why in found.left_out.items():
            console.print(f"left out: {name}: {why}", soft_wrap=True)
        for note in found.notes:
            console.print(f"note: {note}", soft_wrap=True)
        for sentence in found.sentences():
            console.print(sentence, soft_wrap=True)
        print(printable("\n".join(f"{path.suffix[1:]}: {path}" for path in written)))

    command.__name__ = "modes"
    return command


def _refuse(options: dict[str, Any], why: str) -> None:
    for name, value in options.items():
        if value is not None:
            raise ValueError(f"{name} has no effect: {why}")


def _modes_in_short() -> None:
    """Tell what modes mean and what they are worth: of a data set before training, of a run, of a file."""
