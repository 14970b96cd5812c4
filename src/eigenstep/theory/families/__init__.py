"""Other ways of learning, solved as Barlow Twins is: one class for each.

    BarlowTwins            ||W Gamma W^T - I||^2                      p' = 8 gamma p (1 - gamma p)
    SpectralContrastive    -2 tr W Gamma W^T + ||W Sigma W^T||^2      p' = 8 p (gamma - sigma^2 p)
    Autoencoder            E||x - W^T W x||^2                         p' = 8 sigma p (1 - p)
    CrossViewAutoencoder   E||x' - W^T W x||^2                        p' = 8 p (gamma - sigma p)
    TwoLayerSupervised     E||y - B A x||^2                           a' = 4 a (c - sigma a)
    CLIP                   -log softmax(f . g), to fourth order       p' = 2 p (c - sigma_x sigma_y p)
    WordEmbeddings         1/4 ||W^T W - M||^2                        p' = 2 p (mu - p)

Each has `solve` for the course from a small start, `gradient_flow` for its simulation, and `loss`.
"""

from eigenstep.theory.families._family import Family, second_moment
from eigenstep.theory.families._family_solution import FamilyRun, FamilySolution
from eigenstep.theory.families._one_layer import (
    Autoencoder,
    BarlowTwins,
    CrossViewAutoencoder,
    SpectralContrastive,
)
from eigenstep.theory.families._two_encoders import CLIP
from eigenstep.theory.families._two_layers import TwoLayerSupervised
from eigenstep.theory.families._words import WordEmbeddings, cooccurrence, word_target

__all__ = [
    "CLIP",
    "Autoencoder",
    "BarlowTwins",
    "CrossViewAutoencoder",
    "Family",
    "FamilyRun",
    "FamilySolution",
    "SpectralContrastive",
    "TwoLayerSupervised",
    "WordEmbeddings",
    "cooccurrence",
    "second_moment",
    "word_target",
]
