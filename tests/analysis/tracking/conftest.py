"""Modes of known course, as a record would hold them."""

import numpy as np
import pytest


def logistic(times, half_times, rates, plateaus=1.0):
    """(T, m) eigenvalues of modes that rise logistically."""
    return plateaus / (1 + np.exp(-np.multiply(rates, times[:, None] - np.asarray(half_times))))


def correlated_noise(records, correlation, generator):
    """First-order autoregressive noise of variance 1."""
    noise = generator.normal(size=records)
    for record in range(1, records):
        noise[record] = correlation * noise[record - 1] + np.sqrt(1 - correlation**2) * noise[record]
    return noise


def probe_points(eigenvalues, count, generator, samples=128, shared=0.2, noise=0.0):
    """Projections (T, samples, count) of embeddings whose modes have these eigenvalues (T, m).

    Each mode is a random function on the samples, correlated with the others as a finite batch has it and by
    a shared part; principal directions come from a singular value decomposition, of arbitrary signs.
    """
    functions = generator.normal(size=(samples, eigenvalues.shape[1]))
    functions += shared * generator.normal(size=(samples, 1))
    functions = (functions - functions.mean(0)) / functions.std(0)
    outputs = np.linalg.qr(generator.normal(size=(2 * count, eigenvalues.shape[1])))[0]
    points = np.zeros((len(eigenvalues), samples, count), np.float32)
    for record, values in enumerate(eigenvalues):
        embeddings = (functions * np.sqrt(values)) @ outputs.T
        embeddings += noise * generator.normal(size=embeddings.shape)
        left, singular, _ = np.linalg.svd(embeddings - embeddings.mean(0), full_matrices=False)
        points[record] = (left * singular * np.sign(generator.normal(size=len(singular))))[:, :count]
    return points


@pytest.fixture(name="logistic")
def _logistic():
    return logistic


@pytest.fixture(name="correlated_noise")
def _correlated_noise():
    return correlated_noise


@pytest.fixture(name="probe_points")
def _probe_points():
    return probe_points
