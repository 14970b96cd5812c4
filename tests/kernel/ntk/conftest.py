import pytest
import timm
import torch
from torch import nn
from torch.nn import functional as F


class SharedLinear(nn.Module):
    """One layer applied three times around residual connections."""

    def __init__(self):
        super().__init__()
        self.first, self.again, self.last = nn.Linear(5, 6), nn.Linear(6, 6), nn.Linear(6, 3)

    def forward(self, x):
        x = self.first(x)
        for _ in range(3):
            x = x + torch.tanh(self.again(x))
        return self.last(x)


class SharedConvolution(nn.Module):
    """One convolution on images of two sizes."""

    def __init__(self):
        super().__init__()
        self.first, self.again = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.last = nn.Linear(4, 3)

    def forward(self, x):
        x = F.avg_pool2d(self.again(torch.relu(self.first(x))), 2)
        return self.last(torch.relu(self.again(x)).mean((2, 3)))


class Tokens(nn.Module):
    """Tokens and positions, a transformer whose batch is the second axis, and the embedding as last layer."""

    def __init__(self):
        super().__init__()
        self.embedding, self.position = nn.Embedding(11, 8, padding_idx=0), nn.Embedding(6, 8)
        self.block = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0)
        self.last = nn.Linear(8, 11, bias=False)
        self.last.weight = self.embedding.weight

    def forward(self, tokens):
        x = self.embedding(tokens) + self.position(torch.arange(6))
        return self.last(self.block(x.transpose(0, 1)).mean(0))


class Bare(nn.Module):
    """Parameters without layers: repeated, added, multiplied, viewed, and one that nothing uses."""

    def __init__(self):
        super().__init__()
        self.token, self.scale = nn.Parameter(torch.randn(1, 1, 4)), nn.Parameter(torch.randn(4))
        self.shift, self.matrix = nn.Parameter(torch.randn(3, 4)), nn.Parameter(torch.randn(4, 5))
        self.unused = nn.Parameter(torch.randn(2))

    def forward(self, x):
        x = torch.cat((self.token.expand(len(x), -1, -1), x), dim=1)
        x = (2.0 - self.shift + x) * self.scale.view(1, 1, -1)
        return (x.tanh() @ self.matrix).square().mean(1)


class Scalars(nn.Module):
    """Parameters without axes: a temperature, a scale of logits, a share of a branch, and a divisor."""

    def __init__(self):
        super().__init__()
        self.temperature, self.logit_scale = nn.Parameter(torch.tensor(0.7)), nn.Parameter(torch.tensor(0.3))
        self.share, self.divisor = nn.Parameter(torch.tensor(0.0)), nn.Parameter(torch.tensor(1.5))
        self.branch, self.last = nn.Linear(24, 24), nn.Linear(24, 7)

    def forward(self, x):
        x = x * self.temperature
        x = x + self.share * torch.tanh(self.branch(x))
        return self.last(x / self.divisor) * self.logit_scale.exp()


class LastOfGRU(nn.Module):
    def __init__(self):
        super().__init__()
        self.recurrent, self.last = nn.GRU(4, 3, batch_first=True), nn.Linear(3, 2)

    def forward(self, x):
        return self.last(self.recurrent(x)[0][:, -1])


class Recurrent(nn.Module):
    """A cell that is called for each step; its two pairs of weight and bias are of one module."""

    def __init__(self, cell):
        super().__init__()
        self.cell, self.last = cell, nn.Linear(3, 2)

    def forward(self, x):
        state = None
        for step in x.unbind(1):
            state = self.cell(step, state)
        return self.last(state[0] if isinstance(state, tuple) else state)


class SeveralWeights(nn.Module):
    """A layer written by hand: pairs of one module, and a bias and a weight that meet again elsewhere."""

    def __init__(self):
        super().__init__()
        self.pixels, self.of_pixels = nn.Parameter(torch.randn(5, 3, 3, 3)), nn.Parameter(torch.randn(5))
        self.again, self.of_again = nn.Parameter(torch.randn(5, 5, 3, 3)), nn.Parameter(torch.randn(5))
        self.mixed, self.of_mixed = nn.Parameter(torch.randn(5, 5)), nn.Parameter(torch.randn(5))
        self.last, self.of_last = nn.Parameter(torch.randn(2, 5)), nn.Parameter(torch.randn(2))

    def forward(self, x):
        x = F.conv2d(x, self.pixels, self.of_pixels, padding=1).tanh()
        x = F.conv2d(x, self.again, self.of_again, stride=2).tanh().mean((2, 3))
        x = F.linear(x, self.mixed, self.of_again).tanh() + F.linear(x, self.mixed.T, self.of_mixed)
        return F.linear(x, self.last, self.of_last)


class SeveralNames(nn.Module):
    """Modules that are registered twice, with parameters and buffers, and a weight of two layers."""

    def __init__(self):
        super().__init__()
        self.first, self.norm, self.tied = nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 4)
        self.again, self.norm_again = self.first, self.norm
        self.tied.weight = self.first.weight
        self.layers = nn.ModuleList([self.first, self.norm, nn.Linear(4, 3)])

    def forward(self, x):
        x = self.norm_again(self.again(self.norm(self.first(x)).tanh()))
        return self.layers[2](self.tied(x))


class LastOfLSTM(nn.Module):
    def __init__(self):
        super().__init__()
        self.recurrent = nn.LSTM(4, 3, 2, batch_first=True)

    def forward(self, x):
        return self.recurrent(x)[0][:, -1]


class Bilinear(nn.Module):
    def __init__(self):
        super().__init__()
        self.form = nn.Bilinear(4, 4, 3)

    def forward(self, x):
        return self.form(x, x)


def mlp():
    sizes = [nn.Linear(48, 20), nn.ReLU(), nn.Linear(20, 20), nn.ReLU(), nn.Linear(20, 7)]
    return nn.Sequential(nn.Flatten(), *sizes), torch.randn(9, 3, 4, 4)


def convnet():
    """Strides, dilation, groups, normalisation, pooling, and ReLU that works in place."""
    layers = [nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU(inplace=True)]
    layers += [
        nn.Conv2d(8, 12, 3, dilation=2, padding=2, groups=4, bias=False),
        nn.GroupNorm(3, 12),
        nn.GELU(),
    ]
    layers += [nn.Conv2d(12, 16, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 6)]
    return nn.Sequential(*layers), torch.randn(7, 3, 16, 16)


def resnet18():
    return timm.create_model("resnet18", num_classes=2), torch.randn(3, 3, 32, 32)


def vit():
    sizes = {"img_size": 16, "patch_size": 4, "depth": 3, "embed_dim": 32, "num_heads": 2}
    return timm.create_model("vit_tiny_patch16_224", num_classes=4, **sizes), torch.randn(5, 3, 16, 16)


def convnext():
    sizes = {"depths": (1, 1, 2, 1), "dims": (8, 16, 24, 32)}
    return timm.create_model("convnext_atto", num_classes=3, **sizes), torch.randn(4, 3, 32, 32)


def swin():
    sizes = {"img_size": 56, "embed_dim": 24, "depths": (1, 1, 2), "num_heads": (1, 2, 4)}
    return timm.create_model("swin_tiny_patch4_window7_224", num_classes=3, **sizes), torch.randn(
        3, 3, 56, 56
    )


def weight_norm():
    first = nn.utils.parametrizations.weight_norm(nn.Linear(5, 4))
    return nn.Sequential(first, nn.Tanh(), nn.Linear(4, 3)), torch.randn(6, 5)


def volumes():
    first = nn.Conv3d(2, 4, 3, stride=2, padding=1, padding_mode="circular")
    return nn.Sequential(first, nn.ReLU(), nn.Flatten(), nn.Linear(32, 2)), torch.randn(5, 2, 4, 4, 4)


def transposed():
    layers = [nn.ConvTranspose2d(3, 4, 3), nn.PReLU(4), nn.Flatten(), nn.Linear(144, 5, bias=False)]
    return nn.Sequential(*layers), torch.randn(5, 3, 4, 4)


def sequences():
    layers = [
        nn.Linear(4, 6),
        nn.LayerNorm([3, 6]),
        nn.ReLU(),
        nn.Linear(6, 6),
        nn.Flatten(),
        nn.Linear(18, 2),
    ]
    return nn.Sequential(*layers), torch.randn(6, 3, 4)


def signals():
    layers = [nn.Conv1d(3, 4, 3, dilation=2), nn.BatchNorm1d(4), nn.ReLU(), nn.Flatten(), nn.Linear(32, 2)]
    return nn.Sequential(*layers), torch.randn(5, 3, 12)


NETWORKS = {
    "mlp": mlp,
    "convnet": convnet,
    "resnet18": resnet18,
    "vit": vit,
    "convnext": convnext,
    "swin": swin,
    "shared linear": lambda: (SharedLinear(), torch.randn(7, 5)),
    "shared convolution": lambda: (SharedConvolution(), torch.randn(7, 3, 6, 6)),
    "tokens": lambda: (Tokens(), torch.randint(0, 11, (9, 6))),
    "bare parameters": lambda: (Bare(), torch.randn(6, 2, 4)),
    "scalars": lambda: (Scalars(), torch.randn(6, 24)),
    "weight norm": weight_norm,
    "volumes": volumes,
    "sequences": sequences,
    "signals": signals,
    "gru": lambda: (LastOfGRU(), torch.randn(5, 6, 4)),
    "lstm": lambda: (LastOfLSTM(), torch.randn(5, 6, 4)),
    "rnn cell": lambda: (nn.Sequential(Recurrent(nn.RNNCell(4, 3))), torch.randn(5, 3, 4)),
    "gru cell": lambda: (Recurrent(nn.GRUCell(4, 3)), torch.randn(5, 3, 4)),
    "lstm cell": lambda: (Recurrent(nn.LSTMCell(4, 3)), torch.randn(5, 3, 4)),
    "several weights": lambda: (nn.Sequential(SeveralWeights()), torch.randn(5, 3, 7, 7)),
    "several names": lambda: (SeveralNames(), torch.randn(6, 4)),
    "transposed": transposed,
    "bilinear": lambda: (Bilinear(), torch.randn(5, 4)),
}


@pytest.fixture
def network():
    """network(name): a model in float64 and evaluation mode, with weights that are not zero, and samples."""

    def build(name):
        torch.manual_seed(0)
        model, samples = NETWORKS[name]()
        model = model.double().eval()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter += 0.02 * torch.randn_like(parameter)
        return model, samples.double() if samples.is_floating_point() else samples

    return build


@pytest.fixture
def jacobian():
    """jacobian(model, samples) is (n, O, P), by a backward pass for every sample and output."""

    def differentiate(model, samples):
        parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        outputs = model(samples)
        outputs = outputs.flatten(1) if outputs.ndim > 1 else outputs[:, None]
        rows = [
            torch.autograd.grad(
                value, parameters, retain_graph=True, allow_unused=True, materialize_grads=True
            )
            for value in outputs.flatten()
        ]
        flat = torch.stack([torch.cat([part.flatten() for part in row]) for row in rows])
        return flat.view(*outputs.shape, -1)

    return differentiate


@pytest.fixture
def exact(jacobian):
    """exact(model, samples) is the kernel (n, n) of that Jacobian, by the formula."""

    def contract(model, samples):
        rows = jacobian(model, samples)
        return torch.einsum("iop,jop->ij", rows, rows) / rows.shape[1]

    return contract
