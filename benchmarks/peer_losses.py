"""Losses of others that treat early and late modes more alike, as callables of two views (batch, dim).

| name | what | values |
| --- | --- | --- |
| `frossl` | FroSSL, lightly's: the Frobenius norm of the covariance (arXiv:2310.02903) | lightly's default |
| `w_mse` | W-MSE: whitened views agree (arXiv:2007.06346) | Eigenstep's `WMSELoss` |
| `log_det` | CorInfoMax: log det of a running covariance (arXiv:2209.07999) | its authors' for CIFAR-10 |
| `iso` | IsoLoss, Euclidean: the gradient W_P z - z', W_P from Cov (arXiv:2212.04858) | power 1/2 |
"""

import torch
from lightly.loss import FroSSLLoss
from torch import Tensor, nn
from torch.nn import functional

from eigenstep.losses import WMSELoss


class FroSSL(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.loss = FroSSLLoss()

    def forward(self, z_a: Tensor, z_b: Tensor) -> Tensor:
        return self.loss([z_a, z_b])


class LogDet(nn.Module):
    """-(log det R_a + log det R_b) / dim + 250 |z_a - z_b|^2 of unit vectors; R forgets 1 % a batch."""

    def __init__(self, alpha: float = 250.0, forget: float = 0.01, eps: float = 1e-8) -> None:
        super().__init__()
        self.alpha, self.forget, self.eps = alpha, forget, eps
        self.states: dict[str, tuple[Tensor, Tensor]] = {}

    def forward(self, z_a: Tensor, z_b: Tensor) -> Tensor:
        a, b = (functional.normalize(z, dim=1) for z in (z_a, z_b))
        entropy = self._log_det("a", a) + self._log_det("b", b)
        return -entropy / z_a.shape[1] + self.alpha * functional.mse_loss(a, b)

    def _log_det(self, view: str, z: Tensor) -> Tensor:
        identity = torch.eye(z.shape[1], dtype=z.dtype, device=z.device)
        covariance, mean = self.states.get(view, (identity, torch.zeros_like(z[0])))
        mean = (1 - self.forget) * mean + self.forget * z.mean(0)
        centred = z - mean
        covariance = (1 - self.forget) * covariance + self.forget * centred.T @ centred / len(z)
        self.states[view] = covariance.detach(), mean.detach()
        return torch.logdet(covariance + self.eps * identity)


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


PEERS = {"frossl": FroSSL, "w_mse": WMSELoss, "log_det": LogDet, "iso": Iso}
