"""The subcommand `modes`."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from eigenstep.cli._folders import folder_named_after, refuse_other_source, same_place
from eigenstep.cli._parse import Asked, Flag, asked_for, fields_given
from eigenstep.spelling import printable

SHOWN = 16


def modes_command(arguments: list[str]) -> Callable[..., Any]:
    """The subcommand `modes`; what it is made of is loaded where it is asked for alone."""
    if arguments[:1] != ["modes"]:
        return _modes_in_short
    from eigenstep.encoders.features import ImageKernel
    from eigenstep.images import ImagesConfig
    from eigenstep.views import ViewsConfig

    def command(
        source: tyro.conf.Positional[str],
        data: str | None = None,
        count: int | None = None,
        labels: Asked = "auto",
        column: str | None = None,
        table: Path | None = None,
        beside: Path | None = None,
        what: Literal["embedding", "features"] = "embedding",
        kernel: ImageKernel = "random_conv",
        backbone: str = "convnet",
        backbone_weights: str | None = None,
        order: Literal["gamma", "invariance"] = "gamma",
        components: int = 64,
        n_views: int = 3,
        images: ImagesConfig = ImagesConfig(),  # noqa: B008
        views: ViewsConfig = ViewsConfig(),  # noqa: B008
        device: str = "auto",
        seed: int = 0,
        out: Path | None = None,
        as_json: Annotated[Flag, tyro.conf.arg(name="json")] = False,
    ) -> None:
        """Say what the modes of a data set (before training), a run or a file mean, and what they are worth.

        Statistics of the images (brightness, colours, layout, edges, frequencies, ...) explain the first
        modes, and name those that are also found again from other images and another random network. With
        labels, it also says how much the modes tell about them, and which modes do. Writes modes.json and
        modes.html.

        Parameters
        ----------
        source : tyro.conf.Positional[str]
            Images, named as the data set to train on; a run folder; or, with --data, a file of embeddings.
        data : str | None
            The data set to which the rows of a file belong, or other images for a run to embed.
        count : int | None
            Images at most; default: 3,000, for runs and files 1,500.
        labels : Asked
            Use the data set's labels where every image has one; need them; leave them alone.
        column : str | None
            A file's column of embeddings.
        table : Path | None
            A CSV or Parquet file with a row for each image of the data set: its columns of numbers become
            statistics too.
        beside : Path | None
            A run that differs only in its seed, in which to look for the same modes again.
        what : Literal['embedding', 'features']
            A run's embedding, or its backbone's features.
        kernel : ImageKernel
            The kernel of the closed form: linear or rbf, on the pixels; or a linear kernel of features: of a
            backbone as it is (features), of random convolutions (random_conv) or of similarity to random
            patches (patches).
        backbone : str
            For --kernel features: convnet, or any timm model.
        backbone_weights : str | None
            Its weights: a file, a run folder, or pretrained; default: random ones.
        order : Literal['gamma', 'invariance']
            Modes in the order in which training learns them, or by what views leave alone.
        components : int
            The largest number of modes of the closed form.
        n_views : int
            Views of each image.
        images : ImagesConfig
            How images are read; for a run, or a file of its embeddings, as the run reads them unless set
            here.
        views : ViewsConfig
            How two views of an image may differ.
        device : str
            Auto, cpu or cuda, for a run's network.
        seed : int
            Determines which images are learned from and judged on, the views and the random networks.
        out : Path | None
            Folder for modes.json and modes.html; default: the run, or runs/NAME-modes.
        as_json : Annotated[Flag, tyro.conf.arg(name='json')]
            Print everything as JSON instead of tables.
        """
        from eigenstep.modes import ClosedForm, explain_modes, usual_reading, write_modes
        from eigenstep.record import check_writable, is_run
        from eigenstep.terminal import console, print_table

        of_run = is_run(source)
        folder = out or (Path(source) if of_run else folder_named_after(source, "modes"))
        check_writable(folder)
        if not of_run or not same_place(folder, source):
            refuse_other_source(folder, "modes.json", source)
        changes = {name: getattr(images, name) for name in fields_given(arguments, "images")}
        read = dataclasses.replace(usual_reading(source, data), **changes) if changes else None
        form = ClosedForm(kernel, views, n_views, components, order, backbone, backbone_weights)
        found = explain_modes(
            source,
            images=data,
            labels=asked_for(labels),
            table=table,
            beside=beside,
            column=column,
            what=what,
            count=count,
            read=read,
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
        for why in dict.fromkeys(found.left_out.values()):
            names = [name for name, other in found.left_out.items() if other == why]
            console.print(f"left out: {', '.join(names)}: {why}", soft_wrap=True)
        for note in found.notes:
            console.print(f"note: {note}", soft_wrap=True)
        for sentence in found.sentences():
            console.print(sentence, soft_wrap=True)
        print(printable("\n".join(f"{path.suffix[1:]}: {path}" for path in written)))

    command.__name__ = "modes"
    return command


def _modes_in_short() -> None:
    """Say what the modes of a data set (before training), a run or a file mean, and what they are worth."""
