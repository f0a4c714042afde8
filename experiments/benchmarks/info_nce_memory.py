"""Peak memory and time of one exact InfoNCE step, forward and backward, at the size of Coauthor Physics.

Run it in a fresh process: ``python experiments/benchmarks/info_nce_memory.py``. It takes minutes on two cores and
seconds with ``--device cuda``. The dense formula would hold an N x N matrix of 4.76 GB for each pair of views.
"""

import argparse
import resource
import time

import torch

from graphml.losses import info_nce


def step(z1: torch.Tensor, z2: torch.Tensor) -> float:
    """Seconds of one forward and backward pass."""
    start = time.perf_counter()
    info_nce(z1, z2, 0.5).backward()
    if z1.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - start


def resident_bytes() -> int:
    """Memory that this process holds now (Linux)."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=34_493)
    parser.add_argument("--channels", type=int, default=256)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    shape = (options.nodes, options.channels)
    # A small step first: code that is loaded at first use is not memory of the loss.
    small = [torch.randn(2048, options.channels, device=options.device, requires_grad=True) for _ in range(2)]
    step(*small)
    views = [torch.randn(shape, device=options.device, requires_grad=True) for _ in range(2)]
    if options.device == "cpu":
        before = resident_bytes()
        seconds = step(*views)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    else:
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        seconds = step(*views)
        peak = torch.cuda.max_memory_allocated() - before
    beyond = peak - 2 * sum(z.numel() * z.element_size() for z in views)
    print(f"N = {shape[0]:,}, d = {shape[1]}, {options.device}, torch {torch.__version__}: {seconds:.1f} s")
    print(f"peak {peak / 2**20:.0f} MiB above the inputs")
    print(f"{beyond / 2**20:.0f} MiB beyond inputs, normalised copies and gradients (bound: 256 MiB)")


if __name__ == "__main__":
    main()
