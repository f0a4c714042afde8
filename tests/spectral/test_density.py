import math

import networkx as nx
import numpy as np
import pytest
import torch
from torch_geometric import EdgeIndex

from graphml.spectral import GRID_SIZE, SpectralDensity, grid_edges


def edges_of(graph: nx.Graph) -> torch.Tensor:
    return torch.tensor(list(graph.to_directed().edges), dtype=torch.long).view(-1, 2).T


def eigenvalues_of(graph: nx.Graph) -> np.ndarray:
    """Of PyG's Laplacian, where an isolated node has eigenvalue 1 (networkx gives it 0)."""
    isolated = nx.number_of_isolates(graph)
    rest = graph.subgraph([v for v in graph if graph.degree(v)])
    values = nx.normalized_laplacian_spectrum(rest) if len(rest) else np.zeros(0)
    return np.sort(np.concatenate([values.clip(0, 2), np.ones(isolated)]))


def exact_cdf(eigenvalues: np.ndarray, x: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(np.searchsorted(eigenvalues, x.numpy(), side="right") / len(eigenvalues)).float()


def exact_moments(eigenvalues: np.ndarray, order: int) -> torch.Tensor:
    angle = np.arccos((eigenvalues - 1).clip(-1, 1))
    return torch.tensor([np.cos(j * angle).mean() for j in range(order + 1)])


@pytest.fixture(scope="module")
def mixed_graph() -> nx.Graph:
    """A dense part, a bipartite part, a triangle and five isolated nodes."""
    parts = [
        nx.gnp_random_graph(80, 0.08, seed=1),
        nx.complete_bipartite_graph(3, 9),
        nx.complete_graph(3),
        nx.empty_graph(5),
    ]
    return nx.disjoint_union_all(parts)


def test_cdf_is_near_the_exact_one_from_exact_moments(mixed_graph):
    eigenvalues = eigenvalues_of(mixed_graph)
    zero, two = (float(np.isclose(eigenvalues, value).mean()) for value in (0, 2))
    density = SpectralDensity(exact_moments(eigenvalues, 100), (zero, two))
    x = torch.linspace(0.02, 1.98, 500)
    away = torch.from_numpy(np.abs(x.numpy()[:, None] - 1) > 0.06).squeeze()  # 1 is an eigenvalue of the isolated nodes
    assert (density.cdf(x) - exact_cdf(eigenvalues, x))[away].abs().max() < 0.04


def test_step_expansion_without_atoms_follows_the_published_formula():
    """Di Napoli, Polizzi, Saad 2016, eq. 12: sum of g_j c_j mu_j, at a point that is a knot of the interpolation."""
    order, mean_moments = 20, exact_moments(np.linspace(0, 2, 400), 20).numpy()
    density = SpectralDensity(torch.from_numpy(mean_moments))
    knot = 2.0 * 25 / 63
    a, b, alpha = -1.0, knot - 1, math.pi / (order + 2)
    total = (math.acos(a) - math.acos(b)) / math.pi * mean_moments[0]
    for j in range(1, order + 1):
        c = 2 / math.pi * (math.sin(j * math.acos(a)) - math.sin(j * math.acos(b))) / j
        g = (1 - j / (order + 2)) * math.sin(alpha) * math.cos(j * alpha) + math.cos(alpha) * math.sin(j * alpha) / (
            order + 2
        )
        total += g / math.sin(alpha) * c * mean_moments[j]
    assert density.cdf(torch.tensor(knot)).item() == pytest.approx(total, abs=1e-6)


def test_estimate_is_near_the_exact_cdf(mixed_graph):
    density = SpectralDensity.estimate(edges_of(mixed_graph), len(mixed_graph))
    x = torch.linspace(0.02, 1.98, 99)
    assert (density.cdf(x) - exact_cdf(eigenvalues_of(mixed_graph), x)).abs().max() < 0.1


@pytest.mark.parametrize("name", ["Cora", "CiteSeer"])
def test_estimate_of_a_citation_graph_is_within_a_tenth_of_its_exact_cdf(exact_spectrum, name):
    graph = exact_spectrum(name)
    generator = torch.Generator().manual_seed(0)
    density = SpectralDensity.estimate(graph.edge_index, graph.num_nodes, 30, 10, generator)
    x = torch.linspace(0.02, 1.98, 981)
    assert (density.cdf(x) - exact_cdf(graph.eigenvalues.numpy(), x)).abs().max() <= 0.1


def test_moments_approach_the_exact_ones_with_many_probes(mixed_graph):
    density = SpectralDensity.estimate(edges_of(mixed_graph), len(mixed_graph), order=6, num_probes=3000)
    expected = exact_moments(eigenvalues_of(mixed_graph), 6)
    torch.testing.assert_close(density.moments, expected, atol=0.01, rtol=0)


@pytest.mark.parametrize(
    "graph",
    [
        nx.path_graph(2),
        nx.cycle_graph(5),
        nx.cycle_graph(6),
        nx.star_graph(4),
        nx.disjoint_union_all([nx.path_graph(4), nx.complete_graph(4), nx.empty_graph(3), nx.cycle_graph(4)]),
        nx.empty_graph(3),
    ],
    ids=["edge", "odd_cycle", "even_cycle", "star", "several", "no_edges"],
)
def test_atoms_are_the_multiplicities_of_zero_and_two(graph):
    density = SpectralDensity.estimate(edges_of(graph), len(graph))
    eigenvalues = eigenvalues_of(graph)
    expected = [float(np.isclose(eigenvalues, value, atol=1e-9).mean()) for value in (0, 2)]
    assert density.atoms == pytest.approx(expected)
    assert density.cdf(torch.zeros(1)).item() == pytest.approx(expected[0], abs=1e-6)


def test_self_loops_are_part_of_the_graph(mixed_graph):
    """As a GCN adds them: the spectrum moves down, and an isolated node with a loop has eigenvalue 0."""
    loops = torch.arange(len(mixed_graph)).expand(2, -1)
    density = SpectralDensity.estimate(torch.cat([edges_of(mixed_graph), loops], dim=1), len(mixed_graph), 100, 200)
    adjacency = nx.to_numpy_array(mixed_graph) + np.eye(len(mixed_graph))
    scale = adjacency.sum(axis=0) ** -0.5
    eigenvalues = np.linalg.eigvalsh(np.eye(len(mixed_graph)) - scale[:, None] * adjacency * scale).clip(0, 2)
    assert density.atoms == pytest.approx((float((eigenvalues < 1e-9).mean()), 0.0))
    x = torch.linspace(0.02, 1.98, 200)
    assert (density.cdf(x) - exact_cdf(eigenvalues, x)).abs().max() < 0.1


def test_a_single_edge_is_all_atoms():
    density = SpectralDensity.estimate(edges_of(nx.path_graph(2)), 2)
    x = torch.tensor([0.0, 0.5, 1.0, 1.99, 2.0])
    torch.testing.assert_close(density.cdf(x), torch.tensor([0.5, 0.5, 0.5, 0.5, 1.0]))
    torch.testing.assert_close(density.pdf(x), torch.zeros(5))
    on_grid = density.on_grid()
    assert on_grid[0] == on_grid[-1] == GRID_SIZE / 2
    assert not on_grid[1:-1].any()


def test_isolated_nodes_have_eigenvalue_one():
    density = SpectralDensity.estimate(torch.zeros(2, 0, dtype=torch.long), 4)
    assert density.cdf(torch.tensor(0.7)) < 0.05
    assert density.cdf(torch.tensor(1.3)) > 0.95


def test_cdf_and_pdf_are_a_distribution_and_its_derivative(mixed_graph):
    density = SpectralDensity.estimate(edges_of(mixed_graph), len(mixed_graph))
    x = torch.linspace(0, 2, 4001, dtype=torch.float64)
    cdf, pdf = density.cdf(x), density.pdf(x)
    assert cdf.dtype == pdf.dtype == torch.float32
    assert (cdf.diff() >= 0).all()
    assert cdf[-1] == pytest.approx(1, abs=1e-6)
    assert (pdf >= 0).all()
    assert torch.trapezoid(pdf.double(), x) + sum(density.atoms) == pytest.approx(1, abs=1e-3)
    slope = (density.cdf(x[1:-1] + 1e-3).double() - density.cdf(x[1:-1] - 1e-3).double()) / 2e-3
    inner = slice(10, -10)  # 2 is an atom, 0 an end
    assert (slope - pdf[1:-1])[inner].abs().max() < 0.02
    assert torch.equal(density.cdf(torch.tensor([-1.0, 3.0])), density.cdf(torch.tensor([0.0, 2.0])))
    assert density.cdf(torch.zeros(2, 3)).shape == (2, 3)


def test_grid_holds_the_mass_of_each_cell_with_mean_one(mixed_graph):
    density = SpectralDensity.estimate(edges_of(mixed_graph), len(mixed_graph))
    mass = density.on_grid()
    assert mass.shape == (GRID_SIZE,)
    assert mass.dtype == torch.float32
    assert mass.mean() == pytest.approx(1, abs=1e-5)
    assert (mass >= 0).all()
    below = density.cdf(grid_edges(dtype=torch.float64))[1:]  # the atom at 0 is below the first cell's end
    torch.testing.assert_close(mass.cumsum(0) / GRID_SIZE, below, atol=1e-4, rtol=0)


def test_one_seed_one_density_and_the_global_stream_is_left_alone(mixed_graph):
    edges = edges_of(mixed_graph)
    state = torch.get_rng_state()
    default, again = (SpectralDensity.estimate(edges, len(mixed_graph)) for _ in range(2))
    seeded = SpectralDensity.estimate(edges, len(mixed_graph), generator=torch.Generator().manual_seed(0))
    other = SpectralDensity.estimate(edges, len(mixed_graph), generator=torch.Generator().manual_seed(1))
    assert torch.equal(default.on_grid(), again.on_grid())
    assert torch.equal(default.on_grid(), seeded.on_grid())
    assert not torch.equal(default.on_grid(), other.on_grid())
    assert torch.equal(torch.get_rng_state(), state)


def test_every_form_of_edge_list_gives_the_same(mixed_graph):
    edges, num_nodes = edges_of(mixed_graph), len(mixed_graph)
    expected = SpectralDensity.estimate(edges, num_nodes).on_grid()
    shuffled = edges[:, torch.randperm(edges.size(1))]
    by_target = EdgeIndex(edges[:, edges[1].argsort()], sparse_size=(num_nodes, num_nodes), sort_order="col")
    for form in (shuffled, edges.int(), by_target):
        ours = SpectralDensity.estimate(form, num_nodes).on_grid()
        torch.testing.assert_close(ours, expected, atol=1e-3, rtol=1e-3)  # the order of float32 sums differs


@pytest.mark.parametrize("bad", [{"order": 0}, {"num_probes": 0}, {"num_nodes": 0}])
def test_sizes_below_one_are_refused(bad):
    sizes = {"num_nodes": 2, "order": 5, "num_probes": 2} | bad
    with pytest.raises(ValueError, match=f"expected integers >= 1, got .*{next(iter(bad))}=0"):
        SpectralDensity.estimate(torch.tensor([[0, 1], [1, 0]]), **sizes)


@pytest.mark.parametrize("moments", [torch.ones(1), torch.ones(2, 2)])
def test_moments_must_be_a_vector_of_two_or_more(moments):
    with pytest.raises(ValueError, match="moments: expected a vector of at least 2 values"):
        SpectralDensity(moments)
