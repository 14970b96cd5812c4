"""Parts of a backbone that are not trained."""

from dataclasses import dataclass

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from eigenstep.encoders._config import FreezeWhat
from eigenstep.encoders._layers import stages_of


@dataclass(frozen=True)
class Freeze:
    """What is frozen of a backbone.

    Attributes
    ----------
    names : frozenset[str]
        Of the backbone's parameters.
    said : str
        In words, with how many numbers stay as they are.
    """

    names: frozenset[str] = frozenset()
    said: str = ""


class FrozenNorms(nn.Module):
    """A module with a `backbone` of which batch norms stay in evaluation mode where they are frozen.

    A frozen batch norm normalises by its running statistics, which no batch moves, so that what is frozen is
    the same function from the first step to the last. Which ones are is kept by name, for norms are replaced
    by those that see all processes' batches, and a target network's are not frozen with the encoder's.

    Attributes
    ----------
    frozen : frozenset[str]
        The names of the backbone's frozen parameters.
    held : bool
        Whether all of the backbone's batch norms are frozen for now.
    """

    frozen: frozenset[str] = frozenset()
    held: bool = False

    def train(self, mode: bool = True) -> "FrozenNorms":
        """Set the mode as `nn.Module.train`, but for frozen batch norms."""
        super().train(mode)
        backbone = self.get_submodule("backbone")
        for name, module in backbone.named_modules():
            if isinstance(module, _BatchNorm) and (self.held or f"{name}.weight".lstrip(".") in self.frozen):
                module.eval()
        return self

    def hold(self, held: bool) -> None:
        """Hold the backbone's batch norms, or let go of those that are not frozen."""
        if held != self.held:
            self.held = held
            self.train(self.training)


def freeze(encoder: FrozenNorms, what: FreezeWhat) -> Freeze:
    """Freeze the first stages of an encoder's backbone, all of it, or all but its norms; "none" does nothing.

    Frozen parameters have no gradient and no state in the optimiser; frozen batch norms keep their running
    statistics and use them.

    Parameters
    ----------
    what : FreezeWhat
        How many stages or blocks from the first on, the stem with them, see `stages_of`; or "norms", for all
        parameters but those of norms; or "all".

    Raises
    ------
    ValueError
        For more stages than there are.

    Examples
    --------
    >>> from eigenstep.encoders import ProjectorConfig, build_encoder
    >>> freeze(build_encoder("convnet", 16, ProjectorConfig()), 2).said
    'the first 2 of 3 stages (5,136 of 23,696 numbers)'
    """
    backbone = encoder.get_submodule("backbone")
    parameters = dict(backbone.named_parameters())
    if what == "none" or what == 0:
        return Freeze()
    if what == "all":
        names, words = set(parameters), "all of the backbone"
    elif what == "norms":
        norms = _of_norms(backbone)
        if not norms:
            raise ValueError(
                "--freeze norms trains the norms alone, and this backbone has none; give --freeze all"
            )
        names, words = set(parameters) - norms, "all of the backbone but its norms"
    else:
        stages = stages_of(backbone)
        if not 0 < what <= len(stages):
            raise ValueError(
                f"--freeze: this backbone has {len(stages)} stages, expected a number from 0 to"
                f" {len(stages)}, none, norms or all, got {what}"
            )
        names = {name for stage in stages[:what] for name in stage}
        words = f"the first {what} of {len(stages)} stages"
    for name in names:
        parameters[name].requires_grad_(False)
    encoder.frozen = frozenset(names)
    encoder.train(encoder.training)
    numbers, total = (
        sum(parameters[name].numel() for name in names),
        sum(p.numel() for p in parameters.values()),
    )
    return Freeze(encoder.frozen, f"{words} ({numbers:,} of {total:,} numbers)")


def _of_norms(backbone: nn.Module) -> set[str]:
    """The names of the parameters of norms, by the name of their class: timm has more kinds than torch."""
    return {
        f"{place}.{name}".lstrip(".")
        for place, module in backbone.named_modules()
        if "norm" in type(module).__name__.lower()
        for name, _ in module.named_parameters(recurse=False)
    }
