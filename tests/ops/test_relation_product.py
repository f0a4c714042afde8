import pytest
import torch
from torch_geometric import EdgeIndex
from torch_geometric.nn import RGCNConv

from graphml.ops import RelationPattern, relation_pattern, relation_product

RELATIONS = 4


def seeded(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def random_graph(num_nodes: int, num_edges: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Edges with repetitions and self-loops in random order; the relation 2 has none."""
    generator = torch.Generator().manual_seed(0)
    edges = torch.randint(0, num_nodes, (2, num_edges), generator=generator)
    return edges, torch.tensor([0, 1, 3])[torch.randint(0, 3, (num_edges,), generator=generator)]


def hub() -> tuple[torch.Tensor, torch.Tensor]:
    leaves = torch.arange(1, 5001)
    return torch.stack([leaves, torch.zeros_like(leaves)]), leaves % 3


def dense(edges, relation, edge_weight, x, weight):
    """One dense matrix a relation: row = target, column = source; repeated edges add up."""
    out = 0
    for r, matrix in enumerate(weight):
        mine = relation == r
        adjacency = torch.zeros(len(x), len(x), dtype=x.dtype)
        at = edges[1][mine].long(), edges[0][mine].long()
        out = out + adjacency.index_put(at, edge_weight[mine], accumulate=True) @ x @ matrix
    return out


GRAPHS = {
    "random": (20, *random_graph(20, 90)),
    "one_node": (1, torch.zeros(2, 3, dtype=torch.long), torch.tensor([1, 1, 3])),
    "no_edges": (5, torch.zeros(2, 0, dtype=torch.long), torch.zeros(0, dtype=torch.long)),
    "hub": (5001, *hub()),
}


@pytest.mark.parametrize("widths", [(3, 5), (5, 3), (1, 1)], ids=str)
@pytest.mark.parametrize("graph", GRAPHS)
def test_value_and_gradients_equal_the_dense_formula(graph, widths):
    num_nodes, edges, relation = GRAPHS[graph]
    x = seeded(num_nodes, widths[0]).requires_grad_()
    edge_weight = seeded(edges.size(1), seed=1).requires_grad_()
    weight = seeded(RELATIONS, *widths, seed=2).requires_grad_()
    pattern = relation_pattern(edges, relation, num_nodes, RELATIONS)
    ours = relation_product(x, pattern, pattern.in_order(edge_weight), weight)
    oracle = dense(edges, relation, edge_weight, x, weight)
    torch.testing.assert_close(ours, oracle)
    direction = seeded(*oracle.shape, seed=3)
    inputs = (x, edge_weight, weight)
    torch.testing.assert_close(
        torch.autograd.grad((ours * direction).sum(), inputs), torch.autograd.grad((oracle * direction).sum(), inputs)
    )


@pytest.mark.parametrize("form", ["int64", "int32", "edge_index"])
def test_mean_equals_rgcnconv_whatever_the_edge_list_is(form):
    edges, relation = random_graph(20, 90)
    edge_index = {"int64": edges, "int32": edges.int(), "edge_index": EdgeIndex(edges, sparse_size=(20, 20))}[form]
    kind = relation.int() if form == "int32" else relation
    conv = RGCNConv(3, 5, RELATIONS, aggr="mean", root_weight=False, bias=False).double()
    x = seeded(20, 3).requires_grad_()
    pattern = relation_pattern(edge_index, kind, 20, RELATIONS)
    ours = relation_product(x, pattern, pattern.mean_weight(torch.float64), conv.weight)
    oracle = conv(x, edges, relation)
    torch.testing.assert_close(ours, oracle)
    direction = seeded(20, 5, seed=1)
    inputs = (x, conv.weight)
    torch.testing.assert_close(
        torch.autograd.grad((ours * direction).sum(), inputs), torch.autograd.grad((oracle * direction).sum(), inputs)
    )


def test_without_edge_weights_each_edge_counts_one():
    edges, relation = random_graph(20, 90)
    pattern = relation_pattern(edges, relation, 20, RELATIONS)
    x, weight = seeded(20, 3), seeded(RELATIONS, 3, 5)
    expected = relation_product(x, pattern, torch.ones(90, dtype=torch.float64), weight)
    torch.testing.assert_close(relation_product(x, pattern, None, weight), expected)


def test_pattern_holds_the_pairs_that_occur_and_no_other():
    edges = torch.tensor([[0, 1, 2, 2, 1], [1, 1, 0, 1, 1]])
    pattern = relation_pattern(edges, torch.tensor([2, 2, 0, 0, 2]), 3, 4)
    assert pattern.sizes == (2, 0, 1, 0)  # (0, to 0), (0, to 1), (2, to 1)
    assert pattern.num_nodes == 3
    assert pattern.gather.rowptr.tolist() == [0, 1, 2, 5]
    assert pattern.gather.col.tolist() == [2, 2, 0, 1, 1]
    assert pattern.merge.rowptr.tolist() == [0, 1, 3, 3]
    assert pattern.merge.col.tolist() == [0, 1, 2]
    torch.testing.assert_close(pattern.mean_weight(), torch.tensor([1, 1, 1 / 3, 1 / 3, 1 / 3]))
    assert {part.dtype for part in (*pattern.gather, *pattern.merge)} == {torch.int32}


def test_rows_do_not_grow_with_the_number_of_relations():
    edges, relation = random_graph(20, 90)
    pattern = relation_pattern(edges, relation, 20, 10**6)
    assert len(pattern.sizes) == 10**6
    assert pattern.gather.num_rows <= 60


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_narrow_types_stay_narrow_and_near(dtype):
    edges, relation = random_graph(20, 90)
    pattern = relation_pattern(edges, relation, 20, RELATIONS)
    x, weight = seeded(20, 3, dtype=dtype).requires_grad_(), seeded(RELATIONS, 3, 5, dtype=dtype).requires_grad_()
    out = relation_product(x, pattern, pattern.mean_weight(), weight)
    out.sum().backward()
    assert {out.dtype, x.grad.dtype, weight.grad.dtype} == {dtype}
    expected = relation_product(x.double(), pattern, pattern.mean_weight(torch.float64), weight.double())
    close = {"atol": 1e-5, "rtol": 1e-5} if dtype == torch.float32 else {"atol": 0.1, "rtol": 0.05}
    torch.testing.assert_close(out.double(), expected, **close)


def test_derivatives_by_finite_differences():
    edges, relation = random_graph(6, 14)
    pattern = relation_pattern(edges, relation, 6, RELATIONS)
    inputs = (
        seeded(6, 2).requires_grad_(),
        seeded(14, seed=1).requires_grad_(),
        seeded(RELATIONS, 2, 3, seed=2).requires_grad_(),
    )
    assert torch.autograd.gradcheck(lambda x, e, w: relation_product(x, pattern, e, w), inputs)
    assert torch.autograd.gradgradcheck(lambda x, e, w: relation_product(x, pattern, e, w), inputs)


def test_tangents_equal_the_dense_formula():
    edges, relation = random_graph(6, 14)
    pattern = relation_pattern(edges, relation, 6, RELATIONS)
    inputs = seeded(6, 2), seeded(14, seed=1), seeded(RELATIONS, 2, 3, seed=2)
    directions = seeded(6, 2, seed=3), seeded(14, seed=4), seeded(RELATIONS, 2, 3, seed=5)
    ours = torch.func.jvp(lambda x, e, w: relation_product(x, pattern, pattern.in_order(e), w), inputs, directions)
    oracle = torch.func.jvp(lambda x, e, w: dense(edges, relation, e, x, w), inputs, directions)
    torch.testing.assert_close(ours, oracle)


def test_runs_are_bit_equal():
    edges, relation = random_graph(50, 900)
    pattern = relation_pattern(edges, relation, 50, RELATIONS)

    def run():
        x, weight = seeded(50, 8, dtype=torch.float32).requires_grad_(), seeded(RELATIONS, 8, 8, dtype=torch.float32)
        out = relation_product(x, pattern, pattern.mean_weight(), weight)
        return out, *torch.autograd.grad(out.square().sum(), x)

    assert all(torch.equal(a, b) for a, b in zip(run(), run(), strict=True))


def test_it_compiles_without_a_graph_break():
    edges, relation = random_graph(20, 90)
    pattern = relation_pattern(edges, relation, 20, RELATIONS)
    x, weight = seeded(20, 3).requires_grad_(), seeded(RELATIONS, 3, 5)
    edge_weight = seeded(90)
    compiled = torch.compile(relation_product, fullgraph=True, backend="aot_eager")
    out, expected = compiled(x, pattern, edge_weight, weight), relation_product(x, pattern, edge_weight, weight)
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(torch.autograd.grad(out.sum(), x), torch.autograd.grad(expected.sum(), x))


@pytest.mark.parametrize(
    ("relation", "message"),
    [
        (torch.tensor([0, 1]), r"relation: expected one integer for each of the 3 edges, got shape \(2,\)"),
        (torch.tensor([0.0, 1.0, 2.0]), "got shape .* of torch.float32"),
        (torch.tensor([0, 1, 4]), "relation: expected values from 0 to 3, got 0 to 4"),
        (torch.tensor([-1, 1, 3]), "relation: expected values from 0 to 3, got -1 to 3"),
    ],
)
def test_a_wrong_relation_is_refused(relation, message):
    with pytest.raises(ValueError, match=message):
        relation_pattern(torch.zeros(2, 3, dtype=torch.long), relation, 2, RELATIONS)


def test_there_must_be_a_relation():
    with pytest.raises(ValueError, match="num_relations: expected an integer >= 1, got 0"):
        relation_pattern(torch.zeros(2, 0, dtype=torch.long), torch.zeros(0, dtype=torch.long), 2, 0)


@pytest.fixture
def pattern() -> RelationPattern:
    return relation_pattern(*random_graph(6, 14), 6, RELATIONS)


@pytest.mark.parametrize("shape", [(6,), (5, 2)])
def test_features_must_be_one_row_a_node(pattern, shape):
    with pytest.raises(ValueError, match=r"x: expected a matrix \[6, F_in\]"):
        relation_product(torch.zeros(shape), pattern, None, torch.zeros(RELATIONS, 2, 3))


@pytest.mark.parametrize("shape", [(RELATIONS, 2), (RELATIONS, 3, 2), (RELATIONS + 1, 2, 3)])
def test_weights_must_fit(pattern, shape):
    with pytest.raises(ValueError, match=r"weight: expected shape \[4, 2, F_out\]"):
        relation_product(torch.zeros(6, 2), pattern, None, torch.zeros(shape))
