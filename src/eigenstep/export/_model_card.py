"""A model card: what is known of an exported encoder, from its run's record alone, for who has the file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from eigenstep import __version__
from eigenstep.encoders import TrainedEncoder, channels_of
from eigenstep.export._card_facts import CardFacts
from eigenstep.export._input_facts import input_facts
from eigenstep.export._new_file import check_new_file
from eigenstep.images import hub_name
from eigenstep.methods import METHODS, title_of
from eigenstep.record import config_leaves
from eigenstep.spelling import PYTHON, is_python, printable

# Of a value in a table, which anyone may have written.
LONGEST = 200
# What of a configuration makes the encoder what it is, beside the loss and its own options.
TOLD = (
    *("backbone", "freeze", "projector", "images.size", "images.channels", "images.take"),
    *(
        "images.range",
        "images.split",
        "images.limit",
        "batch_size",
        "seed",
        "precision",
        "optimizer",
        "views",
    ),
)
PAPER = """\
@inproceedings{simon2023stepwise,
  title     = {On the Stepwise Nature of Self-Supervised Learning},
  author    = {Simon, James B. and Knutins, Maksis and Ziyin, Liu and Geisz, Daniel and
               Fetterman, Abraham J. and Albrecht, Joshua},
  booktitle = {Proceedings of the 40th International Conference on Machine Learning},
  year      = {2023},
  url       = {https://arxiv.org/abs/2303.15438}
}"""


def card_path(out: Path) -> Path:
    """Where the card of an exported file is: beside it, under its whole name with .md."""
    return out.with_name(f"{out.name}.md")


def check_new_card(out: Path, overwrite: bool) -> None:
    """Raise in one line, before anything is computed, what stands in the way of the card of `out`."""
    try:
        check_new_file(card_path(out), overwrite)
    except FileExistsError as error:
        raise FileExistsError(f"the model card {error}; or leave the card out by --no-card") from error


def model_card(encoder: TrainedEncoder, run: Path, library: str, loading: str, gives: str) -> str:
    """The card in Markdown, with the front matter of the Hugging Face hub.

    Parameters
    ----------
    run : Path
        The run folder, whose record tells the rest. Nothing is said of what it does not hold.
    library : str
        What loads the file, by the hub's name: timm or onnx.
    loading : str
        The lines of Python that give the file's output from `images`.
    gives : str
        What the file gives, in words.
    """
    import yaml

    facts = CardFacts(run, encoder.checkpoint)
    loss = str(facts.config.get("loss") or "")
    data = hub_name(encoder.config.data)
    method = METHODS.get(loss)
    matter = {
        "library_name": library,
        "pipeline_tag": "image-feature-extraction",
        "tags": [
            "eigenstep",
            *([] if method and method.needs_labels else ["self-supervised-learning"]),
            *([loss] if method else []),
        ],
        **({"datasets": [data]} if data else {}),
    }
    title = f"{_backbone(encoder)} by {_text(title_of(loss))}" if loss else _backbone(encoder)
    settings = _table("setting", "value", _settings(facts.config))
    sections = {
        "How to load it": _how_to_load(encoder, loading),
        "How it was trained": f"What is off is left out.\n\n{settings}",
        "What was measured": _measured(facts),
        "Limits": "\n".join(f"- {line}" for line in _limits(encoder, facts, data)),
        "How to cite": f"Eigenstep {__version__} wrote this card. The theory that it computes is in\n\n"
        f"```bibtex\n{PAPER}\n```\n\nCite the papers of loss, backbone and data set too.",
    }
    parts = [
        f"---\n{yaml.safe_dump(matter, sort_keys=False, allow_unicode=True)}---",
        f"# {title}",
        _what_it_is(encoder, facts, gives),
        *(f"## {name}\n\n{body}" for name, body in sections.items()),
    ]
    return "\n\n".join(parts) + "\n"


def _what_it_is(encoder: TrainedEncoder, facts: CardFacts, gives: str) -> str:
    config = encoder.config
    size, channels = config.images.size, channels_of(config)
    start = "from timm's weights" if config.pretrained else "from random weights"
    if config.backbone_weights:
        start = f"from weights in {_code(Path(config.backbone_weights).name)}"
    seen = f", each of {facts.batch:,} images" if facts.batch else ""
    lines = [
        f"- **Encoder**: {_backbone(encoder)}, {start}, for images of {size}×{size} pixels in {channels}"
        f" channel{'s' * (channels != 1)}.",
        f"- **Gives**: {gives}.",
        f"- **Trained**: {facts.step:,} step{'s' * (facts.step != 1)}{seen}; these are the weights of"
        f" {_code(encoder.checkpoint.name)}{facts.why_best}.",
        f"- **Images**: {_images(config.data)}{facts.images_used}.",
    ]
    views = config.views
    if views.own:
        lines.append(f"- **Views**: the program's own, {_code(views.own.removeprefix(PYTHON))}.")
    else:
        local = f" and {views.local_views} small ones" if views.local_views else ""
        lines.append(
            f"- **Views**: {views.global_views} random views of each image{local}; how, is in the table."
        )
    return "\n".join(lines)


def _how_to_load(encoder: TrainedEncoder, loading: str) -> str:
    config = encoder.config
    preparing = _preparing(encoder)
    if preparing:
        return f"```python\n{preparing}\n{loading}\n```"
    size, channels = config.images.size, channels_of(config)
    known = "\n".join(f"| {name} | {_code(value)} |" for name, value in input_facts(encoder).items())
    said = (
        f"`images` is a float32 tensor (batch, {channels}, {size}, {size}), as `encoder.prepare` of"
        " `eigenstep.load_encoder(run)` gives it; the file's metadata say how it is made:"
    )
    if config.views.own:
        said = (
            f"The program that trained it knows how `images`, (batch, {channels}, {size}, {size}), is made:"
        )
    return f"{said}\n\n| | |\n| --- | --- |\n{known}\n\n```python\n{loading}\n```"


def _preparing(encoder: TrainedEncoder) -> str | None:
    """Lines that make `images` of a photograph as the run does, where Pillow and NumPy do exactly that."""
    config, views = encoder.config, encoder.config.views
    stored, channels = config.images.stored_size or config.images.size, channels_of(config)
    if (
        views.own
        or config.images.take
        or config.images.range
        or stored != config.images.size
        or channels != 3
    ):
        return None
    lines = [
        "import numpy as np",
        "from PIL import Image, ImageOps",
        "",
        'picture = Image.open("cat.jpg").convert("RGB")',
        f"square = ImageOps.fit(picture, ({stored}, {stored}), Image.Resampling.BILINEAR)",
        "pixels = np.asarray(square, np.float32) / 255",
    ]
    if views.normalize != "none" and views.mean and views.std:
        lines.append(f"pixels = (pixels - np.float32({list(views.mean)})) / np.float32({list(views.std)})")
    return "\n".join(
        [*lines, "images = pixels.transpose(2, 0, 1)[None]  # float32 (1, 3, height, width)", ""]
    )


def _settings(config: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What the run was told, of the names that concern its encoder; what is off or empty is left out."""
    loss = str(config.get("loss"))
    for name, value in config_leaves(config).items():
        concerns = name == "loss" or any(
            name == told or name.startswith(f"{told}.") for told in (*TOLD, loss)
        )
        if name.startswith("embedding_preconditioner."):
            concerns = config["embedding_preconditioner"].get("power") is not None
        is_off = value in (None, [], "") or (value in (0, "none") and name.startswith(("views", "optimizer")))
        if concerns and not is_off:
            yield _code(name), _code(value.removeprefix(PYTHON) if isinstance(value, str) else value)


def _measured(facts: CardFacts) -> str:
    """A table of what the record holds, or a sentence on why there is none."""
    parts = []
    if rows := list(facts.rows()):
        parts.append(_table("what", "value", ((_text(name), _text(value)) for name, value in rows)))
    if facts.verdict:
        parts.append(f"Verdict on the embedding up to then: {_text(facts.verdict)}")
    if facts.accuracies:
        kinds = list(dict.fromkeys(kind for found in facts.accuracies.values() for kind in found))
        header = f"| test accuracy of | {' | '.join(map(_text, kinds))} |\n|{' --- |' * (len(kinds) + 1)}\n"
        body = "\n".join(
            f"| {_text(what)} | {' | '.join(found.get(kind, '–') for kind in kinds)} |"
            for what, found in facts.accuracies.items()
        )
        parts.append(f"By `eigenstep probe`, of this checkpoint{facts.probed_on}:\n\n{header}{body}")
    parts += [f"Not read: {_text(problem)}." for problem in facts.problems]
    return "\n\n".join(parts) or "The run's record holds no measurement of these weights."


def _limits(encoder: TrainedEncoder, facts: CardFacts, data: str | None) -> Iterator[str]:
    size = encoder.config.images.size
    yield f"It was trained on images of {size}×{size} pixels; on other sizes it was not measured."
    if not facts.has_probe:
        yield "What its features are worth for a task was not measured (`eigenstep probe` does that)."
    if facts.why_best:
        yield ("The checkpoint was chosen by its k-NN accuracy on the test images, which flatters it.")
    if facts.alarm:
        yield "The record says that its embedding is not sound, see the verdict."
    yield (
        "The record knows no licence, neither of the images nor of these weights: add `license:` to the front"
        " matter before you publish it."
    )
    if data is None:
        yield "The images are not known to be on the Hugging Face hub, so the front matter names no data set."


def _backbone(encoder: TrainedEncoder) -> str:
    name = encoder.config.backbone
    return _text(name.removeprefix(PYTHON)) if name != "convnet" else "Small convolutional network"


def _images(data: str) -> str:
    """The images by their name; of a path the last part, since the rest is of the machine."""
    name = hub_name(data)
    if name:
        return f"{_code(name)} of the Hugging Face hub"
    if is_python(data):
        return f"a data set of the program's own, {_code(data.removeprefix(PYTHON))}"
    if data == "photos":
        return "patches of two photographs that come with scikit-learn"
    return f"files called {_code(Path(data).name)}"


def _table(left: str, right: str, rows: Iterator[tuple[str, str]]) -> str:
    body = "\n".join(f"| {name} | {value} |" for name, value in rows)
    return (
        f"| {left} | {right} |\n| --- | --- |\n{body}"
        if body
        else "The run's configuration could not be read."
    )


def _text(value: object) -> str:
    """Plain text that Markdown and HTML leave alone, in one line."""
    text = " ".join(printable(value)[: LONGEST * 3].split())
    return "".join(f"\\{each}" if each in "\\`*_[]<>|#" else each for each in text)


def _code(value: object) -> str:
    """A name or a value as code, in one line."""
    text = " ".join(printable(value)[:LONGEST].split()).replace("`", "'").replace("|", "\\|")
    return f"`{text}`"
