"""Checks of the network: what learns, what stands still, and what its layers see."""

from collections.abc import Iterable

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from eigenstep.advice.checks._finding import Check, Finding, doubtful, not_checked, passed, wrong
from eigenstep.advice.checks._known import Known

# Of rectified units so many may be silent at the start: sound networks had at most .03 (resnet18,
# test_resnet and convnet on CIFAR-10 and Imagenette at 32 px, by `eigenstep check`).
SILENT_SHARE = 0.1
# Losses without anything that keeps embeddings apart learn by batch normalisation in the head.
NEEDS_NORM_IN_HEAD = ("BYOL", "SimSiam", "NegativeCosineSimilarity")
# Names that copies of an encoder go by.
TEACHERS = ("teacher", "target", "momentum", "ema")
FROZEN = "requires_grad is off"
_NAMED = 3


def _runs(known: Known) -> Finding:
    trial = known.trial
    if trial.failed_at:
        where = {"copy": "the training cannot be copied", "forward": "the forward pass failed"}
        what = where.get(trial.failed_at, f"the {trial.failed_at} failed")
        sentence = f"{what}: {trial.failure}"
        if trial.failed_at == "copy":
            return not_checked(f"{sentence}; nothing was run, so that nothing changes")
        return wrong(sentence, "make one step of the loop run by hand first")
    return passed(f"three steps ran on a copy, of {trial.rows} pairs each")


def _moves(known: Known) -> Finding:
    trial, loop = known.trial, known.loop
    if not trial.passed or trial.failed_at:
        return not_checked("no steps could be run")
    if loop.optimizer is None or trial.passed[0].loss is None:
        return not_checked("needs a loss and an optimizer")
    rates = [
        float(group.get("lr", 1.0)) or float(group.get("initial_lr", 0.0))
        for group in loop.optimizer.param_groups
    ]
    if not any(rates):
        return wrong("every learning rate is 0", "give the optimizer a rate above 0")
    frozen = known.config is not None and known.config.freeze != "none"
    still: dict[str, str] = {}
    for name, module in loop.model.named_modules():
        own = {
            f"{name}.{each}" if name else each: value
            for each, value in module.named_parameters(recurse=False)
        }
        if not own or _is_teacher(known, module):
            continue
        learns = [each for each in own if trial.reached.get(each) and each in trial.held]
        if learns or (frozen and not any(value.requires_grad for value in own.values())):
            continue
        if not any(value.requires_grad for value in own.values()):
            still[name] = FROZEN
        elif not any(each in trial.held for each in own):
            still[name] = "not in the optimizer"
        else:
            still[name] = "no gradient reaches it"
    if not still:
        return passed(
            "gradients reach every part, and the optimizer holds them"
            + (", but what is frozen" if frozen else "")
        )
    words = "; ".join(f"{name or 'the model'}: {why}" for name, why in list(still.items())[:_NAMED])
    more = f"; and {len(still) - _NAMED} more" if len(still) > _NAMED else ""
    if set(still.values()) == {FROZEN}:
        return doubtful(
            f"{len(still)} parts of the network are frozen: {words}{more}",
            known.option("say --freeze", "requires_grad_(True) on these parts, unless it is meant"),
        )
    return wrong(
        f"{len(still)} parts of the network never move: {words}{more}",
        known.option(
            "leave out what freezes them, or say --freeze",
            "give the optimizer model.parameters() after the model is whole; let no .detach() stand between"
            " the parts and the loss",
        ),
    )


def _norms(known: Known) -> Finding:
    norms = {name: each for name, each in known.loop.model.named_modules() if isinstance(each, _BatchNorm)}
    if not norms:
        return passed("there is no batch normalisation")
    if not known.loop.model.training:
        return doubtful("the model is in evaluation mode", "call model.train() before the loop")
    frozen = known.config is not None and known.config.freeze != "none"
    still = [name for name, each in norms.items() if not each.training and not _is_teacher(known, each)]
    if still and not frozen:
        return wrong(
            f"{len(still)} of {len(norms)} batch norms are in evaluation mode ({', '.join(still[:_NAMED])})",
            "call model.train() before the loop; of weights that are to stay use requires_grad_(False)",
        )
    return passed(
        f"{len(norms)} batch norms, in training mode" + (" where they are not frozen" if still else "")
    )


def _head(known: Known) -> Finding:
    loss, config = known.loop.loss, known.config
    name = type(loss).__name__
    if config is not None:
        from eigenstep.methods import method_named  # needs what training needs

        name = method_named(config.loss).title
    if name not in NEEDS_NORM_IN_HEAD:
        return passed(
            "the loss needs no batch normalisation in the head" if loss or config else "no loss was given"
        )
    if config is not None:
        with_norm = config.projector.batch_norm
        layers = "the projector's layers"
    else:
        after = _after_the_last_of(known.loop.model, (nn.Conv1d, nn.Conv2d, nn.Conv3d))
        with_norm, layers = (
            any(isinstance(each, _BatchNorm) for each in after),
            "the layers behind the convolutions",
        )
    if with_norm:
        return passed(f"{name} needs batch normalisation in the head, and {layers} have it")
    return doubtful(
        f"{name} collapses without batch normalisation in the head, and {layers} have none",
        known.option(
            "give --projector.batch-norm", "put torch.nn.BatchNorm1d behind the head's hidden layers"
        ),
    )


def _teacher(known: Known) -> Finding:
    loop = known.loop
    teacher, name = loop.teacher, "the teacher"
    if teacher is None:
        for place, module in loop.model.named_modules():
            last = place.rsplit(".", 1)[-1].lower()
            if any(word in last for word in TEACHERS) and any(True for _ in module.parameters()):
                teacher, name = module, place
                break
    if teacher is None:
        return passed("there is no teacher")
    inside = {id(each) for each in teacher.modules()}
    students = [module for module in loop.model.modules() if id(module) not in inside]
    own = (
        {each.data_ptr() for module in students for each in module.parameters(recurse=False)}
        if students
        else set()
    )
    if teacher is loop.model:
        own = {each.data_ptr() for each in teacher.parameters()}
    shared = [each for each, value in teacher.named_parameters() if value.data_ptr() in own]
    if shared:
        return wrong(
            f"{name} shares {len(shared)} weights with the student ({shared[0]}): it is the student",
            "make it by copy.deepcopy(student).requires_grad_(False)",
            "shared",
        )
    held = {
        id(each)
        for group in (loop.optimizer.param_groups if loop.optimizer else [])
        for each in group["params"]
    }
    if any(id(each) in held for each in teacher.parameters()):
        return wrong(
            f"the optimizer holds weights of {name}", "give the optimizer the student's parameters alone"
        )
    if any(each.requires_grad for each in teacher.parameters()):
        return doubtful(
            f"gradients are kept of {name}", "teacher.requires_grad_(False), and torch.no_grad() around it"
        )
    return passed(f"{name} is a copy of its own, without gradients")


def _maps(known: Known) -> Finding:
    maps = known.trial.maps
    if not maps:
        return not_checked("no convolution was seen to run")
    small = {name: sides for name, sides in maps.items() if sides[0] < 2}
    if small:
        first, (side, kernel) = next(iter(small.items()))
        return doubtful(
            f"{len(small)} of {len(maps)} convolutions see a map of one pixel, from {first} on ({kernel}"
            f" px wide on {side}): the strides are made for larger images",
            known.option(
                "give a larger --images.size, or a --backbone with a stem for small images, such as"
                " resnet18_small",
                "use a stem of stride 1 without pooling for small images, or larger images",
            ),
        )
    last, (side, _) = min(maps.items(), key=lambda each: each[1][0])
    return passed(f"the smallest map that a convolution sees is {side} px wide ({last})")


def _silent(known: Known) -> Finding:
    trial = known.trial
    if trial.passed:
        z = torch.cat([trial.passed[0].z_a, trial.passed[0].z_b])
        constant = int((z == z[0]).all(0).sum())
        if constant == z.shape[1]:
            return wrong(
                "the embeddings of all samples are equal",
                known.option(
                    "take --projector.init-scale above 0",
                    "see that the last layers are not zero and the input arrives",
                ),
            )
        if constant:
            return doubtful(
                f"{constant} of {z.shape[1]} dimensions of the embedding are the same for every sample",
                "see what the last layers begin with",
            )
    if not trial.units:
        return not_checked("no rectifier was seen to run as a module")
    share = trial.silent / trial.units
    words = f"{trial.silent} of {trial.units} rectified units, in {trial.rectifiers} layers, are always 0"
    if share > SILENT_SHARE:
        return doubtful(
            words,
            known.option(
                "give a smaller --optimizer.lr, or other weights", "lower the rate; see how biases begin"
            ),
            "units",
        )
    return passed(words)


def _is_teacher(known: Known, module: nn.Module) -> bool:
    teachers: Iterable[nn.Module] = [known.loop.teacher] if known.loop.teacher else []
    named = [
        each
        for name, each in known.loop.model.named_modules()
        if any(word in name.lower() for word in TEACHERS)
    ]
    return any(module is each for top in [*teachers, *named] for each in top.modules())


def _after_the_last_of(model: nn.Module, kinds: tuple[type[nn.Module], ...]) -> list[nn.Module]:
    modules = list(model.modules())
    last = max((place for place, each in enumerate(modules) if isinstance(each, kinds)), default=-1)
    # A convolution's own norm stands right behind it.
    return modules[last + 2 :] if last >= 0 else modules


CHECKS = (
    Check("runs", "network", _runs),
    Check("moves", "network", _moves),
    Check("norms", "network", _norms),
    Check("head", "network", _head),
    Check("teacher", "network", _teacher),
    Check("maps", "network", _maps),
    Check("silent", "network", _silent),
)
