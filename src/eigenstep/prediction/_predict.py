"""From a configuration, or a run, to a prediction folder."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eigenstep.encoders import Encoder, prepare_images
from eigenstep.images import image_hashes
from eigenstep.machine import set_threads
from eigenstep.methods import Embeddings, build_objective, is_centered, small_start
from eigenstep.prediction._clock import network_clock, nominal_clock
from eigenstep.prediction._config import PredictConfig, training_config
from eigenstep.prediction._course import closed_course
from eigenstep.prediction._describe import described, fitted, notes, written_config
from eigenstep.prediction._folder import PredictedEmbeddings, check_folder, write_folder
from eigenstep.prediction._images import draw_pairs, seen, some_images
from eigenstep.prediction._kernel_values import (
    check_memory,
    embed_views,
    has_batch_norm,
    kernel_values,
    network_at,
)
from eigenstep.prediction._linear_training import Start, random_start
from eigenstep.prediction._measured import measured_run
from eigenstep.prediction._modes import KernelModes, find_modes, scales_of_start
from eigenstep.prediction._moments import Predicted, closed_moments, stepped_moments
from eigenstep.prediction._preconditioning import closed_preconditioner, running_preconditioner
from eigenstep.prediction._view_features import view_features
from eigenstep.record import RunRecord, check_writable, read_record
from eigenstep.training import TrainConfig, resolve

# Images whose embeddings are predicted, where neither a run nor the caller says how many.
DEFAULT_PROBE = 256


def predict(
    config: PredictConfig,
    out: str | Path,
    *,
    run: str | Path | None = None,
    fit: str | Path | None = None,
    overwrite: bool = False,
    numbered: bool = False,
    progress: Callable[[str], None] | None = None,
) -> RunRecord:
    """Predict what training would learn, and write it as a run folder that says that it is a prediction.

    The modes are those of the kernel over `config.pairs` pairs of views, drawn from the data as training
    draws them. With the tangent kernel, or with a run, the course starts from the network's own initial
    embeddings of these pairs; otherwise from `config.init_scale`. Time is learning rate × step: of the
    network's optimiser, momentum included, for the tangent kernel and for courses in steps; of gradient flow
    for the closed forms of kernels of pixels, which no network's clock is known for.

    Parameters
    ----------
    config : PredictConfig
        Of a run, as `config_of_run` reads it, or one's own.
    out : str | Path
        The folder to write.
    run : str | Path | None
        Take the initial network, and with `ntk.at` the trained one, from here.
    fit : str | Path | None
        a run whose measured times set one constant, which is written beside the prediction.
    overwrite : bool
        Replace the prediction that is at `out`.
    numbered : bool
        Where something is at `out` when it is written, take the first of `out-2`, `out-3`, ... that is free;
        the record's path tells which.
    progress : Callable[[str], None] | None
        Called with what is done next.

    Raises
    ------
    ValueError, OSError
        In one line, if this cannot be predicted, or if the folder may not be written or has been filled
        meanwhile.
    FloatingPointError
        If a course in steps diverges. Nothing is written then.

    Examples
    --------
    >>> import tempfile
    >>> from eigenstep.images import ImagesConfig
    >>> from eigenstep.encoders import ProjectorConfig
    >>> config = PredictConfig(
    ...     pairs=40, probe=20, images=ImagesConfig(size=8), projector=ProjectorConfig(dim=3)
    ... )
    >>> record = predict(config, tempfile.mkdtemp() + "/prediction")
    >>> record.prediction["course"], len(record.prediction["half_times"])
    ('closed', 3)
    """
    out, tell = Path(out), progress or (lambda text: None)
    training = resolve(training_config(config, run))
    # All pairs are one batch, in a course in steps too.
    learning = small_start(dataclasses.replace(training, batch_size=config.pairs))
    _check(config, run)
    if not numbered:
        check_folder(out, overwrite)
    check_writable(out)
    measured = None if fit is None else measured_run(fit)
    if config.threads:
        set_threads(config.threads)
    check_memory(2 * config.pairs)
    dim, directions = config.projector.dim, min(training.record.directions, config.projector.dim)

    tell("drawing pairs")
    if run is None:  # a run has seen its images
        training = seen(training)
        config = dataclasses.replace(config, images=training.images, views=training.views)
    stored = _probe_images(config, training, run)
    images = prepare_images(stored, training)
    views = torch.cat(draw_pairs(some_images(training, config.pairs), training, config.pairs))
    has_network = config.kernel == "ntk" or run is not None
    network = network_at(training, run, "init", views, config.device) if has_network else None
    tangent = network
    if config.ntk.at != "init":
        tangent = network_at(training, run, config.ntk.at, views, config.device)

    tell(f"computing the kernel of {len(views):,} views")
    said: list[str] = []
    kernel_of = kernel_values(config, tangent, said, view_features(config, training, views))
    kernel, to_images = kernel_of(views, None), kernel_of(images, views)

    tell("solving for the modes")
    modes = find_modes(kernel, to_images, learning, dim)
    rates = learning.growth_rates(modes.gamma, dim)
    # Muon's steps are no matter of a kernel: what it moves by depends on each layer's whole gradient.
    by_optimizer = (config.kernel == "ntk" or config.in_steps) and config.optimizer.name != "muon"
    clock = network_clock(config, training, run) if by_optimizer else nominal_clock(config, float(rates[0]))
    start = _start(config, network, views, images, kernel, to_images)
    scales = np.full(len(modes.gamma), config.init_scale)
    if start is not None:
        scales = scales_of_start(modes, start.views)
    preconditioner = closed_preconditioner(config.embedding_preconditioner, modes)
    course = closed_course(modes.gamma, scales, rates, modes.plateaus, clock.descent, preconditioner)

    tell("following the course")
    last = float(course.half_times[np.isfinite(course.half_times)].max(initial=0.0))
    if config.in_steps and start is not None:
        objective, drawn = build_objective(training), torch.Generator().manual_seed(config.seed)
        predicted = stepped_moments(
            kernel,
            to_images,
            start,
            modes.images,
            lambda z_a, z_b: objective(Embeddings(z_a, z_b, generator=drawn))[0],
            clock.rates(np.arange(clock.steps_in_full(last, said), dtype=np.float64)),
            clock.descent,
            center=is_centered(training),
            directions=directions,
            preconditioner=running_preconditioner(config.embedding_preconditioner, is_centered(training)),
        )
    else:
        predicted = closed_moments(
            course,
            modes,
            learning,
            clock.rates,
            clock.steps_until(last),
            dim=dim,
            views=2 * training.batch_size,
            directions=directions,
        )
    prediction = described(config, training, modes, course, clock, predicted)
    said += notes(config, training, modes, clock, tangent is not None and has_batch_norm(tangent))
    prediction["notes"] = said
    if fit is not None and measured is not None:
        prediction["fit"] = fitted(fit, measured, predicted, prediction["half_times"])
    written = write_folder(
        out,
        written_config(config, run),
        prediction,
        predicted.rows,
        _embeddings(stored, modes, predicted),
        stored.permute(0, 2, 3, 1).numpy(),
        overwrite=overwrite,
        numbered=numbered,
    )
    return read_record(written)


def _check(config: PredictConfig, run: str | Path | None) -> None:
    least = {"pairs": (config.pairs, 2), "probe": (config.probe, 2), "steps": (config.steps, 1)}
    for name, (value, smallest) in least.items():
        if value is not None and value < smallest:
            raise ValueError(f"{name} is too small: expected at least {smallest}, got {value}")
    if not config.init_scale > 0:
        raise ValueError(f"init_scale: expected a positive number, got {config.init_scale}")
    if config.rbf_gamma is not None and not 0 < config.rbf_gamma < np.inf:
        raise ValueError(f"rbf_gamma: expected a positive number, got {config.rbf_gamma}")
    if config.kernel != "ntk" and config.ntk.at != "init":
        raise ValueError(f"ntk.at {config.ntk.at} is about the tangent kernel: expected --kernel ntk")
    if config.course == "closed" and not config.has_closed_form:
        raise ValueError(f"{config.loss} has no closed form beyond its first growth: expected --course steps")
    if config.in_steps and config.kernel != "ntk" and run is None and config.optimizer.lr is None:
        raise ValueError(
            "a course in steps of a kernel without a network's clock needs a learning rate: expected"
            " --optimizer.lr, or --kernel ntk"
        )


def _probe_images(config: PredictConfig, training: TrainConfig, run: str | Path | None) -> Tensor:
    """The images whose embeddings are predicted: the run's probe batch, unless a number is asked for."""
    kept = None if run is None or config.probe is not None else read_record(run).probe
    if kept is not None and len(kept):
        return torch.from_numpy(kept).permute(0, 3, 1, 2).contiguous()
    return some_images(training, config.probe or DEFAULT_PROBE)


def _start(
    config: PredictConfig,
    network: Encoder | None,
    views: Tensor,
    images: Tensor,
    kernel: NDArray[np.float64],
    to_images: NDArray[np.float64],
) -> Start | None:
    """The network's initial embeddings, or random ones where a course in steps needs some."""
    if network is not None:
        return Start(*(embed_views(network, rows).numpy() for rows in (views, images)))
    if config.in_steps:
        return random_start(kernel, to_images, config.init_scale, config.projector.dim, config.seed)
    return None


def _embeddings(stored: Tensor, modes: KernelModes, predicted: Predicted) -> PredictedEmbeddings:
    snapshots: list[Any] = predicted.snapshots
    between = [each.embedding for each in snapshots] or np.empty((0, *predicted.end.shape))
    return PredictedEmbeddings(
        image_hash=image_hashes(stored),
        modes=modes.images.astype(np.float32),
        end=predicted.end,
        between=np.asarray(between, dtype=np.float32),
        between_learned=np.array([each.learned for each in snapshots], dtype=np.int64),
        between_step=np.array([each.step for each in snapshots], dtype=np.int64),
        between_time=np.array([each.time for each in snapshots], dtype=np.float64),
    )
