"""The subcommand `augmentations`."""

import dataclasses
import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import tyro

from eigenstep.cli._folders import folder_named_after, refuse_other_source
from eigenstep.cli._parse import Asked, asked_for, options_of
from eigenstep.cli._train import SetOption, option_value
from eigenstep.spelling import printable

# Principal directions that modes are looked for in, where there are more images.
PRINCIPAL = 256


def augmentations_command(arguments: list[str]) -> Callable[..., Any]:
    """The subcommand `augmentations`, whose base set is that of a recipe or a file."""
    if arguments[:1] != ["augmentations"]:
        return _augmentations_in_short  # the list of subcommands is shown without loading what it needs
    from eigenstep.images import ImagesConfig
    from eigenstep.modes.augmentations import ShortTraining, read_set
    from eigenstep.training.recipes import load_recipe
    from eigenstep.views import ViewsConfig

    usual, read = ShortTraining(), ImagesConfig()
    loss = ShortTraining(option_value(arguments, "--training.loss") or usual.loss).loss
    recipe = option_value(arguments, "--recipe") or f"{loss}/cifar10-resnet18"
    named = option_value(arguments, "--views.set")
    base = read_set(named).views if named else load_recipe(recipe).views

    def command(
        data: tyro.conf.Positional[str],
        labels: Asked = "auto",
        sets: tuple[Path, ...] = (),
        family: Literal["standard", "none"] = "standard",
        train: Literal["on", "off"] = "on",
        count: int = 4000,
        trainings: int = 64,
        first_seeds: int = 2,
        principal: int | None = None,
        seed: int = 0,
        workers: int | None = None,
        device: str = "auto",
        out: Path | None = None,
        recipe: str | None = None,
        views_set: SetOption = None,
        training: ShortTraining = usual,
        images: ImagesConfig = read,
        views: ViewsConfig = base,
    ) -> None:
        """Say what augmentations leave of images, and which set of them suits your labels.

        Shows what survives each operation, the modes of each set by invariance and, with labels, a ranking by
        short trainings. A command that was killed continues from its folder.

        Parameters
        ----------
        data : tyro.conf.Positional[str]
            The images, named as the data set to train on.
        labels : Asked
            Use the labels that the data set has; need them; leave them alone.
        sets : tuple[Path, ...]
            YAML files of sets of your own, each the values of --views, or several under their names.
        family : Literal['standard', 'none']
            standard: the base set, each operation left out, stronger and weaker crops and the like; none:
            those of --sets alone.
        train : Literal['on', 'off']
            Rank by short trainings (minutes), or take only the first look without training (seconds).
        count : int
            Images, at most.
        trainings : int
            Short trainings in all, at most.
        first_seeds : int
            Seeds with which every set is trained.
        principal : int | None
            Principal directions of the views that modes are looked for in; default: 256, or a quarter of
            the images if there are no more than that.
        seed : int
            Determines images, views, features and trainings.
        workers : int | None
            Trainings beside each other; default: the cores, 8 at most. It changes no number.
        device : str
            Where small networks are trained: auto, cpu or cuda.
        out : Path | None
            Folder of the page and the files; default: runs/DATA-augmentations.
        recipe : str | None
            Whose augmentations are the base set; default: those of --training.loss for CIFAR-10.
        views_set : Path | None
            A YAML file with the base set, instead of a recipe's; --views.* beside it change it.
        training : ShortTraining
            How the small networks are trained.
        images : ImagesConfig
            How images are read.
        views : ViewsConfig
            The base set.
        """
        from eigenstep.machine import find_device
        from eigenstep.modes.augmentations import (
            AugmentationSet,
            listed,
            load_for_sets,
            rank_augmentations,
            read_sets,
            sentence,
            standard_sets,
            tables,
            write_page,
            write_sets,
        )
        from eigenstep.record import atomic_remove, atomic_write, check_writable, is_run, make_folder
        from eigenstep.terminal import console, print_table, progress_line

        if is_run(data):
            raise ValueError(
                f"{data} is a run: expected images, such as those that it was trained on, `data` in its"
                " config.yaml"
            )
        folder = out or folder_named_after(data, "augmentations")
        check_writable(folder)
        refuse_other_source(folder, "augmentations.json", data)
        with progress_line("augmentations") as line:
            found = load_for_sets(
                data, images, count, labels=asked_for(labels), seed=seed,
                tell=lambda text: console.print(text, soft_wrap=True),
            )  # fmt: skip
            used, channels = found.images.shape[:2]
            if principal is None:
                principal = PRINCIPAL if used > PRINCIPAL else max(used // 4, 1)
            own = [each for path in sets for each in read_sets(path)]
            standard: list[AugmentationSet] = []
            left_out: dict[str, str] = {}
            if family == "standard" or not own:
                standard, left_out = standard_sets(views, channels)
            told = rank_augmentations(
                found.images,
                found.labels,
                [*standard, *own],
                class_names=found.class_names,
                train=train == "on",
                training=training,
                trainings=trainings,
                first_seeds=first_seeds,
                n_principal=principal,
                seed=seed,
                workers=workers,
                device=str(find_device(device)),
                folder=folder,
                progress=lambda what, done, total: line.update(done, total, what, final=False),
            )
        told = dataclasses.replace(told, left_out={**told.left_out, **left_out})
        make_folder(folder)
        atomic_write(folder / "augmentations.json", _as_json(told, data))
        page = write_page(
            told,
            folder / "augmentations.html",
            title=f"images of {Path(data).name or data}",
            notes=found.notes,
        )
        write_sets(told.sets, folder / "sets.yaml")
        for name, why in told.left_out.items():
            console.print(f"left out: {name}, for {why}", soft_wrap=True)
        for note in found.notes:
            console.print(f"note: {note}", soft_wrap=True)
        for why in dict.fromkeys(told.useless.values()):
            useless = [name for name, other in told.useless.items() if other == why]
            console.print(f"note: {listed(useless)}: {why}, so not ranked", soft_wrap=True)
        console.print(told.agreement.sentence(told.sets[0].name), soft_wrap=True)
        for table in tables(told):
            print_table(table.title, table.header, table.rows)
            if table.note:
                console.print(table.note, soft_wrap=True)
        print(printable(f"page: {page}\nsets: {folder / 'sets.yaml'}"))
        best = told.best
        if best is None:
            atomic_remove(folder / "best.yaml")  # of another time, when sets were ranked
        else:
            write_sets([best], folder / "best.yaml")
            command_line = ["eigenstep", "train", "--data", data, *options_of(images, "images")]
            command_line += ["--views.set", str(folder / "best.yaml")]
            print(printable(f"{best.name}: {shlex.join(command_line)}"))
        console.print(sentence(told), soft_wrap=True)

    command.__name__ = "augmentations"
    return command


def _as_json(told: Any, data: str) -> str:
    return json.dumps({"name": data} | told.as_json(), indent=1, allow_nan=False)


def _augmentations_in_short() -> None:
    """Say what augmentations leave of images, and which set of them suits your labels."""
