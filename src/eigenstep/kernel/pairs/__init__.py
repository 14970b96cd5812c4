"""Which views belong together, and what an objective makes of that: the operator A of modes A K a = gamma a.

A pair graph says which views are of one sample: `paired`, `grouped`, `from_matrix`, `unpaired` and
`weighted_views` make one.
`sample_share` and `some_samples` take whole samples out of it. A `SmallStartObjective` (`BarlowTwins`,
`SimCLR`, `VICReg`, `LeJEPA`; `OBJECTIVES` by name) turns it into the `PairOperator` whose modes a loss learns
first.
"""

from typing import TYPE_CHECKING

from eigenstep.lazy import lazily

if TYPE_CHECKING:
    from eigenstep.kernel.pairs._grouped_views import GroupedViews, grouped
    from eigenstep.kernel.pairs._lejepa import LeJEPA
    from eigenstep.kernel.pairs._objectives import (
        OBJECTIVES,
        BarlowTwins,
        SimCLR,
        VICReg,
        make_objective,
        objective_operator,
    )
    from eigenstep.kernel.pairs._pair_graph import (
        EdgeBlock,
        PairGraph,
        paired,
        runs,
        unpaired,
        weighted_views,
    )
    from eigenstep.kernel.pairs._pair_operator import PairOperator
    from eigenstep.kernel.pairs._sample_share import sample_share, some_samples
    from eigenstep.kernel.pairs._small_start_objective import SmallStartObjective
    from eigenstep.kernel.pairs._weighted_pairs import from_matrix
else:
    __getattr__, __dir__ = lazily(__name__)

__all__ = [
    "OBJECTIVES",
    "BarlowTwins",
    "EdgeBlock",
    "GroupedViews",
    "LeJEPA",
    "PairGraph",
    "PairOperator",
    "SimCLR",
    "SmallStartObjective",
    "VICReg",
    "from_matrix",
    "grouped",
    "make_objective",
    "objective_operator",
    "paired",
    "runs",
    "sample_share",
    "some_samples",
    "unpaired",
    "weighted_views",
]
