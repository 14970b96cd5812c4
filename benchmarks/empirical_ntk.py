"""Empirical tangent kernels beside Jacobian contraction by torch.func, on CIFAR-10 images.

An MLP 3072-512-512-10 and a convnet (3 x 3 convolutions of 64, 128 and 256 channels, the last two of stride
2, ReLU, global average pooling, linear 10), trace over 10 outputs, n = 500, float32. The peer is what
PyTorch's tutorial on NTKs does, by chunks: per-sample Jacobians by vmap(jacrev), contracted over parameters
and outputs by matrix products, for every pair of blocks of images once; two blocks' Jacobians fit the memory
given to it. Where those of all images fit --kept-memory, they are also kept, and computed once. All run in
this process with the same threads. "of the GEMM limit": the flops of all layers' products at the speed of the
fastest float32 matrix product here, over the time taken.

    python benchmarks/empirical_ntk.py [--networks mlp convnet] [--images 500] [--peer-images N] [--repeats 3]
    python benchmarks/empirical_ntk.py --networks resnet18 --images 1000 --memory 5 --no-peer --repeats 1

resnet18 is timm's with the stem for small images (3 x 3, stride 1, no pooling) and no scale that starts at
zero, 10 outputs, 11.2 million parameters. With --peer-images the peer runs on fewer images, and its time is
scaled by the square of the ratio.
"""

import argparse
import resource
import statistics
import time
from pathlib import Path

import timm
import torch
from image_pairs import CIFAR10
from ntk_networks import convnet, mlp
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap

import eigenstep.encoders.small_resnets  # registers ResNets for small images with timm
from eigenstep.kernel import EmpiricalNTK, empirical_ntk
from eigenstep.kernel.ntk import fastest_product
from eigenstep.machine import set_threads
from eigenstep.training import ImagesConfig, load_images

assert eigenstep.encoders.small_resnets


def resnet18() -> nn.Module:
    return timm.create_model("resnet18_small", num_classes=10, zero_init_last=False)


NETWORKS = {"mlp": mlp, "convnet": convnet, "resnet18": resnet18}


def contraction(model: nn.Module, images: Tensor, height: int, keep: bool) -> Tensor:
    """The kernel from Jacobians (n, O, P), by blocks of `height` images."""
    parameters = {name: value.detach() for name, value in model.named_parameters()}
    buffers = dict(model.named_buffers())
    n_outputs = model(images[:1]).shape[1]

    def output(tensors: dict[str, Tensor], image: Tensor) -> Tensor:
        return functional_call(model, {**tensors, **buffers}, (image[None],))[0]

    def jacobian(top: int) -> list[Tensor]:
        block = images[top : top + height]
        rows = [value.new_empty(len(block), n_outputs * value.numel()) for value in parameters.values()]
        for start in range(0, len(block), 10):
            part = vmap(jacrev(output), (None, 0))(parameters, block[start : start + 10])
            for kept, values in zip(rows, part.values(), strict=True):
                kept[start : start + 10] = values.flatten(1)
        return rows

    tops = range(0, len(images), height)
    known = {top: jacobian(top) for top in tops} if keep else {}
    kernel = images.new_zeros(len(images), len(images))
    for top in tops:
        left = known[top] if keep else jacobian(top)
        for start in range(top, len(images), height):
            right = left if start == top else known[start] if keep else jacobian(start)
            rows, columns = slice(top, top + height), slice(start, start + height)
            kernel[rows, columns] = sum(a @ b.T for a, b in zip(left, right, strict=True))
            kernel[columns, rows] = kernel[rows, columns].T.clone()
    return kernel / n_outputs


def roof() -> float:
    """Return the flops a second of the faster float32 matrix product, the best of some."""
    square = torch.randn(3072, 3072)
    product = fastest_product(torch.device("cpu"), torch.float32)
    return 2 * 3072**3 / min(seconds(lambda: product(square, square))[0] for _ in range(7))


def seconds(work):
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def compare(name: str, arguments: argparse.Namespace) -> None:
    torch.manual_seed(0)
    model = NETWORKS[name]().eval()
    pixels = load_images(str(arguments.data), ImagesConfig(size=32, limit=arguments.images)).images
    images = (pixels.float() if pixels.is_floating_point() else pixels.float() / 255) * 2 - 1
    n, peer_n = len(images), arguments.peer_images or len(images)
    budget = None if arguments.memory is None else arguments.memory * 2**30
    # The first call measures which product is faster, and lets the libraries set themselves up.
    empirical_ntk(model, images[:4])
    runs: list[tuple[float, EmpiricalNTK]] = []
    roofs = []
    for _ in range(arguments.repeats):
        roofs.append(roof())
        runs.append(seconds(lambda: empirical_ntk(model, images, memory_budget=budget)))
    times = [taken for taken, _ in runs]
    account = runs[times.index(min(times))][1]
    flops = sum(layer.flops for layer in account.layers)
    parameters = sum(layer.n_parameters for layer in account.layers)
    print(
        f"{name}: n = {n}, {account.n_outputs} outputs, {parameters:,} parameters,"
        f" {torch.get_num_threads()} threads"
    )
    spread = f"({min(times):.2f} - {max(times):.2f})"
    print(f"   empirical_ntk                   {statistics.median(times):9.2f} s {spread}")
    in_layers = sum(layer.seconds for layer in account.layers)
    limit = flops / max(roofs)
    print(
        f"   layers' products                {flops / 1e9:9.1f} GFLOP, {limit:.2f} s at"
        f" {max(roofs) / 1e9:.0f} GFLOP/s: {limit / in_layers:.0%} of the GEMM limit in the layers"
        f" ({in_layers:.2f} s), {limit / min(times):.0%} with forward and backward passes"
        f" ({account.pass_seconds:.2f} s)"
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"   peak memory                     {peak:9.2f} GiB so far")
    if arguments.layers:
        print(account)
    if arguments.no_peer:
        return
    of_image = 4 * account.n_outputs * parameters / 2**30
    height = min(peer_n, max(10, int(arguments.peer_memory / 2 / of_image) // 10 * 10))
    runs_of_peer = [(f"in blocks of {height}", height, False)]
    if of_image * peer_n <= arguments.kept_memory:
        runs_of_peer.append(("all kept", min(100, peer_n), True))
    for how, block, keep in runs_of_peer:
        taken, kernel = seconds(
            lambda block=block, keep=keep: contraction(model, images[:peer_n], block, keep)
        )
        scaled = taken * (n / peer_n) ** 2
        error = float((account.matrix[:peer_n, :peer_n] - kernel).abs().max() / kernel.abs().max())
        note = "" if peer_n == n else f" (n = {peer_n} took {taken:.2f} s, times {(n / peer_n) ** 2:.1f})"
        print(
            f"   torch.func, {how:19s} {scaled:8.2f} s{note}:"
            f" {scaled / statistics.median(times):.1f} times as long"
        )
        print(f"{'':34s} differs by {error:.0e} of the largest value")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", nargs="+", default=["mlp", "convnet"], choices=list(NETWORKS))
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--peer-images", type=int, help="run the peer on fewer images")
    parser.add_argument("--peer-memory", type=float, default=12, help="GiB for two blocks of the peer")
    parser.add_argument("--kept-memory", type=float, default=8, help="GiB up to which all Jacobians are kept")
    parser.add_argument("--memory", type=float, help="GiB for what Eigenstep keeps of all images")
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument("--layers", action="store_true", help="print the account of every layer")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--data", type=Path, default=CIFAR10)
    arguments = parser.parse_args()
    set_threads(arguments.threads)
    if not arguments.data.is_dir():
        print(
            f"skipped: {arguments.data} is missing; pass --data FOLDER with {arguments.images} images or more"
        )
        return
    for name in arguments.networks:
        compare(name, arguments)


if __name__ == "__main__":
    main()
