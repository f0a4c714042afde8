import numpy as np
import pytest
import scipy.sparse
import torch
from torch_geometric import EdgeIndex

from graphml.ops import SparsePattern, adjacency_pattern, spmm
from graphml.ops import sparse as module


def random_edges(num_nodes: int, num_edges: int, seed: int = 0) -> torch.Tensor:
    """Directed edges without duplicates in random order; a few nodes have none, a few have a self-loop."""
    generator = torch.Generator().manual_seed(seed)
    flat = torch.randperm((num_nodes - 2) ** 2, generator=generator)[:num_edges]
    return torch.stack([flat // (num_nodes - 2), flat % (num_nodes - 2)])


def dense(edges: torch.Tensor, weight: torch.Tensor, num_nodes: int) -> torch.Tensor:
    """Row = target, column = source; repeated entries add up."""
    matrix = torch.zeros(num_nodes, num_nodes, dtype=weight.dtype)
    return matrix.index_put((edges[1].long(), edges[0].long()), weight, accumulate=True)


def sorted_by(edges: torch.Tensor, order: str, num_nodes: int) -> tuple[EdgeIndex, torch.Tensor]:
    """EdgeIndex sorted by one end alone (disorder within), and the permutation that sorted it."""
    perm = torch.argsort(edges[0 if order == "row" else 1], stable=True)
    return EdgeIndex(edges[:, perm], sparse_size=(num_nodes, num_nodes), sort_order=order), perm


FORMS = ["int64", "int32", "edge_index", "edge_index_row", "edge_index_col", "edge_index_unknown_size"]


def in_form(form: str, edges: torch.Tensor, weight: torch.Tensor, num_nodes: int) -> tuple[torch.Tensor, torch.Tensor]:
    if form == "int64":
        return edges, weight
    if form == "int32":
        return edges.int(), weight
    if form == "edge_index":
        return EdgeIndex(edges, sparse_size=(num_nodes, num_nodes)), weight
    if form == "edge_index_unknown_size":
        perm = torch.argsort(edges[1])
        return EdgeIndex(edges[:, perm], sort_order="col"), weight[perm]
    sorted_edges, perm = sorted_by(edges, form.removeprefix("edge_index_"), num_nodes)
    return sorted_edges, weight[perm]


@pytest.mark.parametrize("form", FORMS)
def test_product_equals_the_dense_one_whatever_the_edge_list_is(form):
    edges, x = random_edges(20, 90), torch.randn(20, 5, generator=torch.Generator().manual_seed(1))
    weight = torch.rand(90, generator=torch.Generator().manual_seed(2))
    expected = dense(edges, weight, 20) @ x
    edge_index, values = in_form(form, edges, weight, 20)
    pattern = adjacency_pattern(edge_index, 20)
    out = spmm(pattern, pattern.in_order(values), x)
    torch.testing.assert_close(out, expected)
    assert not out[18:].any()  # nodes without edges


@pytest.mark.parametrize("form", FORMS)
def test_gradients_equal_the_dense_ones_whatever_the_edge_list_is(form):
    edges, x = random_edges(20, 90), torch.randn(20, 5, dtype=torch.float64, requires_grad=True)
    weight = torch.rand(90, dtype=torch.float64, requires_grad=True)
    direction = torch.randn(20, 5, dtype=torch.float64)
    expected = torch.autograd.grad((dense(edges, weight, 20) @ x * direction).sum(), (weight, x))
    edge_index, values = in_form(form, edges, weight, 20)
    pattern = adjacency_pattern(edge_index, 20)
    ours = torch.autograd.grad((spmm(pattern, pattern.in_order(values), x) * direction).sum(), (weight, x))
    torch.testing.assert_close(ours, expected)


def test_plain_pattern_is_scipys_csr_and_csc():
    edges = random_edges(20, 90)
    pattern = adjacency_pattern(edges, 20)
    number = np.arange(1, 91)
    csr = scipy.sparse.coo_array((number, (edges[1], edges[0])), shape=(20, 20)).tocsr()
    csr.sort_indices()
    np.testing.assert_array_equal(pattern.rowptr, csr.indptr)
    np.testing.assert_array_equal(pattern.col, csr.indices)
    np.testing.assert_array_equal(pattern.perm + 1, csr.data)
    np.testing.assert_array_equal(pattern.target, np.repeat(np.arange(20), np.diff(csr.indptr)))
    csr.data = np.arange(1, 91)
    csc = csr.tocsc()
    np.testing.assert_array_equal(pattern.colptr, csc.indptr)
    np.testing.assert_array_equal(pattern.row, csc.indices)
    np.testing.assert_array_equal(pattern.transpose + 1, csc.data)
    assert pattern.num_rows == 20


def test_transpose_of_a_symmetric_pattern_names_the_reverse():
    edges = torch.tensor([[0, 1, 1, 2, 2, 0, 3, 3], [1, 0, 2, 1, 0, 2, 3, 0]])
    edges = torch.cat([edges, torch.tensor([[0], [3]])], dim=1)
    pattern = adjacency_pattern(edges, 4)
    reverse = pattern.transpose.long()
    assert torch.equal(pattern.target[reverse], pattern.col)
    assert torch.equal(pattern.col[reverse], pattern.target)
    assert torch.equal(reverse[reverse], torch.arange(9))


def test_indices_are_int32_and_values_follow_the_callers_order():
    edges = random_edges(10, 30)
    pattern = adjacency_pattern(edges, 10)
    assert {part.dtype for part in pattern} == {torch.int32}
    assert torch.equal(pattern.in_order(edges[0]), pattern.col.long())
    assert torch.equal(pattern.in_order(edges[1]), pattern.target.long())


def test_int32_edges_of_a_large_graph_do_not_overflow():
    num_nodes = 100_000  # num_nodes^2 does not fit in int32
    edges = torch.randint(0, num_nodes, (2, 1000), generator=torch.Generator().manual_seed(0))
    wide, narrow = adjacency_pattern(edges, num_nodes), adjacency_pattern(edges.int(), num_nodes)
    assert all(torch.equal(a, b) for a, b in zip(wide, narrow, strict=True))


def test_repeated_edges_add_up():
    edges = torch.tensor([[0, 0, 1, 0], [1, 1, 0, 1]])
    weight = torch.tensor([1.0, 2.0, 5.0, 4.0])
    pattern = adjacency_pattern(edges, 2)
    torch.testing.assert_close(
        spmm(pattern, pattern.in_order(weight), torch.eye(2)), torch.tensor([[0.0, 5.0], [7.0, 0.0]])
    )


def test_no_edges_give_zeros_and_zero_gradients():
    pattern = adjacency_pattern(torch.zeros(2, 0, dtype=torch.long), 3)
    x = torch.ones(3, 2, requires_grad=True)
    out = spmm(pattern, torch.zeros(0), x)
    assert torch.equal(out, torch.zeros(3, 2))
    out.sum().backward()
    assert torch.equal(x.grad, torch.zeros(3, 2))


def test_a_rectangular_pattern_is_taken():
    matrix = torch.tensor([[0.0, 2.0, 0.0, 1.0], [3.0, 0.0, 0.0, 4.0]], dtype=torch.float64)
    # CSR [2, 1, 3, 4], CSC [3, 2, 1, 4]
    pattern = SparsePattern(
        torch.tensor([0, 2, 4]),
        torch.tensor([1, 3, 0, 3]),
        torch.tensor([0, 1, 2, 2, 4]),
        torch.tensor([1, 0, 0, 1]),
        torch.tensor([2, 0, 1, 3]),
        None,
    )
    x = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    weight = torch.tensor([2.0, 1.0, 3.0, 4.0], dtype=torch.float64)
    out = spmm(pattern, weight, x)
    torch.testing.assert_close(out, matrix @ x)
    direction = torch.randn(2, 3, dtype=torch.float64)
    (grad,) = torch.autograd.grad((out * direction).sum(), x)
    torch.testing.assert_close(grad, matrix.T @ direction)


def test_first_and_second_derivatives_by_finite_differences():
    pattern = adjacency_pattern(random_edges(6, 9), 6)
    weight = torch.rand(9, dtype=torch.float64, requires_grad=True)
    x = torch.randn(6, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda w, v: spmm(pattern, w, v), (weight, x))
    assert torch.autograd.gradgradcheck(lambda w, v: spmm(pattern, w, v), (weight, x))


def test_strides_do_not_matter():
    pattern, weight = adjacency_pattern(random_edges(8, 20), 8), torch.rand(20)
    x = torch.randn(5, 8).T
    wide = torch.randn(8, 10)
    torch.testing.assert_close(spmm(pattern, weight, x), spmm(pattern, weight, x.contiguous()))
    torch.testing.assert_close(spmm(pattern, weight, wide[:, ::2]), spmm(pattern, weight, wide[:, ::2].contiguous()))
    # A gradient with stride 0, as sum() gives it.
    x = torch.randn(8, 3, requires_grad=True)
    spmm(pattern, weight, x).sum().backward()
    ones = torch.autograd.grad(spmm(pattern, weight, x), x, torch.ones(8, 3))[0]
    torch.testing.assert_close(x.grad, ones)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_result_has_the_type_of_x_and_gradients_those_of_their_inputs(dtype):
    pattern = adjacency_pattern(random_edges(8, 20), 8)
    weight, x = torch.rand(20, requires_grad=True), torch.randn(8, 3, dtype=dtype, requires_grad=True)
    out = spmm(pattern, weight, x)
    assert out.dtype == dtype
    out.sum().backward()
    assert weight.grad.dtype == torch.float32
    assert x.grad.dtype == dtype
    expected = spmm(pattern, weight.detach(), x.detach().float())
    torch.testing.assert_close(out.float(), expected, atol=0.05, rtol=0.02)


def test_sorted_edge_index_is_not_sorted_again(monkeypatch):
    edge_index, _ = sorted_by(random_edges(20, 90), "col", 20)
    adjacency_pattern(edge_index, 20)  # fills PyG's caches
    monkeypatch.setattr(module.torch, "argsort", lambda *_, **__: pytest.fail("sorted again"))
    assert adjacency_pattern(edge_index, 20).perm is None


def test_edge_index_of_another_size_is_taken_by_its_edges():
    edges = torch.tensor([[0, 1], [1, 0]])
    edge_index = EdgeIndex(edges, sparse_size=(2, 2), sort_order="row")
    assert adjacency_pattern(edge_index, 4).num_rows == 4  # two more nodes without edges


def test_operator_is_registered_completely():
    pattern = adjacency_pattern(random_edges(6, 9), 6)
    weight, x = torch.rand(9, requires_grad=True), torch.randn(6, 2, requires_grad=True)
    torch.library.opcheck(torch.ops.graphml.spmm, (*pattern[:5], weight, x))


@pytest.mark.parametrize("form", ["int64", "edge_index_col"])
def test_pattern_and_product_compile_without_a_graph_break(form):
    edges, weight = in_form(form, random_edges(20, 90), torch.rand(90), 20)
    x = torch.randn(20, 5, requires_grad=True)

    def product(edge_index, values, signal):
        pattern = adjacency_pattern(edge_index, signal.size(0))
        return spmm(pattern, pattern.in_order(values), signal)

    compiled = torch.compile(product, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(edges, weight, x), product(edges, weight, x))
    (grad,) = torch.autograd.grad(compiled(edges, weight, x).square().sum(), x)
    (expected,) = torch.autograd.grad(product(edges, weight, x).square().sum(), x)
    torch.testing.assert_close(grad, expected)


def test_no_buffer_of_edges_times_channels():
    num_nodes, degree, channels = 200, 50, 64
    edges = torch.randint(0, num_nodes, (2, num_nodes * degree), generator=torch.Generator().manual_seed(0))
    pattern, weight = adjacency_pattern(edges, num_nodes), torch.rand(num_nodes * degree)
    x = torch.randn(num_nodes, channels, requires_grad=True)
    spmm(pattern, weight, x)  # what the first call alone allocates is not counted
    with torch.profiler.profile(profile_memory=True, activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        spmm(pattern, weight, x).backward(torch.ones(num_nodes, channels))
    allocated = sum(max(0, event.self_cpu_memory_usage) for event in profile.key_averages())
    assert 0 < allocated < num_nodes * degree * channels * 4 / 4


@pytest.mark.parametrize("shape", [(6,), (6, 2, 1)])
def test_signal_that_is_no_matrix_is_refused(shape):
    pattern = adjacency_pattern(random_edges(6, 9), 6)
    with pytest.raises(ValueError, match=r"x: expected a matrix \[num_nodes, channels\]"):
        spmm(pattern, torch.rand(9), torch.randn(shape))


def special_graph(name: str) -> tuple[torch.Tensor, int]:
    """Edges and number of nodes."""
    if name == "one node":
        return torch.zeros(2, 1, dtype=torch.long), 1
    if name == "no edges":
        return torch.zeros(2, 0, dtype=torch.long), 3
    if name == "hub":
        leaves = torch.arange(1, 5001)
        hub = torch.zeros_like(leaves)
        return torch.stack([torch.cat([hub, leaves]), torch.cat([leaves, hub])]), 5003
    return torch.randint(
        0, 30, (2, 400), generator=torch.Generator().manual_seed(0)
    ), 33  # loops, duplicates, empty rows


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("width", [1, 3, 128, 512])
@pytest.mark.parametrize("name", ["one node", "no edges", "hub", "random"])
def test_product_and_gradients_are_scipys_on_special_graphs_bit_equal_between_runs(name, width, dtype):
    edges, num_nodes = special_graph(name)
    pattern, generator = adjacency_pattern(edges, num_nodes), torch.Generator().manual_seed(1)
    weight = torch.randn(edges.size(1), generator=generator).to(dtype).requires_grad_()
    x, grad = (torch.randn(num_nodes, width, generator=generator).to(dtype) for _ in range(2))
    x.requires_grad_()
    matrix = scipy.sparse.csr_array(
        (weight.detach().double().numpy(), pattern.col.numpy(), pattern.rowptr.numpy()), shape=(num_nodes, num_nodes)
    )
    out = spmm(pattern, weight, x)
    grad_weight, grad_x = torch.autograd.grad(out, (weight, x), grad)
    wide_x, wide_grad = x.detach().double(), grad.double()
    dots = (wide_grad[pattern.target.long()] * wide_x[pattern.col.long()]).sum(1)
    expected = (torch.from_numpy(matrix @ wide_x.numpy()), dots, torch.from_numpy(matrix.T @ wide_grad.numpy()))
    step = torch.finfo(dtype).eps
    for value, oracle in zip((out, grad_weight, grad_x), expected, strict=True):
        assert value.dtype == dtype
        scale = max(1.0, float(oracle.abs().max())) if oracle.numel() else 1.0
        torch.testing.assert_close(value.double(), oracle, atol=64 * step * scale, rtol=0)
    again = spmm(pattern, weight, x)
    assert torch.equal(again, out)
    assert all(map(torch.equal, torch.autograd.grad(again, (weight, x), grad), (grad_weight, grad_x)))


def test_gradient_to_the_weights_needs_no_buffer_of_edges_times_channels():
    num_nodes, degree, channels = 200, 50, 64
    edges = torch.randint(0, num_nodes, (2, num_nodes * degree), generator=torch.Generator().manual_seed(0))
    pattern = adjacency_pattern(edges, num_nodes)
    weight, x = torch.rand(num_nodes * degree, requires_grad=True), torch.randn(num_nodes, channels)
    spmm(pattern, weight, x).sum().backward()  # what the first call alone allocates is not counted
    with torch.profiler.profile(profile_memory=True, activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        spmm(pattern, weight, x).backward(torch.ones(num_nodes, channels))
    allocated = sum(max(0, event.self_cpu_memory_usage) for event in profile.key_averages())
    assert 0 < allocated < num_nodes * degree * channels * 4 / 4
