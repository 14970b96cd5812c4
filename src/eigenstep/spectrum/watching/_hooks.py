"""Hooks that leave nothing behind: not in a model's copies, not in its files, not in the optimisers."""

import weakref
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

# Hooks on all optimisers, whose owners may have been collected since.
_on_all_optimizers: list[tuple[weakref.WeakMethod[Any], Any]] = []


class Hook:
    """A hook of a module, in whose pickles and deep copies a function that does nothing takes its place.

    That one is of the standard library, so that a saved model loads where there is no Eigenstep.

    Examples
    --------
    >>> import copy
    >>> copy.deepcopy(Hook(print))("a module", "its inputs", "its output") is None
    True
    """

    def __init__(self, call: Callable[..., None]) -> None:
        self._call = call

    def __call__(self, *given: Any) -> None:
        self._call(*given)

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (nullcontext(), "__exit__")


def follow_steps(
    method: Callable[..., None], optimizer: Optimizer | None = None, *, before: bool = False
) -> Any:
    """Call a bound method after or before each step of an optimiser, or of any, as long as its object lives.

    Returns
    -------
    handle
        Whose `remove` ends it.
    """
    of = weakref.WeakMethod(method)

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def hook(*given: Any) -> None:
        if (alive := of()) is not None:
            alive(*given)

    if optimizer is not None:
        register = optimizer.register_step_pre_hook if before else optimizer.register_step_post_hook
        return register(hook)
    # Not by a finalizer: torch may be going through its hooks whenever one runs.
    for owner, handle in [pair for pair in _on_all_optimizers if pair[0]() is None]:
        handle.remove()
        _on_all_optimizers.remove((owner, handle))
    register_for_all = register_optimizer_step_pre_hook if before else register_optimizer_step_post_hook
    handle = register_for_all(hook)
    _on_all_optimizers.append((of, handle))
    return handle


def is_of_training(output: Any) -> bool:
    """Whether a layer gave values of training: not an export, a trace, a transform, or shapes alone."""
    if torch.compiler.is_exporting():
        return False
    if torch.compiler.is_compiling():
        return True
    if torch._C._get_tracing_state() is not None:  # torch.jit.trace
        return False
    if torch._C._functorch.peek_interpreter_stack() is not None:  # vmap, grad, ...
        return False
    for part in output if isinstance(output, tuple) else (output,):
        if isinstance(part, torch.fx.Proxy):
            return False
        if isinstance(part, Tensor) and (part.is_meta or type(part).__name__ == "FakeTensor"):
            return False
    return True


def in_backward() -> bool:
    """Whether the backward pass is under way: what is computed then, checkpointing computes again.

    Compiled code recomputes on its own, without hooks.
    """
    return not torch.compiler.is_compiling() and torch._C._current_graph_task_id() != -1
