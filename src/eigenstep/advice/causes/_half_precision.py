"""Half precision overflows: the scaler skips steps."""

from eigenstep.advice._signs import Signs
from eigenstep.advice.causes._cause import Action, Cause, Evidence, below

SCALE = 16.0


def _weigh(signs: Signs, ill: bool) -> list[Evidence]:
    scale = signs["loss_scale"]
    if not below(scale, SCALE):
        return []
    return [
        Evidence(f"the loss's scale in float16 has been halved to {scale:g}, a step skipped each time", 1.0)
    ]


def _act(signs: Signs) -> Action:
    return Action(
        "Set --precision bf16-mixed, or 32-true where the hardware has no bfloat16",
        {"precision": "bf16-mixed"},
        "no step that is skipped",
        "Use torch.autocast(device, dtype=torch.bfloat16), or float32 where the hardware has no bfloat16",
    )


CAUSE = Cause(
    "half_precision", "numbers overflow in float16, so that steps are skipped", _weigh, _act,
    trial="none: it needs a GPU, and was not provoked",
)  # fmt: skip
