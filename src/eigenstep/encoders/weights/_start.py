"""A backbone starts from a file's weights, and says what it took of them."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from eigenstep.encoders.weights._matching import COUNTER, TIMM, Match, best_match, without_chunks
from eigenstep.encoders.weights._namings import OWN

# At least this share of a backbone's tensors must be in a file to start from it, and at least this share of
# what the file holds in the same place must be the backbone's: less is another network, or a deeper one.
LEAST_MATCHED = 0.75
# Names in one line.
NAMED = 3


@dataclass(frozen=True)
class Start:
    """What a run's backbone took from weights.

    Attributes
    ----------
    source : str
        The file, or the name of a pretrained model.
    matched, expected : int
        How many of the backbone's tensors were found, of how many; counters of batches aside.
    lines : tuple[str, ...]
        What was found where, adapted, initialised anew and left out, one line each.
    """

    source: str
    matched: int
    expected: int
    lines: tuple[str, ...]

    def facts(self) -> dict[str, object]:
        """What the summary keeps of it."""
        return {
            "source": self.source,
            "matched": self.matched,
            "expected": self.expected,
            "said": list(self.lines),
        }

    @classmethod
    def of_facts(cls, facts: Mapping[str, Any]) -> "Start":
        """What `facts` gave; ValueError for anything else.

        Examples
        --------
        >>> start = Start("w.pth", 2, 3, ("w.pth: 2 of the 3 tensors found",))
        >>> Start.of_facts(start.facts()) == start
        True
        """
        try:
            lines = tuple(str(line) for line in facts["said"])
            return cls(str(facts["source"]), int(facts["matched"]), int(facts["expected"]), lines)
        except (KeyError, TypeError) as error:
            raise ValueError(f"it does not say what a run started from ({error})") from error


def start_from(
    model: nn.Module,
    tensors: Mapping[str, Tensor],
    source: str,
    backbone: str,
    image_size: int,
    *,
    prefix: str | None = None,
) -> Start:
    """Load what a file holds of a backbone, in place.

    Parameters
    ----------
    tensors : Mapping[str, Tensor]
        As `read_weights` gives them.
    source, backbone, image_size
        What they are called in what is said.
    prefix : str | None
        What stands before the backbone's names in the file; default: the prefix by which most match.

    Raises
    ------
    ValueError
        In one line if less than `LEAST_MATCHED` of the backbone is in the file, if the file's network is a
        larger one, or if its numbers are not finite.

    Examples
    --------
    >>> layer = nn.Linear(2, 3)
    >>> file = {"model.weight": torch.ones(3, 2), "model.bias": torch.zeros(3), "head.bias": torch.zeros(9)}
    >>> for line in start_from(layer, file, "w.pth", "my layer", 8).lines:
    ...     print(line)
    w.pth: 2 of the 2 tensors of my layer found, under model.
    w.pth: left out head (1 tensor)
    """
    own = model.state_dict()
    expected = [name for name in own if not name.endswith(COUNTER)]
    tensors = without_chunks(model, tensors)
    match = best_match(model, tensors, prefix)
    missing = [name for name in expected if name not in match.tensors]
    _check(match, missing, own, tensors, source, f"{backbone} for images of {image_size} px", prefix)
    lines = [_found(match, source, backbone, len(expected))]
    lines += [f"{source}: adapted {said}" for said in match.said]
    if match.others:
        lines.append(
            f"{source}: {match.prefix or 'the top'} was taken; as many are under {_few(match.others)}"
            " (--weights-prefix)"
        )
    if missing:
        lines.append(f"{source}: initialised anew: {_anew(missing, match, own)}")
    left = _left_out(match, tensors)
    if left:
        lines.append(f"{source}: left out {left}")
    model.load_state_dict(match.tensors, strict=False)
    return Start(source, match.count, len(expected), tuple(lines))


def _check(
    match: Match,
    missing: list[str],
    own: Mapping[str, Tensor],
    tensors: Mapping[str, Tensor],
    source: str,
    network: str,
    prefix: str | None,
) -> None:
    expected, named = match.count + len(missing), [name for name in tensors if not name.endswith(COUNTER)]
    if match.count < LEAST_MATCHED * expected:
        there = [*match.misshapen, *(name for name in missing if name not in match.misshapen)]
        example = _wrong(there[0], match, own) if match.count else f"the file has {_few(named)}"
        raise ValueError(
            f"{source} does not fit {network}: {match.count} of its {expected} tensors are there"
            + ("" if prefix is None else f" under the prefix {prefix!r}")
            + f", expected at least {LEAST_MATCHED:.0%} ({example}); give the weights of this --backbone,"
            " or the backbone of these weights"
        )
    beside = _of_the_same_network(match, tensors)
    if len(match.used) < LEAST_MATCHED * (len(match.used) + len(beside)):
        raise ValueError(
            f"{source} is of a larger network than {network}: {len(beside)} of its"
            f" {len(match.used) + len(beside)} tensors would be left out, such as {beside[0]},"
            f" expected at most {1 - LEAST_MATCHED:.0%}; choose the --backbone of these weights"
        )
    for name, tensor in match.tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"{source} is damaged: {name} is not finite; give another checkpoint")


def _of_the_same_network(match: Match, tensors: Mapping[str, Tensor]) -> list[str]:
    """What the file holds in modules of the matched network and the backbone has not."""
    if match.naming == TIMM:
        return []
    modules = {_head(full.removeprefix(match.prefix)) for full in match.used}
    return [
        full
        for full in tensors
        if full.startswith(match.prefix)
        and full not in match.used
        and not full.endswith(COUNTER)
        and _head(full.removeprefix(match.prefix)) in modules
    ]


def _found(match: Match, source: str, backbone: str, expected: int) -> str:
    where = f", under {match.prefix}" if match.prefix else ""
    whose = "" if match.naming == OWN else f", in the names of {match.naming}"
    whose = ", in a form that timm converts" if match.naming == TIMM else whose
    return f"{source}: {match.count} of the {expected} tensors of {backbone} found{where}{whose}"


def _anew(missing: list[str], match: Match, own: Mapping[str, Tensor]) -> str:
    misshapen = [name for name in missing if name in match.misshapen]
    absent = [name for name in missing if name not in match.misshapen]
    said = [_wrong(name, match, own) for name in misshapen[:NAMED]]
    said += [f"and {len(misshapen) - NAMED} more of other shapes"] if len(misshapen) > NAMED else []
    if any(name.startswith("conv1.") and _is_kernel(own[name]) for name in missing):
        said.append("the stem starts anew, for images of up to 64 px have a smaller one")
    if absent:
        said.append(f"{_few(absent)} not in the file")
    return "; ".join(said)


def _is_kernel(tensor: Tensor) -> bool:
    """Whether it is a convolution's."""
    return tensor.ndim == 4


def _wrong(name: str, match: Match, own: Mapping[str, Tensor]) -> str:
    if name in match.misshapen:
        return f"{name} is {_shape(match.misshapen[name])}, expected {_shape(tuple(own[name].shape))}"
    return f"{name} is missing"


def _left_out(match: Match, tensors: Mapping[str, Tensor]) -> str:
    if match.naming == TIMM:
        return ""
    rest = Counter(
        match.prefix + _head(full.removeprefix(match.prefix)) if full.startswith(match.prefix) else _top(full)
        for full in tensors
        if full not in match.used and not full.endswith(COUNTER)
    )
    parts = [f"{name} ({count} tensor{'s' * (count != 1)})" for name, count in rest.most_common(NAMED + 2)]
    return ", ".join(parts) + (f" and {len(rest) - len(parts)} more" if len(rest) > len(parts) else "")


def _head(name: str) -> str:
    return name.partition(".")[0]


def _top(name: str) -> str:
    """The first parts of a name, past those that say only that weights are here."""
    parts = name.split(".")[:-1] or [name]
    skipped = 0
    while skipped < len(parts) - 1 and parts[skipped] in ("state_dict", "model", "module"):
        skipped += 1
    return ".".join(parts[: skipped + 1])


def _few(names: list[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def _shape(sizes: tuple[int, ...]) -> str:
    return "×".join(map(str, sizes)) or "a number"
