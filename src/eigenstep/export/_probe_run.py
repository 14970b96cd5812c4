"""What a run's encoder is worth, beside its own start and the bare pixels."""

import dataclasses
import json
import warnings
from collections.abc import Sequence
from pathlib import Path

from eigenstep.encoders import Encoder, initial_encoder, load_encoder
from eigenstep.machine import find_device
from eigenstep.record import atomic_write
from eigenstep.training import Probe
from eigenstep.training.config import ProbesConfig, TrainConfig, load_config


def probe_run(
    run: str | Path,
    checkpoint: str | int = "last",
    kinds: Sequence[str] = ("knn", "ridge", "logistic"),
    probes: ProbesConfig | None = None,
    device: str = "auto",
) -> dict[str, dict[str, float]]:
    """Probe a run's features and embeddings, what it started from, and pixels; kept as `probes.json`.

    Parameters
    ----------
    checkpoint : str | int
        "last", "best" or the number of its step.
    kinds : Sequence[str]
        Which of knn, ridge and logistic.
    probes : ProbesConfig | None
        The labelled images; default: as the run's configuration says.
    device : str
        Auto, cpu or cuda.

    Returns
    -------
    dict[str, dict[str, float]]
        The test accuracy of each kind of probe on `features`, `embeddings`, `features at step 0`, `embeddings
        at step 0` and `pixels`; without step 0 where its weights are gone.

    Notes
    -----
    Raises what `load_encoder` and `eigenstep.training`'s reading of labelled images raise.

    Examples
    --------
    Red and blue images, six of each to learn from and as many to judge by:

    >>> import itertools, tempfile
    >>> from PIL import Image
    >>> from eigenstep.images import ImagesConfig
    >>> from eigenstep.training import TrainConfig, train
    >>> folder = Path(tempfile.mkdtemp())
    >>> for split, place in itertools.product(("train", "test"), (0, 2)):
    ...     (folder / "images" / split / "RGB"[place]).mkdir(parents=True)
    ...     for number in range(6):
    ...         colour = tuple(200 + number if channel == place else 0 for channel in range(3))
    ...         path = folder / "images" / split / "RGB"[place] / f"{number}.png"
    ...         Image.new("RGB", (8, 8), colour).save(path)
    >>> images = ImagesConfig(size=8)
    >>> config = TrainConfig(data=str(folder / "images"), steps=1, batch_size=4, threads=1, images=images)
    >>> _ = train(config, folder / "run")
    >>> probes = ProbesConfig(neighbours=3)
    >>> accuracies = probe_run(folder / "run", kinds=("knn",), probes=probes, device="cpu")
    >>> list(accuracies)
    ['features', 'embeddings', 'features at step 0', 'embeddings at step 0', 'pixels']
    >>> accuracies["pixels"]
    {'knn': 1.0}
    """
    if not kinds:
        raise ValueError("expected at least one of knn, ridge and logistic, got none")
    place = find_device(device)
    encoder = load_encoder(run, checkpoint).to(place)
    config = load_config(Path(run) / "config.yaml")
    config = dataclasses.replace(config, probes=probes or config.probes)
    start = _start_of(config)
    probe = Probe(config)
    measured = {"": probe.measure(encoder, kinds)}
    if start is not None:
        measured[" at step 0"] = probe.measure(start.to(place), kinds)
    accuracies = {
        f"{what}{when}": {kind: found[f"{kind}_{what}"] for kind in kinds}
        for when, found in measured.items()
        for what in ("features", "embeddings")
    }
    pixels = probe.measure_pixels(kinds, place)
    accuracies["pixels"] = {kind: pixels[f"{kind}_pixels"] for kind in kinds}
    content = {
        "checkpoint": encoder.checkpoint.name,
        "data": probe.data,
        "train": {"split": config.probes.train_split, "images": len(probe.train.labels)},
        "test": {"split": probe.test_split, "images": len(probe.test.labels)},
        "classes": probe.train.class_names,
        "neighbours": config.probes.neighbours,
        "accuracies": accuracies,
    }
    atomic_write(Path(run) / "probes.json", json.dumps(content, indent=1))
    return accuracies


def _start_of(config: TrainConfig) -> Encoder | None:
    """The encoder before the first step; None, with a warning, where the weights it started from are gone."""
    try:
        return initial_encoder(config)
    except (OSError, ValueError) as error:
        if config.backbone_weights is None and not config.pretrained:
            raise
        warnings.warn(f"what the run started from is not probed: {error}", stacklevel=3)
        return None
