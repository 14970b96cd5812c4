"""A backbone's parameters by stage and by layer, as timm groups them."""

from collections import defaultdict

from torch import nn

# Modules of the convnet: a convolution, its norm, and what has no parameters.
CONVNET_STAGE = 3


def stages_of(backbone: nn.Module) -> list[list[str]]:
    """The names of the parameters of each stage or block, in the order in which images pass them.

    The first stage comes with the stem before it. Of a timm model they are the groups of its `group_matcher`:
    the blocks of a vision transformer, the stages of a ResNet or a ConvNeXt; of other networks their
    children.

    Examples
    --------
    >>> from eigenstep.encoders import convnet
    >>> [stage[0] for stage in stages_of(convnet())]
    ['0.weight', '3.weight', '6.weight']
    """
    groups: dict[int, list[str]] = defaultdict(list)
    for name, place in _grouped(backbone, coarse=True).items():
        groups[place].append(name)
    found = [groups[place] for place in sorted(groups)]
    if len(found) > 1 and all("norm" in name for name in found[-1]):
        found[-2:] = [found[-2] + found[-1]]  # the norm after the last stage is no stage
    if hasattr(backbone, "group_matcher") and len(found) > 1:
        found = [found[0] + found[1], *found[2:]]
    return found


def layers_of(backbone: nn.Module) -> dict[str, int]:
    """The depth of every parameter, 0 for the stem; finer than by stages where timm knows it.

    Examples
    --------
    >>> import timm
    >>> set(layers_of(timm.create_model("test_resnet")).values())
    {0, 1, 2, 3, 4, 5}
    """
    return _grouped(backbone, coarse=False)


def _grouped(backbone: nn.Module, coarse: bool) -> dict[str, int]:
    matcher = getattr(backbone, "group_matcher", None)
    if matcher is not None:
        from timm.models import group_parameters

        found: dict[str, int] = group_parameters(backbone, matcher(coarse=coarse), reverse=True)
        return found
    names = [name for name, _ in backbone.named_parameters()]
    heads = [_place(backbone, name) for name in names]
    order = {head: place for place, head in enumerate(dict.fromkeys(heads))}
    return {name: order[head] for name, head in zip(names, heads, strict=True)}


def _place(backbone: nn.Module, name: str) -> str:
    """Which child a parameter is in; of layers in a row a convolution and its norm are one."""
    head = name.partition(".")[0]
    if isinstance(backbone, nn.Sequential) and head.isdecimal():
        return str(int(head) // CONVNET_STAGE)
    return head
