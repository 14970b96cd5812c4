"""Which tensors of a file are the backbone's: the place in it, and the naming, by which most are."""

import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from eigenstep.encoders.weights._first_layers import adapted
from eigenstep.encoders.weights._namings import OWN, Naming, namings

# Files older than batch normalisation's counters do not hold them.
COUNTER = "num_batches_tracked"
# Of several places that fit alike: averages of weights and teachers first; copies that only follow, last.
AVERAGED, FOLLOWING = r"ema|teacher|averaged", r"momentum|encoder_k|key|target|student|predictor"
TIMM = "a form that timm converts"
# How many places in a file timm's conversion is tried at.
PLACES = 8


@dataclass(frozen=True)
class Match:
    """The tensors of a file that are a backbone's.

    Attributes
    ----------
    prefix : str
        What stands before their names in the file.
    naming : str
        Whose names they are.
    tensors : dict[str, Tensor]
        By the backbone's names, in its shapes.
    used : frozenset[str]
        The names in the file that they were under.
    said : list[str]
        What was done to those of other shapes.
    misshapen : dict[str, tuple[int, ...]]
        Those that are there and do not fit, with their shapes in the file.
    others : list[str]
        Prefixes under which as many would have matched.
    """

    prefix: str
    naming: str
    tensors: dict[str, Tensor]
    used: frozenset[str] = frozenset()
    said: list[str] = field(default_factory=list)
    misshapen: dict[str, tuple[int, ...]] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many match, counters aside."""
        return sum(not name.endswith(COUNTER) for name in self.tensors)


def best_match(model: nn.Module, tensors: Mapping[str, Tensor], prefix: str | None = None) -> Match:
    """The match by which most of a backbone's tensors are found, by name and shape.

    Parameters
    ----------
    prefix : str | None
        The only place in the file that counts; default: whichever holds most.

    Examples
    --------
    >>> layer = nn.Linear(2, 3)
    >>> file = {f"module.encoder.{name}": tensor for name, tensor in layer.state_dict().items()}
    >>> match = best_match(layer, file | {"module.predictor.weight": torch.ones(2, 3)})
    >>> match.prefix, match.count
    ('module.encoder.', 2)
    """
    model_names = list(model.state_dict())
    found = []
    for library, naming in namings(model_names).items():
        scores = _scores(model, tensors, naming, prefix)
        if scores:
            most = max(scores.values())
            first, *others = sorted((at for at in scores if scores[at] == most), key=_preference)
            found.append((most, _taken(model, tensors, library, naming, first), others))
    none = Match("" if prefix is None else prefix, OWN, {})
    best, others = none, []
    for _, match, beside in sorted(found, key=lambda each: -each[0]):
        if match.count > best.count:
            best, others = match, beside
    if best.count < sum(not name.endswith(COUNTER) for name in model_names):
        for match in _converted(model, tensors, prefix):
            if match.count > best.count:
                best, others = match, []
    best.others.extend(at for at in others if not _is_same(best, tensors, at))
    return best


def without_chunks(model: nn.Module, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Names of blocks without DINOv2's chunks of them: `blocks.0.3.norm1` is `blocks.3.norm1`."""
    if not any(name.startswith("blocks.0.norm1") for name in model.state_dict()):
        return tensors
    return {
        re.sub(r"(^|\.)blocks\.\d+\.(\d+\.(?:norm|attn|ls|mlp))", r"\1blocks.\2", name): tensor
        for name, tensor in tensors.items()
    }


def _scores(
    model: nn.Module, tensors: Mapping[str, Tensor], naming: Naming, prefix: str | None
) -> dict[str, float]:
    """Of each place in the file how many of the backbone's tensors are there."""
    state = model.state_dict()
    source: dict[str, list[str]] = defaultdict(list)
    for name, parts in naming.items():
        for part in parts:
            source[part].append(name)
    scores: dict[str, float] = defaultdict(float)
    for full, tensor in tensors.items():
        if full.endswith(COUNTER):
            continue
        for at in _places(full):
            if prefix in (None, at):
                for name in source.get(full[len(at) :], ()):
                    if _could_fit(tensor, state[name], len(naming[name])):
                        scores[at] += 1 / len(naming[name])
    return scores


def _places(name: str) -> Iterator[str]:
    """What may stand before the backbone's own name: `a.b.weight` gives nothing, `a.` and `a.b.`."""
    yield ""
    for dot in re.finditer(r"\.", name):
        yield name[: dot.end()]


def _could_fit(tensor: Tensor, own: Tensor, parts: int) -> bool:
    """Whether it is of this size, or a first layer or a table of positions that may be made so."""
    if parts > 1:
        return (
            tensor.ndim == own.ndim and parts * len(tensor) == len(own) and tensor.shape[1:] == own.shape[1:]
        )
    if tensor.numel() == own.numel():
        return True
    return tensor.ndim == own.ndim > 2 and own.shape[0] == tensor.shape[0]


def _preference(prefix: str) -> tuple[int, int, str]:
    rank = 0 if re.search(AVERAGED, prefix) else 2 if re.search(FOLLOWING, prefix) else 1
    return rank, len(prefix), prefix


def _taken(
    model: nn.Module, tensors: Mapping[str, Tensor], library: str, naming: Naming, prefix: str
) -> Match:
    match = Match(prefix, library, {}, frozenset())
    used = set()
    for name, parts in naming.items():
        there = [prefix + part for part in parts]
        if not all(full in tensors for full in there):
            continue
        used |= set(there)
        found = [tensors[full] for full in there]
        joined = len({part.shape[1:] for part in found}) == 1 and found[0].ndim > 0 and len(found) > 1
        _put(model, match, name, torch.cat(found) if joined else found[0])
    _add_class_position(model, match, tensors.get(prefix + naming.get("pos_embed", ("",))[0]))
    return Match(prefix, library, match.tensors, frozenset(used), match.said, match.misshapen)


def _add_class_position(model: nn.Module, match: Match, positions: Tensor | None) -> None:
    """Add the class token's position to the token where the backbone's table has none for it."""
    token, own = match.tensors.get("cls_token"), match.tensors.get("pos_embed")
    grid = getattr(getattr(model, "patch_embed", None), "grid_size", None)
    if token is None or own is None or positions is None or grid is None or own.shape[1] != grid[0] * grid[1]:
        return
    if any("without its class token" in said for said in match.said):
        match.tensors["cls_token"] = token + positions[:, :1]


def _put(model: nn.Module, match: Match, name: str, tensor: Tensor) -> None:
    fitting = adapted(model, name, tensor)
    if fitting is None:
        match.misshapen[name] = tuple(tensor.shape)
        return
    match.tensors[name], said = fitting
    if said:
        match.said.append(said)


def _converted(model: nn.Module, tensors: Mapping[str, Tensor], prefix: str | None) -> Iterator[Match]:
    """What timm's own conversion for this model makes of the places that hold most of the file."""
    convert = getattr(sys.modules.get(type(model).__module__), "checkpoint_filter_fn", None)
    if convert is None:
        return
    own = model.state_dict()
    held: dict[str, int] = defaultdict(int)
    for full in tensors:
        for at in _places(full):
            held[at] += 1
    roomy = [at for at, count in held.items() if 2 * count >= len(own)] if prefix is None else [prefix]
    for at in sorted(roomy, key=lambda each: (-held[each], len(each)))[:PLACES]:
        inside = {full[len(at) :]: tensor for full, tensor in tensors.items() if full.startswith(at)}
        try:
            state = convert(dict(inside), model)
        except Exception:  # it is of another network: timm's conversions fail in as many ways
            continue
        match = Match(at, TIMM, {}, frozenset(full for full in tensors if full.startswith(at)))
        for name, tensor in state.items():
            if name in own and isinstance(tensor, Tensor):
                _put(model, match, name, tensor)
        yield match


def _is_same(match: Match, tensors: Mapping[str, Tensor], prefix: str) -> bool:
    """Whether another place holds the very same tensors."""
    for full in match.used:
        other = tensors.get(prefix + full[len(match.prefix) :])
        if other is None or not torch.equal(other, tensors[full]):
            return False
    return True
