"""Reference values of the convolutional tangent kernel, by loops over pixels in plain Python.

The recursion of Arora et al. (arXiv:1904.11955, section 4), entry by entry and without PyTorch: for every
pair of pixels the 2 x 2 covariance of both, its Gaussian expectations, and sums over both windows. Biases,
which the paper has none of, enter as inputs that are always 1 with weights of that variance.
"""

import itertools
import math

CASES = [
    {"depth": depth, "kernel_size": size, "padding": padding, "bias_variance": bias, "shape": shape}
    for depth, size, padding, bias, shape in [
        (1, 3, "zeros", 0.0, (2, 4, 3)),
        (2, 3, "zeros", 0.0, (3, 4, 4)),
        (3, 3, "zeros", 0.1, (3, 4, 3)),
        (3, 3, "circular", 0.0, (3, 3, 4)),
        (2, 3, "circular", 0.2, (1, 3, 3)),
        (2, 5, "zeros", 0.0, (2, 4, 5)),
        (2, 5, "circular", 0.0, (2, 5, 5)),
        (2, 1, "zeros", 0.3, (3, 2, 2)),
    ]
]


def images_of(shape, count=3):
    """Images by a formula, so that nothing but numbers has to be stored."""
    channels, height, width = shape
    return [
        [
            [
                [math.sin(1.3 * n + 2.1 * c + 0.7 * i * i - 1.1 * j + 0.4 * n * j) for j in range(width)]
                for i in range(height)
            ]
            for c in range(channels)
        ]
        for n in range(count)
    ]


def expectations(first, cross, second):
    """2 E[relu(u) relu(v)] and 2 E[relu'(u) relu'(v)] of normal u, v with that covariance."""
    norm = math.sqrt(first * second)
    if norm == 0:
        return 0.0, 0.5
    cosine = max(-1.0, min(1.0, cross / norm))
    angle = math.acos(cosine)
    product = norm * (cosine * (math.pi - angle) + math.sqrt(1 - cosine * cosine)) / math.pi
    return product, (math.pi - angle) / math.pi


def cntk(x, y, depth, kernel_size, padding, bias_variance):
    """The kernel of two images, nested lists (c, h, w)."""
    channels, height, width = len(x), len(x[0]), len(x[0][0])
    pixels = list(itertools.product(range(height), range(width)))
    reach = kernel_size // 2
    window = list(itertools.product(range(-reach, reach + 1), repeat=2))

    def neighbour(pixel, offset):
        i, j = pixel[0] + offset[0], pixel[1] + offset[1]
        if padding == "circular":
            return i % height, j % width
        return (i, j) if 0 <= i < height and 0 <= j < width else None

    def convolved(values):
        sums = {}
        for p, q in itertools.product(pixels, pixels):
            total = 0.0
            for offset in window:
                a, b = neighbour(p, offset), neighbour(q, offset)
                if a is not None and b is not None:
                    total += values[a, b]
            sums[p, q] = total / kernel_size**2 + bias_variance
        return sums

    def inner(u, v):
        return {
            (p, q): sum(u[c][p[0]][p[1]] * v[c][q[0]][q[1]] for c in range(channels)) / channels
            for p, q in itertools.product(pixels, pixels)
        }

    covariances = {"xx": convolved(inner(x, x)), "xy": convolved(inner(x, y)), "yy": convolved(inner(y, y))}
    tangent = dict(covariances["xy"])
    for layer in range(depth):
        values, tangents = {"xx": {}, "xy": {}, "yy": {}}, {}
        for p, q in itertools.product(pixels, pixels):
            for pair in values:
                first = covariances[pair[0] * 2][p, p]
                second = covariances[pair[1] * 2][q, q]
                product, slope = expectations(first, covariances[pair][p, q], second)
                values[pair][p, q] = product
                if pair == "xy":
                    tangents[p, q] = slope * tangent[p, q] + product
        if layer == depth - 1:
            return sum(tangents.values()) / len(pixels) ** 2 + bias_variance
        covariances = {pair: convolved(values[pair]) for pair in values}
        tangent = convolved(tangents)
