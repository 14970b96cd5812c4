import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import ortho_group

from eigenstep.report import align_frames, anchor_frames


def whitened(samples: int, directions: int, seed: int = 0) -> np.ndarray:
    """Uncorrelated coordinates of variance one: (samples, directions)."""
    scores = np.random.default_rng(seed).standard_normal((samples, directions))
    return np.linalg.qr(scores)[0] * np.sqrt(samples)


def rising_modes(plateaus: list[float], frames: int = 120, samples: int = 60) -> np.ndarray:
    """Principal projections, with random signs, while modes rise one after the other."""
    rng = np.random.default_rng(1)
    times = np.linspace(0, 1, frames)
    half_times = (np.arange(len(plateaus)) + 1) / (len(plateaus) + 1)
    variances = np.array(plateaus) / (1 + np.exp(-60 * (times[:, None] - half_times)))
    scores = whitened(samples, len(plateaus))
    points = np.empty((frames, samples, len(plateaus)))
    for frame, variance in enumerate(variances):
        left, scale, _ = np.linalg.svd(scores * np.sqrt(variance), full_matrices=False)
        points[frame] = left * scale * rng.choice([-1, 1], len(plateaus))
    return points


@pytest.mark.parametrize("reference", [0, 7, 19])
def test_frames_that_differ_by_a_rotation_or_reflection_come_out_identical(reference):
    points = whitened(30, 3)
    turned = np.stack([points @ matrix for matrix in ortho_group.rvs(3, size=20, random_state=0)])
    aligned = align_frames(turned, reference)
    np.testing.assert_allclose(aligned, np.broadcast_to(turned[reference], aligned.shape), atol=1e-12)


def test_flipped_and_swapped_directions_leave_no_jump():
    steady = rising_modes([1.0, 1.0, 1.0])
    aligned = align_frames(steady, reference=119)
    jumps = np.abs(np.diff(aligned, axis=0)).max()
    assert np.abs(np.diff(steady, axis=0)).max() > 2
    assert jumps < 0.4


def test_distances_in_three_dimensions_are_kept_up_to_the_reference():
    points = rising_modes([1.0, 1.0, 1.0, 1.0, 1.0])
    aligned = align_frames(points, reference=70)
    for frame in range(71):
        np.testing.assert_allclose(pdist(aligned[frame]), pdist(points[frame, :, :3]), atol=1e-10)


@pytest.mark.parametrize(
    "plateaus", [[1.0] * 6, [1.0, 1.0, 1.0, 2.0, 2.0, 2.0], [1.0, 0.9, 0.8, 1.5, 0.7, 1.2]]
)
def test_the_view_goes_on_following_the_first_three_modes_however_large_the_later_ones(plateaus):
    points = rising_modes(plateaus)
    three_learned = 60
    last = align_frames(points, three_learned)[-1]
    basis = np.linalg.qr(last)[0]
    first_modes = whitened(60, 6)[:, :3] / np.sqrt(60)
    assert np.linalg.norm(basis.T @ first_modes) ** 2 / 3 > 0.98


def test_later_views_are_orthogonal_projections():
    points = rising_modes([1.0] * 5)
    last = align_frames(points, 60)[-1]
    mapping = np.linalg.lstsq(points[-1], last, rcond=None)[0]
    np.testing.assert_allclose(mapping.T @ mapping, np.eye(3), atol=1e-10)


def test_a_cloud_that_is_still_a_point_stays_one():
    points = np.zeros((4, 10, 5))
    points[3] = whitened(10, 5)
    for reference in (0, 3):
        aligned = align_frames(points, reference)
        assert np.isfinite(aligned).all()
        assert not aligned[:3].any()


@pytest.mark.parametrize("directions", [1, 2])
def test_missing_directions_are_zero(directions):
    aligned = align_frames(np.ones((3, 4, directions)), reference=1)
    assert aligned.shape == (3, 4, 3)
    assert not aligned[1, :, directions:].any()


def test_a_reference_outside_the_frames_is_refused():
    with pytest.raises(ValueError, match="reference among 3 frames, got 3"):
        align_frames(np.ones((3, 4, 3)), reference=3)


@pytest.mark.parametrize("reference", [0, 7, 19])
def test_an_anchored_view_is_the_aligned_one_up_to_one_rotation(reference):
    points = np.random.default_rng(0).standard_normal((20, 30, 6)).cumsum(axis=0)
    frames, turn = anchor_frames(points, reference)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(frames @ turn, align_frames(points, reference), atol=1e-9)


def test_an_anchored_view_stays_bit_for_bit_when_the_record_grows():
    points = np.random.default_rng(0).standard_normal((20, 30, 6)).cumsum(axis=0)
    whole = anchor_frames(points, 12)[0]
    assert (anchor_frames(points[:10], 9)[0] == whole[:10]).all()
    assert (anchor_frames(points[:16], 12)[0] == whole[:16]).all()
