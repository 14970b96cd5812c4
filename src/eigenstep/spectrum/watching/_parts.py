"""The parts of a watched model whose steps are told apart: its backbone, and the projector behind it."""

from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True)
class Parts:
    """Modules of a model by their part, each with its name.

    Attributes
    ----------
    backbone, projector : dict[str, nn.Module]
        In the order in which the model holds them. No projector where nothing comes before the watched layer
        or after it.
    features : nn.Module | None
        The module whose input is what the backbone gives.
    """

    backbone: dict[str, nn.Module]
    projector: dict[str, nn.Module]
    features: nn.Module | None

    @property
    def modules(self) -> dict[str, dict[str, nn.Module]]:
        """By part, of those that there are."""
        parts = {"backbone": self.backbone, "projector": self.projector}
        return {name: part for name, part in parts.items() if part}

    @property
    def stem(self) -> nn.Module | None:
        """The first layer with weights, whose input is a view."""
        layers = (each for top in self.backbone.values() for each in top.modules())
        return next((each for each in layers if _is_leaf(each) and len(list(each.parameters()))), None)

    @property
    def weights(self) -> dict[str, list[nn.Parameter]]:
        """By part, each once; shards of weights are left out, which other processes hold the rest of."""
        found = {}
        for name, part in self.modules.items():
            own = {id(each): each for module in part.values() for each in module.parameters()}
            if kept := [each for each in own.values() if not hasattr(each, "device_mesh")]:
                found[name] = kept
        return found


def find_parts(model: nn.Module, layer: nn.Module) -> Parts:
    """The module that holds the watched layer is the projector, what the model holds before it the backbone.

    Of what comes before, that which learns counts if anything does: a teacher does not, and a backbone that
    is frozen by mistake still does. Where nothing comes before, the layer is the backbone, and what learns
    behind it the projector.

    Examples
    --------
    >>> head = nn.Sequential(nn.Linear(4, 2), nn.ReLU())
    >>> model = nn.ModuleDict({"backbone": nn.Linear(4, 4), "head": head})
    >>> {name: list(part) for name, part in find_parts(model, head[1]).modules.items()}
    {'backbone': ['backbone'], 'projector': ['head']}
    """
    inside, path = model, ""
    after: dict[str, nn.Module] = {}
    place = next((name for name, module in model.named_modules() if module is layer), "")
    for part in place.split(".") if place else ():
        before: dict[str, nn.Module] = {}
        behind: dict[str, nn.Module] = {}
        here = False
        for name, child in inside.named_children():
            here = here or name == part
            if name != part and any(True for _ in child.parameters()):
                (behind if here else before)[f"{path}{name}"] = child
        child = inside.get_submodule(part)
        if before:
            return Parts(_learning(before) or before, {f"{path}{part}": child}, child)
        after |= _learning(behind)
        inside, path = child, f"{path}{part}."
    return Parts({place: inside}, after, next(iter(after.values()), None))


def _learning(modules: dict[str, nn.Module]) -> dict[str, nn.Module]:
    return {
        name: module
        for name, module in modules.items()
        if any(each.requires_grad for each in module.parameters())
    }


def _is_leaf(module: nn.Module) -> bool:
    return not any(True for _ in module.children())
