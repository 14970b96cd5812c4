import torch
from torch import Tensor


def standardise(train: Tensor, test: Tensor) -> tuple[Tensor, Tensor]:
    """Subtract the training mean of each feature and divide by its training standard deviation (divisor n).

    Returns new float64 tensors, on the CPU where the device has no float64 (MPS). A feature that is constant
    in the training set, up to rounding, is zero in both: it teaches nothing.
    """
    if train.device.type == "mps":
        train, test = train.cpu(), test.cpu()
    train, test = (features.to(torch.float64, copy=True) for features in (train, test))
    mean = train.mean(0)
    train -= mean
    test -= mean
    std = train.square().mean(0).sqrt()
    constant = std <= len(train) * torch.finfo(torch.float64).eps * mean.abs()
    scale = torch.where(constant, 0, 1 / std)
    return train.mul_(scale), test.mul_(scale)
