"""Closed forms of step-by-step learning, in NumPy float64, with the simulators that check them.

The model is f(x) = W x trained on L = ||C - I||^2, where C is the embeddings' cross-correlation over
positive pairs (Barlow Twins without batch normalisation). From a small start each eigenmode of the data's
cross-correlation is learned alone, along a logistic curve whose time is known beforehand. Equations and names
follow Simon et al., "On the Stepwise Nature of Self-Supervised Learning", ICML 2023, arXiv:2303.15438.

The same under the gradient preconditioned at the embeddings and under orthogonalised updates: `rule=`.
`families` has other ways of learning in the same form: autoencoders, supervised layers, two encoders, word
embeddings.

Time is t = learning rate x step everywhere, and eigenvalues descend.
"""

from typing import TYPE_CHECKING

from eigenstep.lazy import lazily

if TYPE_CHECKING:
    from eigenstep.theory._aligned_start import AlignedStart, aligned_start, start_scales
    from eigenstep.theory._cross_correlation import CrossCorrelation, cross_correlation
    from eigenstep.theory._eigenmodes import top_eigenmodes
    from eigenstep.theory._kernel_flow import kernel_gradient_flow
    from eigenstep.theory._learning_times import critical_times, half_times, rise_widths
    from eigenstep.theory._linear_solution import LinearSolution, solve_linear
    from eigenstep.theory._mode_trajectories import loss_curve, mode_eigenvalues, mode_scales
    from eigenstep.theory._momentum import momentum_growth
    from eigenstep.theory._preconditioned_modes import PreconditionedMode
    from eigenstep.theory._simulation import Simulation, gradient_descent, gradient_flow
    from eigenstep.theory._subspace_overlap import subspace_overlap
    from eigenstep.theory._update_rules import Preconditioner, Rule
    from eigenstep.theory._vicreg_plateaus import vicreg_plateau
    from eigenstep.theory.families import (
        CLIP,
        Autoencoder,
        BarlowTwins,
        CrossViewAutoencoder,
        Family,
        FamilyRun,
        FamilySolution,
        SpectralContrastive,
        TwoLayerSupervised,
        WordEmbeddings,
        cooccurrence,
        second_moment,
        word_target,
    )
else:
    __getattr__, __dir__ = lazily(__name__)

__all__ = [
    "CLIP",
    "AlignedStart",
    "Autoencoder",
    "BarlowTwins",
    "CrossCorrelation",
    "CrossViewAutoencoder",
    "Family",
    "FamilyRun",
    "FamilySolution",
    "LinearSolution",
    "PreconditionedMode",
    "Preconditioner",
    "Rule",
    "Simulation",
    "SpectralContrastive",
    "TwoLayerSupervised",
    "WordEmbeddings",
    "aligned_start",
    "cooccurrence",
    "critical_times",
    "cross_correlation",
    "gradient_descent",
    "gradient_flow",
    "half_times",
    "kernel_gradient_flow",
    "loss_curve",
    "mode_eigenvalues",
    "mode_scales",
    "momentum_growth",
    "rise_widths",
    "second_moment",
    "solve_linear",
    "start_scales",
    "subspace_overlap",
    "top_eigenmodes",
    "vicreg_plateau",
    "word_target",
]
