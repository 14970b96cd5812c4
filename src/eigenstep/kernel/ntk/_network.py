"""A model as a function of its trainable parameters, and the models that have no tangent kernel."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.func import grad, vmap
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.modules.instancenorm import _InstanceNorm

from eigenstep.kernel.ntk._stateless import StatelessForward

# Names of layers outside torch that drop at random while they train.
_DROPS = ("DropPath", "StochasticDepth", "DropBlock2d", "PatchDropout")
# Names of torch's spectral normalisation, as a parametrisation and as a hook.
_ITERATES = ("_SpectralNorm", "SpectralNorm")


class Network:
    """Outputs (b, O) of a module as a function of leaf tensors: the module as it was, which is left alone.

    Parameters and buffers are copies, so that neither a forward that writes to them reaches the module, nor
    its further training the network. Each forward starts from the same buffers.

    Parameters
    ----------
    model : nn.Module
        The module; what does not require grad counts as a constant.
    dtype, device
        Of parameters, buffers and batches; by default those of the parameters.
    channels_last : bool
        Lay out weights of 2-d convolutions, and with them activations, as is fastest where oneDNN computes
        them. A forward that views its activations may fail.

    Attributes
    ----------
    parameters
        Leaf tensors by name; a parameter that several layers share is there once.
    channels_last
        Whether weights are laid out so.
    originals
        The module's own parameters by the same names, the frozen ones too.

    Raises
    ------
    ValueError
        Not a module, nothing to train, or parameters of a dtype that kernels cannot be computed in.

    Examples
    --------
    >>> network = Network(nn.Linear(3, 2), dtype=torch.float64)
    >>> network.outputs(torch.zeros(4, 3, dtype=torch.float64)).shape
    torch.Size([4, 2])
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
        channels_last: bool = False,
    ) -> None:
        if not isinstance(model, nn.Module):
            raise ValueError(f"expected model as a torch.nn.Module, got {type(model).__name__}")
        scripted = next((part for part in model.modules() if isinstance(part, torch.jit.ScriptModule)), None)
        if scripted is not None:
            raise ValueError(
                f"expected a model of Python modules, got {type(scripted).__name__}, whose parameters cannot "
                "be replaced; pass the module that it was made of"
            )
        self._forward = StatelessForward(model)
        self.originals = self._forward.parameters
        trainable = {name: tensor for name, tensor in self.originals.items() if tensor.requires_grad}
        if not trainable:
            raise ValueError(
                f"expected a model with parameters that require grad, got {type(model).__name__} with none: "
                "the tangent kernel is of trainable parameters; set requires_grad_(True) on some"
            )
        first = next(iter(trainable.values()))
        self.dtype = first.dtype if dtype is None else dtype
        self.device = first.device if device is None else torch.device(device)
        if self.dtype not in (torch.float32, torch.float64):
            given = "parameters" if dtype is None else "dtype"
            raise ValueError(
                f"expected {given} of torch.float32 or torch.float64, got {self.dtype}; pass "
                "dtype=torch.float32"
            )
        onednn = torch.backends.mkldnn.is_available() and self.dtype == torch.float32
        self.channels_last = (
            channels_last
            and onednn
            and self.device.type == "cpu"
            and any(tensor.ndim == 4 for tensor in self.originals.values())
        )
        self.parameters = {name: self._own(tensor).requires_grad_() for name, tensor in trainable.items()}
        fixed = self.originals.keys() - trainable.keys()
        self._fixed = {name: self._own(self.originals[name]) for name in fixed}
        self._buffers = {name: self._own(tensor) for name, tensor in self._forward.buffers.items()}

    @property
    def n_parameters(self) -> int:
        return sum(tensor.numel() for tensor in self.parameters.values())

    def outputs(self, batch: Tensor, parameters: Mapping[str, Tensor] | None = None) -> Tensor:
        """Return the outputs (b, O) of a batch (b, ...), flattened to one row a sample.

        Raises
        ------
        ValueError
            Outputs that are not one tensor with a row for each sample.
        """
        buffers = {name: tensor.clone() for name, tensor in self._buffers.items()}
        tensors = {**self._fixed, **buffers, **self.parameters, **(parameters or {})}
        # Forwards view their input, or write to it: it is laid out as usual, and never the caller's memory.
        given = batch.clone(memory_format=torch.contiguous_format)
        try:
            returned = self._forward(tensors, given)
        except Exception as error:
            error.add_note(f"raised by the model's forward, of a batch {tuple(batch.shape)} {batch.dtype}")
            raise
        if not isinstance(returned, Tensor):
            raise ValueError(
                f"expected a model that returns one tensor (n, O), got {_words(returned)}; wrap it in a "
                "module that returns the part whose kernel is meant"
            )
        if returned.ndim == 0 or len(returned) != len(batch):
            raise ValueError(
                f"expected a model that returns a row for each of {len(batch)} samples, got shape "
                f"{tuple(returned.shape)}"
            )
        return returned.flatten(1) if returned.ndim > 1 else returned[:, None]

    def _own(self, tensor: Tensor) -> Tensor:
        kept = tensor.detach()
        own = kept.to(self.device, self.dtype if kept.is_floating_point() else kept.dtype, copy=True)
        return own.to(memory_format=torch.channels_last) if self.channels_last and own.ndim == 4 else own


def _words(returned: object) -> str:
    if isinstance(returned, tuple | list):
        return f"a {type(returned).__name__} of {len(returned)}"
    return f"a {type(returned).__name__}"


def function_gradients(
    network: Network, names: Sequence[str], batch: Tensor, cotangent: Tensor, parameters: Mapping[str, Tensor]
) -> Tensor:
    """Return the gradients (b, P) of cotangent . outputs of each sample, by torch.func."""

    def output(chosen: Mapping[str, Tensor], sample: Tensor) -> Tensor:
        return (network.outputs(sample[None], {**parameters, **chosen}) @ cotangent).sum()

    chosen = {name: parameters[name].detach() for name in names}
    with warnings.catch_warnings():
        # That an operation is mapped one sample at a time: it is slow, and right.
        warnings.filterwarnings("ignore", message="There is a performance drop")
        found = vmap(grad(output), (None, 0))(chosen, batch)
    return torch.cat([found[name].reshape(len(batch), -1) for name in names], dim=1).detach()


def gradients_one_by_one(
    network: Network, names: Sequence[str], batch: Tensor, cotangent: Tensor, parameters: Mapping[str, Tensor]
) -> Tensor:
    """Return the same, (b, P), by a forward and a backward pass for each sample."""
    rows = []
    for sample in batch:
        # Beside a copy of itself, for some models refuse a batch of one.
        with torch.enable_grad():
            output = network.outputs(sample.expand(2, *sample.shape), parameters)[0] @ cotangent
        leaves = [parameters[name] for name in names]
        found = torch.autograd.grad(output, leaves, allow_unused=True, materialize_grads=True)
        rows.append(torch.cat([gradient.flatten() for gradient in found]))
    return torch.stack(rows)


FUNCTION_METHODS = {"torch.func": function_gradients, "autograd, one by one": gradients_one_by_one}


def check_mode(model: nn.Module) -> None:
    """Raise ValueError if a model in training mode computes something else there, or changes itself."""
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
    parameters : Mapping[str, Tensor] | None
        In place of the network's own.
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


def check_read_from_modules(originals: Sequence[str]) -> None:
    """Raise ValueError if there are parameters of the module itself, named here, that outputs depend on.

    Copies stand in for them: what is not read through a module would count as a constant.
    """
    if originals:
        raise ValueError(
            f"expected a forward that reads parameters as attributes of its modules, got {originals[0]} read "
            "from elsewhere, such as a list or a closure that holds it too; read it from the module"
        )
