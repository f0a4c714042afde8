"""How much of a known mutual information InfoNCE and DEMI estimate, on correlated Gaussians.

``python experiments/demi/gaussians.py`` prints the table and writes gaussians.csv and figures/gaussians.png beside this
file, in about a minute of one core.

x and y have 20 components, equally correlated in pairs; I(x; y) is set by the correlation. A batch has 64 pairs, which
is also the number of candidates of each anchor: InfoNCE can reach log 64 = 4.16 nats. Subview j of x shows the first
2 j components (10 subviews), and the terms of the chain are estimated

- with *conditional negatives* from p(y | x_<j), for learned critics from a normal distribution fitted to 10,000 pairs
  (the paper's variational form; its bound holds up to the divergence of the fit, here 0.2 nats in all ten terms);
- with *importance weights* on the batch's own y, as `graphml.losses.decomposed_info_nce` does it in training: no bound.

Exact critics are the log-ratios of the densities. Learned ones are small networks f(x_<=j) . g(y) + h(y), trained on
fresh pairs; the estimates are means over fresh batches.
"""

import argparse
import csv
import math
from collections.abc import Callable
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from graphml.io import atomic_write
from graphml.losses import boosted_info_nce, conditional_info_nce, decomposed_info_nce
from graphml.plots.style import MARKERS, PALETTE, new_figure
from graphml.study.results import aligned

NATS = (2.0, 5.0, 10.0, 15.0, 20.0)
D, N, SUBVIEWS = 20, 64, 10
WIDTH = D // SUBVIEWS
STEPS, TESTS, FIT = 250, 50, 10_000

Estimates = dict[tuple[str, str], float]
"""Nats by critics and bound."""


def correlation(nats: float) -> float:
    """Correlation at which D pairs of components share so many nats."""
    return math.sqrt(1 - math.exp(-2 * nats / D))


def draw(nats: float, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Pairs ``[size, D]``."""
    rho = correlation(nats)
    x, noise = torch.randn(2, size, D, generator=generator).unbind()
    return x, rho * x + math.sqrt(1 - rho**2) * noise


def log_ratios(x: Tensor, y: Tensor, nats: float) -> Tensor:
    """Log-ratios of p(y | x) to p(y), component by component."""
    rho = correlation(nats)
    out: Tensor = y.square() / 2 - (y - rho * x).square() / (2 * (1 - rho**2)) - math.log(1 - rho**2) / 2
    return out


def exact_estimates(nats: float, generator: torch.Generator) -> Estimates:
    """Estimates with exact critics."""
    totals: dict[str, list[Tensor]] = {"InfoNCE": [], "DEMI, conditional negatives": [], "DEMI, importance weights": []}
    for _ in range(TESTS):
        x, y = draw(nats, N, generator)
        ratios = log_ratios(x[:, None], y[None], nats).view(N, N, SUBVIEWS, WIDTH).sum(3).unbind(2)
        # Given the components before them, those of a term are as if they were alone.
        own = log_ratios(x, y, nats).view(N, SUBVIEWS, WIDTH).sum(2).unbind(1)
        fresh = torch.randn(N, N - 1, D, generator=generator)
        others = log_ratios(x[:, None], fresh, nats).view(N, N - 1, SUBVIEWS, WIDTH).sum(3).unbind(2)
        totals["InfoNCE"].append(decomposed_info_nce(torch.stack(ratios).sum(0)).sum())
        chain = [conditional_info_nce(*pair) for pair in zip(own, others, strict=True)]
        totals["DEMI, conditional negatives"].append(torch.stack(chain).sum())
        totals["DEMI, importance weights"].append(decomposed_info_nce(*ratios).sum())
    return {("exact", name): float(torch.stack(values).mean()) for name, values in totals.items()}


class Critic(nn.Module):
    """f(x) . g(y) + h(y), of the components that are shown."""

    def __init__(self, shown: int, width: int = 64, rank: int = 32) -> None:
        super().__init__()
        self.shown = shown
        self.f = nn.Linear(shown, rank)
        self.g = nn.Linear(D, rank)
        self.h = nn.Sequential(nn.Linear(D, width), nn.SiLU(), nn.Linear(width, 1))
        nn.init.zeros_(self.h[2].weight)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Scores ``[N, M]`` of x ``[N, D]`` with candidates ``[M, D]``, or with each its own ``[N, M, D]``."""
        f = self.f(x[:, : self.shown])
        pairs = torch.einsum("nr,nmr->nm", f, self.g(y)) if y.dim() == 3 else f @ self.g(y).T
        return pairs + self.h(y).squeeze(-1)


class Sampler:
    """Normal distributions of y given the first components of x, fitted by least squares."""

    def __init__(self, nats: float, generator: torch.Generator) -> None:
        x, y = draw(nats, FIT, generator)
        self.models = []
        for term in range(SUBVIEWS):
            known = x[:, : term * WIDTH]
            weight = torch.linalg.lstsq(known, y).solution if term else y.new_zeros(0, D)
            self.models.append((weight, torch.linalg.cholesky((y - known @ weight).T.cov())))

    def __call__(self, x: Tensor, term: int, count: int, generator: torch.Generator) -> Tensor:
        """Draw ``[N, count, D]`` for anchors ``[N, D]``."""
        weight, root = self.models[term]
        noise = torch.randn(len(x), count, D, generator=generator)
        return (x[:, : len(weight)] @ weight)[:, None] + noise @ root.T


def conditional_chain(
    critics: nn.ModuleList, sampler: Sampler, x: Tensor, y: Tensor, generator: torch.Generator
) -> Tensor:
    """Terms ``[J]`` with negatives of the fitted distributions; the first has the batch's own."""
    terms = [decomposed_info_nce(critics[0](x, y))[0]]
    for term in range(1, SUBVIEWS):
        candidates = torch.cat([y[:, None], sampler(x, term, N - 1, generator)], 1)
        scores = critics[term](x, candidates)
        terms.append(conditional_info_nce(scores[:, 0], scores[:, 1:]))
    return torch.stack(terms)


def learned_estimates(nats: float, generator: torch.Generator) -> Estimates:
    """Estimates with critics that are trained by the bounds themselves."""
    sampler = Sampler(nats, generator)

    def chain(critics: nn.ModuleList, x: Tensor, y: Tensor) -> Tensor:
        return conditional_chain(critics, sampler, x, y, generator)

    def weighted(critics: nn.ModuleList, x: Tensor, y: Tensor) -> Tensor:
        return decomposed_info_nce(*(critic(x, y) for critic in critics))

    def boosted(critics: nn.ModuleList, x: Tensor, y: Tensor) -> Tensor:
        return boosted_info_nce(*(critic(x, y) for critic in critics))

    every = [WIDTH * (term + 1) for term in range(SUBVIEWS)]
    return {
        ("learned", "InfoNCE"): trained(weighted, [D], nats, generator).sum().item(),
        ("learned", "DEMI, conditional negatives"): trained(chain, every, nats, generator).sum().item(),
        ("learned", "DEMI, importance weights"): trained(weighted, every, nats, generator).sum().item(),
        ("learned", "boosted critics, as a bound"): trained(boosted, every, nats, generator)[-1].item(),
    }


def trained(
    bound: Callable[[nn.ModuleList, Tensor, Tensor], Tensor],
    shown: list[int],
    nats: float,
    generator: torch.Generator,
) -> Tensor:
    """Train critics to raise the sum of a bound's terms, and average the terms over fresh batches."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        critics = nn.ModuleList(Critic(count) for count in shown)
    optimizer = torch.optim.Adam(critics.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    for _ in range(STEPS):
        optimizer.zero_grad()
        (-bound(critics, *draw(nats, N, generator)).sum()).backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        return torch.stack([bound(critics, *draw(nats, N, generator)) for _ in range(TESTS)]).mean(0)


def figure(results: dict[float, Estimates]) -> Figure:
    """Estimates over the truth, exact critics beside learned ones."""
    chart, axes = new_figure(width=8.0)
    names = list(dict.fromkeys(key for row in results.values() for key in row))
    kinds = list(dict.fromkeys(name for _, name in names))
    for critics, name in names:
        number, dashed = kinds.index(name), "--" if critics == "exact" else "-"
        values = [row[critics, name] for row in results.values()]
        style = {"color": PALETTE[number], "marker": MARKERS[number], "linestyle": dashed, "markersize": 4}
        axes.plot(list(results), values, label=f"{name} ({critics} critics)", **style)
    axes.plot(list(results), list(results), color="#444444", linewidth=0.8, label="truth")
    axes.axhline(math.log(N), color="#444444", linewidth=0.8, linestyle=":", label=f"log {N}")
    axes.set(xlabel="mutual information (nats)", ylabel="estimate (nats)")
    chart.legend(loc="outside right upper", frameon=False, fontsize=7)
    return chart


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder of the results")
    options = parser.parse_args()
    torch.set_num_threads(1)
    results = {}
    for nats in NATS:
        generator = torch.Generator().manual_seed(int(10 * nats))
        results[nats] = exact_estimates(nats, generator) | learned_estimates(nats, generator)
    keys = list(results[NATS[0]])
    lines = [[*key, *(f"{results[nats][key]:.2f}" for nats in NATS)] for key in keys]
    print(aligned([["critics", "estimate", *(f"I = {nats:g}" for nats in NATS)], *lines], left=2))
    with atomic_write(options.out / "gaussians.csv") as path, path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["critics", "estimate", "truth", "nats"])
        writer.writerows([*key, nats, f"{results[nats][key]:.4f}"] for key in keys for nats in NATS)
    with atomic_write(options.out / "figures" / "gaussians.png") as path:
        figure(results).savefig(path)


if __name__ == "__main__":
    main()
