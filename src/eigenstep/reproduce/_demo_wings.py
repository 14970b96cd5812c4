"""The demonstration's wings: what modes mean, a fast run beside a plain one, which augmentations serve."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from eigenstep.analysis import mode_steps
from eigenstep.comparison import TextTable, compare
from eigenstep.comparison import write_page as write_comparison
from eigenstep.modes import explain_modes, mode_cards, rank_augmentations, write_modes
from eigenstep.modes.augmentations import AugmentationSet, ShortTraining, sentence, standard_sets, tables
from eigenstep.modes.augmentations import write_page as write_augmentations
from eigenstep.record import RunRecord, read_record
from eigenstep.reproduce._e2_three_losses import GENTLE_VIEWS
from eigenstep.terminal import console, print_table, progress_line
from eigenstep.training.recipes import load_recipe

# Images that modes are learned from, found again from and judged on, a third each.
IMAGES = 900
# Modes on the demonstration's page; the page of modes has all.
SHOWN = 6
# Digits, and how the networks that compare augmentations on them are trained.
DIGITS, TRAININGS = 1200, 12
SHORT = ShortTraining(steps=30, width=8)
# Principal directions that the first look without training is taken in.
DIRECTIONS = 64


@dataclass(frozen=True)
class Wing:
    """A section of the demonstration's page, which the terminal says too.

    Attributes
    ----------
    title, about : str
        What it is, and one sentence of what is seen.
    link, linked : str
        The page with all of it, from the demonstration's folder, and what that is.
    command : str
        By which users have it of their own.
    found : list[str]
        What came out, in sentences.
    names : list[str]
        What modes are called, in sentences; the page has it on the cards.
    table : TextTable | None
        What came out, in numbers.
    cards : list[dict[str, Any]]
        Modes with their galleries, see `eigenstep.modes.mode_cards`.
    stairs : list[tuple[str, str]]
        Runs, and the points of the line of how many modes each had learned over the steps, 100 wide and high.
    """

    title: str
    about: str
    link: str
    linked: str
    command: str
    found: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    table: TextTable | None = None
    cards: list[dict[str, Any]] = field(default_factory=list)
    stairs: list[tuple[str, str]] = field(default_factory=list)

    def say(self) -> None:
        """Print the section."""
        console.print()
        if self.table is None:
            console.print(self.title, style="bold", soft_wrap=True)
        else:
            print_table(self.title, self.table.header, self.table.rows)
        for line in [*self.names, *self.found]:
            console.print(line, soft_wrap=True)


def meanings(out: Path) -> Wing:
    """Names of the photographs' modes in closed form, with the images at both ends of each."""
    console.print("naming modes before any training", soft_wrap=True)
    explained = explain_modes("photos", count=IMAGES)
    _, page = write_modes(explained, out)
    names = [each.sentence for each in explained.modes if each.first <= SHOWN]
    return Wing(
        "What the first modes mean",
        "Known before any training, by the closed form of patches of these photographs. Some forty statistics"
        " of an image compete to name a mode; it has a name only where that holds on images that it was not"
        " chosen by, and where other images and another random network give the mode again.",
        page.name,
        "more modes with their galleries, and what can be read off them",
        "eigenstep modes IMAGES",
        explained.sentences()[:1],
        names,
        cards=mode_cards(explained)[:SHOWN],
    )


def fast_beside_plain(plain: Path, fast: Path) -> Wing:
    """How many times sooner a run under another rule learned as many modes, and whether they are the same."""
    console.print(f"comparing {fast.name} with {plain.name}", soft_wrap=True)
    found = compare([plain, fast])
    page = write_comparison(found, plain.parent / "comparison.html")
    table = found.tables()[0] if found.pairs[0].speedup else None
    return Wing(
        f"The same modes sooner: {fast.name} beside {plain.name}",
        "Two runs that differ in the update rule, SGD and Muon, and in how long they go on: the steps after"
        " which each had learned so many modes, and how far these span the same, beside what chance gives.",
        page.name,
        "the comparison, with intervals",
        "eigenstep compare PLAIN FAST",
        [f"A is {plain.name}, B is {fast.name}; {table.note}"] if table and table.note else [],
        table=table,
        stairs=_stairs([read_record(plain), read_record(fast)]),
    )


def which_augmentations(out: Path) -> Wing:
    """Which of three sets of augmentations serves handwritten digits, by short trainings."""
    images, labels = _digits()
    with progress_line("augmentations") as line:
        advice = rank_augmentations(
            images,
            labels,
            _sets(),
            training=SHORT,
            trainings=TRAININGS,
            n_principal=DIRECTIONS,
            progress=lambda what, done, total: line.update(done, total, what, final=False),
        )
    page = write_augmentations(advice, out / "augmentations.html", title="handwritten digits")
    table = tables(advice)[0]
    return Wing(
        "Which augmentations serve",
        f"{len(images):,} handwritten digits under three sets: full, as SimCLR has it for CIFAR-10, its crop"
        " alone, and gentle, with larger crops and no flips; small networks are trained with each, and digits"
        " are read off their features.",
        page.name,
        "what each set leaves of an image, and of each digit",
        "eigenstep augmentations IMAGES",
        [sentence(advice), table.note],
        table=dataclasses.replace(
            table, header=table.header[:4], rows=[row[:4] for row in table.rows], note=""
        ),
    )


def _stairs(records: list[RunRecord]) -> list[tuple[str, str]]:
    """Lines of how many modes each run had learned, on common axes of steps and modes."""
    half_times = {record.name: mode_steps(record).steps for record in records}
    end = max(float(record.metrics["step"][-1]) for record in records)
    most = max(1, *map(len, half_times.values()))
    lines = []
    for record in records:
        last, points = 100 * float(record.metrics["step"][-1]) / end, [(0.0, 100.0)]
        for count, step in enumerate(half_times[record.name], start=1):
            x = 100 * step / end
            points += [(x, points[-1][1]), (x, 100 - 100 * count / most)]
        points.append((last, points[-1][1]))
        lines.append((record.name, " ".join(f"{x:.1f},{y:.1f}" for x, y in points)))
    return lines


def _digits() -> tuple[torch.Tensor, torch.Tensor]:
    """Handwritten digits of scikit-learn in random order: uint8 (n, 1, 8, 8), and which digit each is."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    some = torch.randperm(len(digits.target), generator=torch.Generator().manual_seed(0))[:DIGITS]
    images = torch.from_numpy(digits.images)[some, None] * (255 / 16)  # levels are 0 to 16
    return images.round().to(torch.uint8), torch.from_numpy(digits.target)[some]


def _sets() -> list[AugmentationSet]:
    """The recipe's, the crop of the recipe by itself, and one that leaves a digit a digit."""
    full = load_recipe("simclr/cifar10-resnet18").views
    named = {each.name: each for each in standard_sets(full, channels=1)[0]}
    gentle = dataclasses.replace(GENTLE_VIEWS, crop_scale=(0.5, 1.0), flip_probability=0.0)
    return [named["full"], AugmentationSet("gentle", gentle), named["crop alone"]]
