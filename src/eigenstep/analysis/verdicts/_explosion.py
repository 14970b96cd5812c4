"""Whether embeddings and loss grow out of all bounds."""

import numpy as np

from eigenstep.analysis.verdicts._signals import Signals

# Squared norm, beside its first value and beside 1 a direction; and beside that of a while ago, to go on.
SIZE_OUTGROWN, STILL_OUTGROWING = 1e3, 1.05
# Rise of the loss above its best, beside its fall to there and a tenth of its start; and of the squared norm.
LOSS_RISE, SIZE_RISE = 10.0, 3.0
# Measurements with a finite loss, after which one without it means something.
LOSSES_ALWAYS_FINITE = 5


def find_explosion(signals: Signals) -> str | None:
    """How the last measurement tells of an explosion, or None."""
    if not signals.finite[-1]:
        return "the embeddings are no longer finite"
    if not np.isfinite(signals.loss[-1]) and _was_known(signals.loss):
        return "the loss is no longer finite"
    known = signals.known()
    size, loss = known.size, known.last_loss
    if (
        size[-1] > SIZE_OUTGROWN * max(size[0], signals.dim)
        and size[-1] > STILL_OUTGROWING * size[-2 - len(size) // 4 :][0]
    ):
        return f"the embeddings' squared norm has gone from {size[0]:.2g} to {size[-1]:.2g}"
    if not np.isfinite(loss).all():
        return None
    best = int(np.argmin(loss))
    scale = loss[0] - loss[best] + 0.1 * abs(loss[0])
    if loss[-1] - loss[best] > LOSS_RISE * scale and size[-1] > SIZE_RISE * size[best]:
        return (
            f"the loss has gone from {loss[best]:.3g} to {loss[-1]:.3g}, and the embeddings' squared norm"
            f" from {size[best]:.2g} to {size[-1]:.2g}"
        )
    return None


def _was_known(loss: np.ndarray) -> bool:
    """Whether the loss was finite always until it no longer was: one told now and then proves nothing."""
    finite = np.isfinite(loss)
    return bool(finite.sum() >= LOSSES_ALWAYS_FINITE and finite[: finite.sum()].all())
