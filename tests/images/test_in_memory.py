import numpy as np
import pytest
import torch
from PIL import Image

from eigenstep.images import ImagesConfig, open_images

if not torch.cuda.is_available():
    pytest.skip("needs a CUDA device: batches there against batches on the CPU", allow_module_level=True)


@pytest.mark.parametrize("share", [0.5, 0.0])
def test_a_gpu_gets_the_same_batches_whether_the_images_fit_or_not(share, data_of, monkeypatch):
    monkeypatch.setattr("eigenstep.images.opened._in_memory.DEVICE_SHARE", share)
    folder = str(data_of("table", 50, label=lambda row: row))
    here, there = (
        open_images(
            folder, ImagesConfig(size=4), seed=0, batch_size=8, device=torch.device(device), labels=True
        )
        for device in ("cpu", "cuda")
    )
    assert (there._images.device.type == "cuda") == (share > 0)
    expected, found = here.batches(3), there.batches(3)
    for _ in range(20):
        one, other = next(expected), next(found)
        assert other.images.device.type == other.labels.device.type == "cuda"
        assert torch.equal(one.images, other.images.cpu())
        assert torch.equal(one.labels, other.labels.cpu())
    assert there.probe(5).device.type == "cpu"


@pytest.mark.parametrize("share", [0.5, 0.0])
def test_16_bit_images_come_to_a_gpu_as_they_are(share, tmp_path, monkeypatch):
    monkeypatch.setattr("eigenstep.images.opened._in_memory.DEVICE_SHARE", share)
    for row in range(20):
        pixels = np.random.default_rng(row).integers(0, 65536, (4, 4), dtype=np.uint16)
        Image.fromarray(pixels).save(tmp_path / f"{row}.png")
    here, there = (
        next(
            open_images(
                str(tmp_path), ImagesConfig(size=4), seed=0, batch_size=8, device=torch.device(device)
            ).batches(0)
        ).images
        for device in ("cpu", "cuda")
    )
    assert there.device.type == "cuda"
    assert there.dtype == torch.uint16
    assert np.array_equal(here.numpy(), there.cpu().numpy())
