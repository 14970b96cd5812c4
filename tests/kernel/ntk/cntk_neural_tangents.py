"""Reference values of the convolutional tangent kernel from Google's neural-tangents, another implementation.

neural-tangents 0.6.5 runs with jax 0.4.30 and NumPy 1, which is not what Eigenstep is tested with, so its
values are stored. In an environment of their own this prints the JSON that lies beside:

    pip install neural-tangents==0.6.5 jax==0.4.30 jaxlib==0.4.30 'numpy<2' 'scipy<1.13' 'tf2jax<0.3.8'
    python tests/kernel/ntk/cntk_neural_tangents.py > tests/kernel/ntk/cntk_neural_tangents.json
"""

import json

import numpy as np


def kernel(x, depth, kernel_size, padding, bias_variance):
    """The tangent kernel of images (n, c, h, w)."""
    import jax

    jax.config.update("jax_enable_x64", True)
    from neural_tangents import stax

    scales = {"W_std": 1.0, "b_std": bias_variance**0.5 or None}
    layers = []
    for _ in range(depth):
        pad = {"zeros": "SAME", "circular": "CIRCULAR"}[padding]
        layers += [stax.Conv(1, (kernel_size, kernel_size), padding=pad, **scales)]
        layers += [stax.ABRelu(0.0, 2**0.5)]
    _, _, kernel_fn = stax.serial(*layers, stax.GlobalAvgPool(), stax.Dense(1, **scales))
    return np.asarray(kernel_fn(x.transpose(0, 2, 3, 1), None, "ntk"))


def main():
    from cntk_reference import CASES, images_of

    found = []
    for case in CASES:
        options = {name: value for name, value in case.items() if name != "shape"}
        values = kernel(np.array(images_of(case["shape"])), **options)
        found.append({**case, "kernel": values.tolist()})
    print(json.dumps(found))


if __name__ == "__main__":
    main()
