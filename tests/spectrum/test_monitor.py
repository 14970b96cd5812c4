import numpy as np
import pytest
import torch

from eigenstep.spectrum import SpectrumMonitor, cross_correlation_eigenvalues, read_record


def batches(count, n=32, dim=5, scale=1.0):
    generator = torch.Generator().manual_seed(0)
    for _ in range(count):
        z = scale * torch.randn(n, dim, generator=generator)
        yield z + scale, z + scale + 0.5 * scale * torch.randn(n, dim, generator=generator)


def test_the_record_holds_each_windows_eigenvalues_mean_loss_and_time(tmp_path):
    monitor = SpectrumMonitor(tmp_path / "run", dim=5, every=3)
    pairs = list(batches(6))
    for step, (z_a, z_b) in enumerate(pairs):
        monitor.update(z_a, z_b, loss=torch.tensor(float(step)), learning_rate=0.5)
    record = read_record(tmp_path / "run")
    assert record.metrics["step"].tolist() == [3, 6]
    assert record.metrics["time"].tolist() == [1.5, 3.0]
    assert record.metrics["loss"].tolist() == [1.0, 4.0]
    window = [torch.cat(views) for views in zip(*pairs[3:], strict=True)]
    expected = cross_correlation_eigenvalues(*window, center=True)
    np.testing.assert_allclose(record.eigenvalues["cross_correlation"][1], expected, rtol=1e-9)
    np.testing.assert_array_equal(
        monitor.compute().cross_correlation, record.eigenvalues["cross_correlation"][1]
    )


def test_one_view_has_its_covariance_as_cross_correlation(tmp_path):
    monitor = SpectrumMonitor(tmp_path, dim=3)
    monitor.update(torch.randn(50, 3))
    values = monitor.compute()
    np.testing.assert_allclose(values.cross_correlation, values.covariance, rtol=1e-12)


def test_monitoring_leaves_the_gradient_alone(tmp_path):
    z = torch.randn(8, 3, requires_grad=True)
    SpectrumMonitor(tmp_path, dim=3).update(z, z, loss=z.sum())
    z.sum().backward()
    assert torch.equal(z.grad, torch.ones_like(z))


def test_a_record_that_exists_is_refused_and_kept(tmp_path):
    monitor = SpectrumMonitor(tmp_path, dim=2, every=1)
    monitor.update(torch.randn(4, 2))
    before = (tmp_path / "metrics.jsonl").read_bytes()
    with pytest.raises(FileExistsError, match="another folder"):
        SpectrumMonitor(tmp_path, dim=2)
    assert (tmp_path / "metrics.jsonl").read_bytes() == before


def test_embeddings_of_another_shape_are_refused_with_both_shapes(tmp_path):
    with pytest.raises(ValueError, match=r"\(n, 4\), got \(2, 3\)"):
        SpectrumMonitor(tmp_path, dim=4).update(torch.zeros(2, 3))


def test_nothing_can_be_computed_before_the_first_update(tmp_path):
    with pytest.raises(ValueError, match="update first"):
        SpectrumMonitor(tmp_path, dim=4).compute()
