"""Models that have no tangent kernel, and how to mend them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.modules.instancenorm import _InstanceNorm

from eigenstep.kernel.ntk._network import Network

# Names of layers outside torch that drop at random while they train.
_DROPS = ("DropPath", "StochasticDepth", "DropBlock2d", "PatchDropout")
# Names of torch's spectral normalisation, as a parametrisation and as a hook.
_ITERATES = ("_SpectralNorm", "SpectralNorm")


def check_mode(model: nn.Module) -> None:
    """Raise ValueError for a model in training mode that computes something else there, or changes itself."""
    for name, module in model.named_modules():
        reason = _in_training(module) if module.training else None
        if reason is not None:
            raise ValueError(
                f"expected a model in evaluation mode, got {type(module).__name__} {name or 'itself'!r} in "
                f"training mode: {reason}; call model.eval() first"
            )


def _in_training(module: nn.Module) -> str | None:
    """Return what a layer does in training mode that leaves a model without a kernel, or None."""
    active = getattr(module, "p", getattr(module, "drop_prob", 1.0)) not in (0, 0.0, None)
    drops = isinstance(module, _DropoutNd) or type(module).__name__ in _DROPS
    if isinstance(module, _BatchNorm) or (active and drops):
        return "a sample's output would hang on chance or on its batch"
    if isinstance(module, _InstanceNorm) and module.track_running_stats:
        return "each forward pass would move its running statistics, which it normalises by later"
    # The older form of it is a hook of the layer, and starts its iteration at a vector all the same.
    kinds = [type(part).__name__ for part in (module, *module._forward_pre_hooks.values())]
    if any(kind in _ITERATES for kind in kinds) and next(module.buffers(), None) is not None:
        return "each forward pass would go on with its power iteration, and outputs differ between two"
    return None


def check_forward(network: Network, probe: Tensor, parameters: Mapping[str, Tensor] | None = None) -> None:
    """Raise ValueError unless outputs of some samples (k, ...) are finite, repeatable, and each one's own.

    Parameters
    ----------
    parameters : in place of the network's own
    """
    with torch.no_grad():
        together, again = (network.outputs(probe, parameters) for _ in range(2))
        if not bool(torch.isfinite(together).all()):
            raise ValueError(
                "expected finite outputs, got NaN or infinity: the weights or samples are too large"
            )
        scale = float(together.abs().max())
        tolerance = 1e-3 if network.dtype == torch.float32 else 1e-8
        gap = float((together - again).abs().max())
        if gap > tolerance * scale:
            raise ValueError(
                f"expected a deterministic model, got outputs that differ by {gap:.3g} between two calls on "
                "the same samples; call model.eval(), and take sampling out of its forward"
            )
        # Among copies of itself, for some models refuse a batch of one.
        alone = [network.outputs(sample.expand_as(probe), parameters)[0] for sample in (probe[0], probe[-1])]
        gap = float((together[[0, -1]] - torch.stack(alone)).abs().max())
        if gap > tolerance * scale:
            raise ValueError(
                "expected a model whose output for a sample does not depend on the others in its batch, got "
                f"outputs that differ by {gap:.3g} among others and among copies of it; call model.eval(), "
                "and normalise within samples"
            )


def check_differentiable(outputs: Tensor) -> None:
    """Raise ValueError unless outputs, which were computed with gradients enabled, depend on parameters."""
    if not outputs.requires_grad:
        raise ValueError(
            "expected outputs that depend on a parameter that requires grad, got outputs without a gradient; "
            "take detach, no_grad and inference_mode out of the forward and from around this call, or set "
            "requires_grad_(True) on parameters that the forward uses"
        )
