"""Whether the embeddings or the loss grow out of all bounds."""

import numpy as np

from eigenstep.spectrum.verdicts._signals import Signals

# Squared norm beside its first value and beside 1 a direction.
OUTGROWN = 1e3
# Rise of the loss above its best value beside what it has fallen, and of the squared norm meanwhile.
LOSS_RISE, SIZE_RISE = 10.0, 3.0


def find_explosion(signals: Signals) -> str | None:
    """How the last measurement tells of an explosion, or None."""
    if not len(signals):
        return None
    if not np.isfinite(signals.eigenvalues[-1]).all():
        return "the embeddings are no longer finite"
    loss = signals.loss
    if len(loss) > 1 and not np.isfinite(loss[-1]) and _was_finite(loss):
        return "the loss is no longer finite"
    known = signals.finite()
    size = known.size
    bound = OUTGROWN * max(size[0], signals.dim)
    if size[-1] > bound:
        return f"the embeddings' squared norm has grown from {size[0]:.3g} to {size[-1]:.3g}"
    if np.isfinite(known.loss).all():
        best = int(np.argmin(known.loss))
        scale = known.loss[0] - known.loss[best] + 0.1 * abs(known.loss[0])
        rise = known.loss[-1] - known.loss[best]
        if rise > LOSS_RISE * scale and size[-1] > SIZE_RISE * size[best]:
            return (
                f"the loss has gone from {known.loss[best]:.3g} to {known.loss[-1]:.3g} and the embeddings'"
                f" squared norm from {size[best]:.3g} to {size[-1]:.3g}"
            )
    return None


def _was_finite(loss: np.ndarray) -> bool:
    """Whether the loss was known until it ceased to be finite for good."""
    finite = np.isfinite(loss)
    return bool(finite.any() and finite[: int(np.flatnonzero(finite)[-1]) + 1].all())
