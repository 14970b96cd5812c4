import numpy as np
import pytest

from eigenstep.analysis.tracking import track_modes

# Three modes: the first stops at .5, and the later two pass it on their way to 1.2 and .8.
COURSE = ([3.0, 9.0, 14.0], [3.0, 2.0, 1.5], [0.5, 1.2, 0.8])


def record_of(modes, points_of, generator, ranks=8, noise=0.1):
    """Eigenvalues by rank, as a noisy batch has them, and the probe batch's points."""
    floor = np.full((len(modes), ranks - modes.shape[1]), 1e-7)
    batch = np.hstack([modes, floor]) * np.exp(noise * generator.normal(size=(len(modes), ranks)))
    return -np.sort(-batch, axis=1), points_of(modes, ranks, generator, noise=1e-4)


def error(tracks, modes):
    """Mean |log(eigenvalue / truth)| of the track that fits each mode best, where the mode can be seen."""
    curves = np.stack([track.eigenvalues for track in tracks], axis=1)
    wrong = np.abs(np.log(curves[:, :, None] / modes[:, None, :]))
    mean = np.array([wrong[modes[:, m] > 1e-4, :, m].mean(axis=0) for m in range(modes.shape[1])])
    assert len(set(mean.argmin(axis=1))) == modes.shape[1], "two modes are one track"
    return mean.min(axis=1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("records", [40, 120, 600])
def test_modes_keep_their_identity_through_crossings(records, seed, logistic, probe_points):
    generator = np.random.default_rng(seed)
    modes = logistic(np.linspace(0, 20, records), *COURSE)
    eigenvalues, points = record_of(modes, probe_points, generator)
    tracks = track_modes(eigenvalues, points)
    assert error(tracks, modes).max() < 0.13
    assert error(track_modes(eigenvalues), modes).max() > 0.2  # by rank they are mixed up
    assert [track.ranks[-1] for track in tracks[:3]] == [2, 0, 1]


def test_a_crossing_between_two_records_is_seen(logistic, probe_points):
    generator = np.random.default_rng(0)
    times = np.array([*np.linspace(0, 7, 40), *np.linspace(12, 20, 20)])  # nothing while they cross
    modes = logistic(times, [3.0, 9.0], [3.0, 2.0], [0.5, 1.2])
    tracks = track_modes(*record_of(modes, probe_points, generator))
    assert error(tracks, modes).max() < 0.13


def test_identity_holds_at_log_spaced_cadence(logistic, probe_points):
    modes = logistic(np.geomspace(0.1, 40, 80), *COURSE)
    tracks = track_modes(*record_of(modes, probe_points, np.random.default_rng(1)))
    assert error(tracks, modes).max() < 0.13


def test_modes_that_do_not_cross_keep_their_rank(logistic, probe_points):
    modes = logistic(np.linspace(0, 20, 200), [3.0, 9.0, 14.0], [3.0, 2.0, 1.5], [1.2, 0.8, 0.5])
    tracks = track_modes(*record_of(modes, probe_points, np.random.default_rng(0)))
    for mode in range(3):
        assert (tracks[mode].ranks[modes[:, mode] > 1e-3] == mode).all()
        assert tracks[mode].overlap[-1] > 0.9


@pytest.mark.slow
def test_modes_that_stay_level_are_not_exchanged_by_noise(probe_points):
    generator = np.random.default_rng(0)
    level = np.array([1.3, 1.1, 0.9]) * np.exp(0.05 * generator.normal(size=(300, 3)))
    tracks = track_modes(*record_of(level, probe_points, generator))
    assert sum((np.diff(track.ranks) != 0).sum() for track in tracks[:3]) == 0


def test_a_mode_that_turns_slowly_is_the_same_mode():
    samples, records = 64, 200
    basis = np.linalg.qr(np.random.default_rng(0).normal(size=(samples, 3)))[0]
    angle = np.linspace(0, np.pi, records)[:, None]
    turning = np.cos(angle) * basis[:, 0] + np.sin(angle) * basis[:, 1]
    points = np.stack([turning, 0.1 * np.tile(basis[:, 2], (records, 1))], axis=2)
    first, second = track_modes(np.tile([1.0, 0.01], (records, 1)), points)
    assert (first.ranks == 0).all()
    assert (second.ranks == 1).all()
    assert first.overlap.min() > 0.9
    assert second.overlap.min() > 0.99


def test_a_mode_that_grows_out_of_noise_is_known_once_it_is_clear(logistic, probe_points):
    generator = np.random.default_rng(0)
    modes = logistic(np.linspace(0, 20, 200), [15.0], [2.0])
    points = probe_points(modes, 4, generator, noise=3e-4)
    track = track_modes(np.hstack([modes, np.full((200, 3), 1e-7)]), points)[0]
    assert track.overlap[:50].mean() < 0.6
    assert track.overlap[150:].min() > 0.9
    assert (track.ranks == 0).all()


@pytest.mark.parametrize("records", [1, 2, 50])
def test_at_every_record_each_mode_has_another_rank(records):
    generator = np.random.default_rng(0)
    points = generator.normal(size=(records, 20, 5))
    tracks = track_modes(-np.sort(-generator.random((records, 7)), axis=1), points)
    ranks = np.stack([track.ranks for track in tracks], axis=1)
    np.testing.assert_array_equal(np.sort(ranks, axis=1), np.tile(np.arange(7), (records, 1)))


def test_without_a_probe_batch_modes_are_told_by_rank():
    values = -np.sort(-np.random.default_rng(0).random((30, 4)), axis=1)
    for track in track_modes(values):
        np.testing.assert_array_equal(track.eigenvalues, values[:, track.mode])
        assert track.overlap is None
        assert track.variances is None


@pytest.mark.slow
def test_variances_are_those_of_the_mode_on_the_probe_batch(logistic, probe_points):
    modes = logistic(np.linspace(0, 20, 100), [3.0, 9.0], [3.0, 2.0], [0.5, 1.2])
    points = probe_points(modes, 2, np.random.default_rng(0), samples=4000, shared=0.0)
    for track, mode in zip(track_modes(-np.sort(-modes, axis=1), points), modes.T, strict=True):
        apart = np.abs(np.log(modes[:, 0] / modes[:, 1])) > 1
        np.testing.assert_allclose(track.variances[apart], mode[apart], rtol=0.1)


@pytest.mark.slow
def test_between_compared_records_modes_are_as_at_the_one_before(logistic, probe_points):
    modes = logistic(np.linspace(0, 20, 2500), [3.0, 9.0], [3.0, 2.0], [0.5, 1.2])
    points = probe_points(modes, 2, np.random.default_rng(0), samples=64)
    first, second = track_modes(-np.sort(-modes, axis=1), points)
    np.testing.assert_allclose(first.eigenvalues, modes[:, 0], rtol=0.15)
    np.testing.assert_allclose(second.eigenvalues, modes[:, 1], rtol=0.15)


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_points_that_are_no_direction_do_no_harm(value):
    points = np.full((10, 6, 3), value)
    assert len(track_modes(np.ones((10, 3)), points)) == 3


def test_shapes_must_fit():
    with pytest.raises(ValueError, match=r"eigenvalues \(T, d\)"):
        track_modes(np.ones(3))
    with pytest.raises(ValueError, match=r"points \(T, n, k\) of 4 records"):
        track_modes(np.ones((4, 2)), np.ones((3, 5, 2)))
