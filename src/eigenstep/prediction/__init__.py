"""Predicting what training will learn, and when, from a kernel and pairs of views: without training."""

from eigenstep.prediction._config import NTKConfig, PredictConfig, config_of_run
from eigenstep.prediction._folder import PredictedEmbeddings, is_prediction, read_predicted
from eigenstep.prediction._linear_training import train_linear_model
from eigenstep.prediction._measured import fit_time, measured_mode_times, measured_times
from eigenstep.prediction._predict import predict

__all__ = [
    "NTKConfig",
    "PredictConfig",
    "PredictedEmbeddings",
    "config_of_run",
    "fit_time",
    "is_prediction",
    "measured_mode_times",
    "measured_times",
    "predict",
    "read_predicted",
    "train_linear_model",
]
