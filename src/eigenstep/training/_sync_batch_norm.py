"""Batch normalisation over the batches of all processes, on any device."""

from collections.abc import Callable
from typing import Any, cast

import torch
from timm.layers.norm_act import BatchNormAct2d, convert_sync_batchnorm
from torch import Tensor, nn
from torch import distributed as dist
from torch.autograd.function import once_differentiable
from torch.nn.modules.batchnorm import _BatchNorm


def synchronize_batch_norms(module: nn.Module, device: torch.device) -> nn.Module:
    """`module` with every batch norm replaced by one that sees the batch of all processes.

    Parameters, buffers and their names stay. On a GPU these are torch's own, which need one.

    Examples
    --------
    >>> synchronize_batch_norms(nn.Sequential(nn.BatchNorm2d(3)), torch.device("cpu"))
    Sequential(
      (0): SyncBatchNorm(3, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
    )
    """
    if device.type == "cuda":
        convert = cast(Callable[[nn.Module], nn.Module], convert_sync_batchnorm)
        return convert(module)
    if isinstance(module, _BatchNorm):
        return module if isinstance(module, SyncBatchNorm) else SyncBatchNorm.like(module)
    for name, child in module.named_children():
        setattr(module, name, synchronize_batch_norms(child, device))
    return module


class SyncBatchNorm(_BatchNorm):
    """A batch norm whose mean and variance are those of all processes' batches, with exact gradients.

    The gradient that arrives is that of the sum of the processes' losses, which averaging parameters'
    gradients over processes turns into that of their mean; see `eigenstep.losses`.

    Examples
    --------
    >>> SyncBatchNorm(4)(torch.randn(8, 4)).mean(0).abs().max() < 1e-6
    tensor(True)
    """

    @classmethod
    def like(cls, norm: _BatchNorm) -> "SyncBatchNorm":
        """The synchronised form of a batch norm, and of the activation that timm's may hold."""
        other = cls(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
        other.weight, other.bias = norm.weight, norm.bias
        other.running_mean, other.running_var = norm.running_mean, norm.running_var
        other.num_batches_tracked = norm.num_batches_tracked
        other.training = norm.training
        if isinstance(norm, BatchNormAct2d):
            other.drop, other.act = norm.drop, norm.act
        return other

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not dist.is_initialized():
            y = super().forward(x)
        else:
            y = self._normalize(x)
        if hasattr(self, "act"):
            y = cast(nn.Module, self.act)(cast(nn.Module, self.drop)(y))
        return y

    def _normalize(self, x: Tensor) -> Tensor:
        values = x if x.dtype == torch.float64 else x.float()
        axes = [axis for axis in range(x.ndim) if axis != 1]
        shape = [-1 if axis == 1 else 1 for axis in range(x.ndim)]
        own = torch.full((1,), x.numel() / x.shape[1], dtype=values.dtype, device=x.device)
        sums: Tensor = _SumOverProcesses.apply(torch.cat([values.sum(axes), own]))
        total, count = torch.split(sums, [x.shape[1], 1])
        mean = total / count
        centered = values - mean.reshape(shape)
        squares: Tensor = _SumOverProcesses.apply(centered.square().sum(axes))
        variance = squares / count
        if self.track_running_stats:
            self._follow(mean.detach(), variance.detach() * (count / (count - 1)))
        scale = (variance + self.eps).rsqrt()
        if self.affine:
            scale = scale * self.weight
        y = centered * scale.reshape(shape)
        return (y + self.bias.reshape(shape) if self.affine else y).to(x.dtype)

    def _follow(self, mean: Tensor, variance: Tensor) -> None:
        assert self.num_batches_tracked is not None
        assert self.running_mean is not None
        assert self.running_var is not None
        self.num_batches_tracked.add_(1)
        rate = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), rate)
        self.running_var.lerp_(variance.to(self.running_var.dtype), rate)

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim < 2:
            raise ValueError(f"expected an input of shape (batch, channels, ...), got {tuple(input.shape)}")


class _SumOverProcesses(torch.autograd.Function):
    """The sum of the processes' tensors; backwards, the sum of their gradients."""

    @staticmethod
    def forward(ctx: Any, own: Tensor) -> Tensor:
        total = own.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total
