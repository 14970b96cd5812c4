"""Empirical tangent kernels beside Google's neural-tangents.

The MLP and the convnet of empirical_ntk.py, with the same weights in PyTorch and in JAX, the mean over 10
outputs, float32, images of noise. neural-tangents in each of its ways to compute, by blocks of images and
compiled; calls after the first are timed.

neural-tangents 0.6.5 needs an old jax, and that NumPy 1, so this runs in an environment of its own:

    pip install . neural-tangents==0.6.5 jax==0.4.23 jaxlib==0.4.23 'tf2jax<0.3.8' 'numpy<2' 'scipy<1.13'
    python benchmarks/ntk_beside_neural_tangents.py [--images 100] [--block 50] [--repeats 3]
"""

import argparse
import importlib.util
import statistics
import time

import torch
from ntk_networks import convnet, mlp
from torch import nn

from eigenstep.kernel import empirical_ntk

if importlib.util.find_spec("neural_tangents") is None:
    print("skipped: neural-tangents is not installed, see the head of this file")
    raise SystemExit

# After PyTorch: TensorFlow comes with it, beside which some of PyTorch's libraries crash if they come later.
import jax
import neural_tangents as nt
import numpy as np
from jax import numpy as jnp

NETWORKS = {"mlp": mlp, "convnet": convnet}
WAYS = ("JACOBIAN_CONTRACTION", "NTK_VECTOR_PRODUCTS", "STRUCTURED_DERIVATIVES")


def in_jax(model):
    """The function of weights and images (n, c, h, w) that PyTorch's layers compute, and the weights."""
    weights = [
        (jnp.asarray(layer.weight.detach().numpy()), jnp.asarray(layer.bias.detach().numpy()))
        for layer in model
        if isinstance(layer, nn.Conv2d | nn.Linear)
    ]

    def function(weights, x):
        used = iter(weights)
        for layer in model:
            if isinstance(layer, nn.Conv2d):
                weight, bias = next(used)
                padding = [(size, size) for size in layer.padding]
                dimensions = ("NCHW", "OIHW", "NCHW")
                x = jax.lax.conv_general_dilated(
                    x, weight, layer.stride, padding, dimension_numbers=dimensions
                )
                x = x + bias[:, None, None]
            elif isinstance(layer, nn.Linear):
                weight, bias = next(used)
                x = x @ weight.T + bias
            elif isinstance(layer, nn.ReLU):
                x = jnp.maximum(x, 0)
            elif isinstance(layer, nn.AdaptiveAvgPool2d):
                x = x.mean((2, 3))
            elif isinstance(layer, nn.Flatten):
                x = x.reshape(len(x), -1)
        return x

    return function, weights


def seconds(work, repeats):
    """Median of some calls, after one that compiles."""
    result, taken = work(), []
    for _ in range(repeats):
        started = time.perf_counter()
        result = work()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken), result


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", nargs="+", default=["mlp", "convnet"], choices=["mlp", "convnet"])
    parser.add_argument("--ways", nargs="+", default=WAYS, choices=WAYS)
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--block", type=int, default=50, help="images of a block of neural-tangents")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    images = torch.randn(options.images, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    in_numpy = jnp.asarray(images.numpy())
    for name in options.networks:
        torch.manual_seed(0)
        model = NETWORKS[name]().eval()
        own, kernel = seconds(
            lambda model=model: empirical_ntk(model, images).matrix.numpy(), options.repeats
        )
        print(f"{name}, n = {len(images)}: empirical_ntk {own:.2f} s")
        function, weights = in_jax(model)
        for way in options.ways:
            kernel_fn = nt.batch(
                nt.empirical_ntk_fn(
                    function, trace_axes=(-1,), vmap_axes=0, implementation=nt.NtkImplementation[way]
                ),
                batch_size=options.block,
            )
            taken, found = seconds(
                lambda kernel_fn=kernel_fn, weights=weights: np.asarray(kernel_fn(in_numpy, None, weights)),
                options.repeats,
            )
            error = np.abs(found - kernel).max() / kernel.max()
            how = way.lower().replace("_", " ")
            print(f"   neural-tangents, {how:24s} {taken:8.2f} s, {taken / own:6.1f} times as long;", end=" ")
            print(f"differs by {error:.0e} of the largest value", flush=True)


if __name__ == "__main__":
    main()
