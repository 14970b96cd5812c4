"""Losses of others that treat early and late modes more alike, as callables of two views (batch, dim).

| name | what | values |
| --- | --- | --- |
| `frossl` | FroSSL: the Frobenius norm of the covariance (arXiv:2310.02903) | Eigenstep's `FroSSLLoss` |
| `w_mse` | W-MSE: whitened views agree (arXiv:2007.06346) | Eigenstep's `WMSELoss` |
| `log_det` | CorInfoMax: log det of a running covariance (arXiv:2209.07999) | it keeps 99 %, authors' else |
| `iso` | IsoLoss, Euclidean: the gradient W_P z - z', W_P from Cov (arXiv:2212.04858) | power 1/2 |
"""

import torch
from torch import Tensor, nn

from eigenstep.losses import CorInfoMaxLoss, FroSSLLoss, WMSELoss


class LogDet(nn.Module):
    """CorInfoMax that forgets 1 % a batch, of embeddings of any dimension."""

    def __init__(self) -> None:
        super().__init__()
        self.loss: CorInfoMaxLoss | None = None

    def forward(self, z_a: Tensor, z_b: Tensor) -> Tensor:
        if self.loss is None:
            self.loss = CorInfoMaxLoss(z_a.shape[1], memory=0.99).to(z_a.device)
        return self.loss(z_a, z_b)


class Iso(nn.Module):
    """1/2 |z - sg(z' + z - W_P z)|^2 with W_P the root of the running second moment, both ways."""

    def __init__(self, decay: float = 0.9) -> None:
        super().__init__()
        self.decay = decay
        self.moment: Tensor | None = None

    def forward(self, z_a: Tensor, z_b: Tensor) -> Tensor:
        rows = torch.cat([z_a, z_b]).detach()
        batch = rows.T @ rows / len(rows)
        self.moment = batch if self.moment is None else torch.lerp(batch, self.moment, self.decay)
        values, vectors = torch.linalg.eigh(self.moment)
        predictor = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
        terms = [
            (z - (other + z - z @ predictor).detach()).square().sum(1).mean() / 2
            for z, other in ((z_a, z_b), (z_b, z_a))
        ]
        return torch.stack(terms).mean()


PEERS = {"frossl": FroSSLLoss, "w_mse": WMSELoss, "log_det": LogDet, "iso": Iso}
