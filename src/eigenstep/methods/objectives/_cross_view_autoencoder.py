"""Cross-view autoencoder: each view is given back from the other one's embedding."""

import torch

from eigenstep.methods._objective import Embeddings, LossAndTerms
from eigenstep.methods.objectives._decoder import Reconstruction


class CrossViewAutoencoder(Reconstruction):
    """The mean squared error of each view, given back from the other one's embedding.

        L = 1/2 mean_i [ |g(a_i) - x'_i|^2 + |g(b_i) - x_i|^2 ] / m

    x_i, x'_i: the two views of image i, of m numbers each, and a_i, b_i their embeddings. What the views do
    not share cannot be given back and is not learned. It is the correspondence autoencoder of Kamper et al.
    2015 (ICASSP), whose pairs are found in the data. A denoising autoencoder (Vincent et al. 2008, ICML)
    gives back the clean image: of views of one's own from Python, one clean and one noisy, half of this loss
    is that. Of linear networks `eigenstep.theory.CrossViewAutoencoder` knows what is learned when.

    Examples
    --------
    >>> views, objective = torch.rand(2, 4, 3, 8, 8), CrossViewAutoencoder(dim=5, decoder="linear")
    >>> objective.begin((3, 8, 8))
    >>> batch = Embeddings(torch.randn(4, 5), torch.randn(4, 5), view_a=views[0], view_b=views[1])
    >>> loss, terms = objective(batch)
    >>> loss.shape, terms
    (torch.Size([]), {})
    """

    def forward(self, batch: Embeddings) -> LossAndTerms:
        assert batch.view_a is not None
        assert batch.view_b is not None
        embeddings, others = torch.cat([batch.z_a, batch.z_b]), torch.cat([batch.view_b, batch.view_a])
        return self.errors(embeddings, others).mean(), {}
