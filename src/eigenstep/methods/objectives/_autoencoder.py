"""Autoencoder: each view is given back from its own embedding."""

import torch

from eigenstep.methods._objective import Embeddings, LossAndTerms
from eigenstep.methods.objectives._decoder import Reconstruction


class Autoencoder(Reconstruction):
    """The mean squared error of each view, given back from its own embedding.

        L = 1/2 mean_i [ |g(a_i) - x_i|^2 + |g(b_i) - x'_i|^2 ] / m

    x_i, x'_i: the two views of image i, of m numbers each, and a_i, b_i their embeddings. Hinton and
    Salakhutdinov 2006, Science 313:504. Of linear networks `eigenstep.theory.Autoencoder` knows what is
    learned when: it takes the sum over the m numbers, which makes its time m times shorter.

    Examples
    --------
    >>> views, objective = torch.rand(2, 4, 3, 8, 8), Autoencoder(dim=5)
    >>> objective.begin((3, 8, 8))
    >>> batch = Embeddings(torch.randn(4, 5), torch.randn(4, 5), view_a=views[0], view_b=views[1])
    >>> loss, terms = objective(batch)
    >>> loss.shape, terms
    (torch.Size([]), {})
    """

    def forward(self, batch: Embeddings) -> LossAndTerms:
        assert batch.view_a is not None
        assert batch.view_b is not None
        embeddings, views = torch.cat([batch.z_a, batch.z_b]), torch.cat([batch.view_a, batch.view_b])
        return self.errors(embeddings, views).mean(), {}
