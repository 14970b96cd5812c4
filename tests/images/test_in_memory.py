import pytest
import torch

from eigenstep.images import ImageSet, photo_patches
from eigenstep.images._batches import Sharing
from eigenstep.images._in_memory import ImagesInMemory

if not torch.cuda.is_available():
    pytest.skip("needs a CUDA device: batches there against batches on the CPU", allow_module_level=True)

DEVICE = torch.device("cuda")


@pytest.mark.parametrize("share", [0.5, 0.0])
def test_a_gpu_gets_the_same_batches_whether_the_images_fit_or_not(share, monkeypatch):
    monkeypatch.setattr("eigenstep.images._in_memory.DEVICE_SHARE", share)
    images = ImageSet(photo_patches(50, 16))
    labels = torch.arange(50).numpy()
    here = ImagesInMemory(images, Sharing(0, 8, torch.device("cpu")), labels, 50)
    there = ImagesInMemory(images, Sharing(0, 8, DEVICE), labels, 50)
    assert (there._images.device.type == "cuda") == (share > 0)
    expected, found = here.batches(3), there.batches(3)
    for _ in range(20):
        one, other = next(expected), next(found)
        assert other.images.device.type == other.labels.device.type == "cuda"
        assert torch.equal(one.images, other.images.cpu())
        assert torch.equal(one.labels, other.labels.cpu())
    assert there.probe(5).device.type == "cpu"
