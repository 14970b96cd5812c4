"""Batch normalisation over the batches of all processes, on GPUs by torch's own, on CPUs by this one."""

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
        y, mean, variance, count = _Normalization.apply(x, self.weight, self.bias, self.eps)
        if self.track_running_stats:
            self._follow(mean, variance * (count / (count - 1)))
        return cast(Tensor, y)

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


class _Normalization(torch.autograd.Function):
    """The output, and the mean, variance and number of values in all processes; by torch's kernels of a CPU.

    Each process passes over its values twice in either direction, and sums over processes are of channels.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> Any:
        none = torch.zeros(x.shape[1], dtype=torch.promote_types(x.dtype, torch.float32))
        own = none.new_full((1,), x.numel() / x.shape[1])
        own_mean, own_variance = torch.batch_norm_update_stats(x, none, none.clone(), 0.0)
        total, count = _summed(own * own_mean, own)
        mean = total / count
        variance = _summed(own * (own_variance + (own_mean - mean).square()))[0] / count
        ctx.save_for_backward(x, weight, mean, (variance + eps).rsqrt(), count)
        ctx.mark_non_differentiable(mean, variance, count)
        return torch.batch_norm(x, weight, bias, mean, variance, False, 0.0, eps, True), mean, variance, count

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: Any) -> Any:
        x, weight, mean, inverse, count = ctx.saved_tensors
        found = torch.ops.aten.native_batch_norm_backward(
            gradient, x, torch.ones_like(mean), None, None, mean, inverse, True, 0.0, (False, True, True)
        )
        at_weight, at_bias = found[1:]
        along, beside = (each / count for each in _summed(at_weight, at_bias))
        scale = inverse if weight is None else inverse * weight
        shape = [-1 if axis == 1 else 1 for axis in range(x.ndim)]
        # scale (gradient - beside - normalised x along), in one rounding.
        per_value = scale * inverse * along
        at_x = torch.addcmul((per_value * mean - scale * beside).view(shape), x, -per_value.view(shape))
        at_x = at_x.addcmul_(gradient, scale.view(shape)).to(x.dtype)
        return at_x, *((None, None) if weight is None else (at_weight, at_bias)), None


def _summed(*own: Tensor) -> tuple[Tensor, ...]:
    """Vectors of this process, summed over all in one go."""
    total = torch.cat(own)
    dist.all_reduce(total)
    return total.split([len(each) for each in own])
