import base64

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from eigenstep.analysis import find_rises
from eigenstep.record import read_record
from eigenstep.report import FRAMES, SAMPLES, point_cloud


def cloud_of(folder):
    record = read_record(folder)
    rises = find_rises(record.eigenvalues["time"], record.eigenvalues["cross_correlation"])
    return record, point_cloud(record, rises)


def unpack(cloud) -> np.ndarray:
    packed = np.frombuffer(base64.b64decode(cloud["points"]), "<i2").reshape(len(cloud["scales"]), -1, 3)
    return packed / 32767 * np.array(cloud["scales"])[:, None, None]


def test_packed_points_keep_every_distance_however_small_the_embeddings(write_run):
    record, cloud = cloud_of(write_run(modes=3))
    points = unpack(cloud)
    assert cloud["scales"][0] < 0.05 * cloud["scales"][-1]
    for frame in (0, 10, 30, 60):
        expected = pdist(record.projections["points"][frame, :, :3].astype(float))
        np.testing.assert_allclose(pdist(points[frame]), expected, atol=1e-3 * expected.max())


def test_the_cloud_goes_from_point_to_line_to_plane_to_volume(write_run):
    _, cloud = cloud_of(write_run())
    assert sorted(set(cloud["extent"][:45])) == [0, 1, 2, 3, 4]
    assert cloud["extent"][:45] == sorted(cloud["extent"][:45])


def test_learned_modes_are_counted_from_their_half_times(write_run):
    _, cloud = cloud_of(write_run(modes=4))
    times = np.array(cloud["time"])
    for half_time, modes in ((0.25, 1), (0.5, 2), (0.75, 3), (1.0, 4)):
        assert cloud["learned"][int(np.searchsorted(times, half_time - 0.04))] == modes - 1
        assert cloud["learned"][int(np.searchsorted(times, half_time + 0.04))] == modes


@pytest.mark.slow
def test_long_records_and_large_probes_are_thinned(write_run):
    _, cloud = cloud_of(write_run(rows=600, samples=500, dimension=4, modes=3))
    assert len(cloud["scales"]) == FRAMES
    assert cloud["samples"] == SAMPLES == len(cloud["thumbnails"]["colours"])
    assert cloud["step"][-1] == 5 * 599


def test_frames_with_nan_are_left_out(write_run):
    folder = write_run()
    rows = read_record(folder).projections
    rows["points"][50:] = np.nan
    rows.tofile(folder / "spectrum" / "projections.bin")
    _, cloud = cloud_of(folder)
    assert cloud["step"] == list(range(0, 250, 5))


def test_there_is_no_cloud_without_projections(write_run):
    assert cloud_of(write_run(projections=False))[1] is None


def test_thumbnails_that_do_not_match_the_samples_are_refused(write_run):
    folder = write_run(samples=48)
    np.save(folder / "spectrum" / "probe.npy", np.zeros((40, 8, 8, 3), np.uint8))
    with pytest.raises(ValueError, match="holds 40 thumbnails, expected one for each of the 48"):
        cloud_of(folder)
