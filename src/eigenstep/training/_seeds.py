"""Where a step's randomness comes from."""

import numpy as np


def derived_seed(*entropy: int) -> int:
    """A seed for one purpose at one step, from the run's seed, the purpose's number and the step.

    Nothing random is kept from step to step, so a run can go on from any step.

    Examples
    --------
    >>> derived_seed(0, 1, 100) == derived_seed(0, 1, 100), derived_seed(0, 1, 100) == derived_seed(0, 1, 101)
    (True, False)
    """
    return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> np.uint64(1))
