"""Predicting what training will learn, and when, from a kernel and pairs of views: without training.

`predict` does all of it, and writes a run folder. Its parts are here too: pairs of views of images, the
kernel between them, its modes, where a network starts in these, and the course from there, closed or step by
step.
"""

from typing import TYPE_CHECKING

from eigenstep.lazy import lazily

if TYPE_CHECKING:
    from eigenstep.methods import SmallStart, small_start
    from eigenstep.prediction._clock import Descent
    from eigenstep.prediction._config import NTKConfig, PredictConfig, config_of_run, training_config
    from eigenstep.prediction._course import Course, closed_course
    from eigenstep.prediction._folder import PredictedEmbeddings, is_prediction, read_predicted
    from eigenstep.prediction._images import draw_pairs, some_images
    from eigenstep.prediction._kernel_values import embed_views, kernel_values, network_at
    from eigenstep.prediction._linear_training import random_start, train_linear_model
    from eigenstep.prediction._measured import fit_time, measured_mode_times, measured_times
    from eigenstep.prediction._modes import KernelModes, find_modes, mode_times, scales_of_start
    from eigenstep.prediction._predict import predict
else:
    __getattr__, __dir__ = lazily(__name__)

__all__ = [
    "Course",
    "Descent",
    "KernelModes",
    "NTKConfig",
    "PredictConfig",
    "PredictedEmbeddings",
    "SmallStart",
    "closed_course",
    "config_of_run",
    "draw_pairs",
    "embed_views",
    "find_modes",
    "fit_time",
    "is_prediction",
    "kernel_values",
    "measured_mode_times",
    "measured_times",
    "mode_times",
    "network_at",
    "predict",
    "random_start",
    "read_predicted",
    "scales_of_start",
    "small_start",
    "some_images",
    "train_linear_model",
    "training_config",
]
