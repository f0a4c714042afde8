import pytest
import torch
from torch_geometric.utils import softmax

from graphml.ops import segment_max, segment_mean, segment_softmax, segment_sum

OPERATORS = {"sum": segment_sum, "mean": segment_mean, "max": segment_max, "softmax": segment_softmax}
LENGTHS = {
    "mixed": [3, 0, 1, 5, 0],
    "one": [4],
    "no_entries": [0, 0],
    "no_segments": [],
    "hub": [1, 5000, 2],
}

each_operator = pytest.mark.parametrize("name", OPERATORS)


def pointers(lengths: list[int]) -> torch.Tensor:
    return torch.tensor([0, *lengths]).cumsum(0)


def seeded(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def dense(name: str, values: torch.Tensor, lengths: list[int]) -> torch.Tensor:
    """One segment after the other."""
    parts = values.split(lengths) if lengths else ()
    if name == "softmax":
        return torch.cat([part.softmax(0) for part in parts]) if parts else values
    reduce = {"sum": lambda part: part.sum(0), "mean": lambda part: part.mean(0), "max": lambda part: part.amax(0)}
    rows = [reduce[name](part) if len(part) else part.sum(0) for part in parts]
    return torch.stack(rows) if rows else values[:0]


@each_operator
@pytest.mark.parametrize("columns", [(), (1,), (3,)], ids=str)
@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
@pytest.mark.parametrize("index", [torch.int32, torch.int64])
def test_value_and_gradient_equal_a_loop_over_the_segments(name, columns, lengths, index):
    values = seeded(sum(lengths), *columns).requires_grad_()
    ours, oracle = OPERATORS[name](values, pointers(lengths).to(index)), dense(name, values, lengths)
    torch.testing.assert_close(ours, oracle)
    direction = seeded(*oracle.shape, seed=1)
    (grad,) = torch.autograd.grad((ours * direction).sum(), values)
    torch.testing.assert_close(grad, torch.autograd.grad((oracle * direction).sum(), values)[0])


@each_operator
def test_tangent_equals_that_of_the_loop(name):
    lengths = LENGTHS["mixed"]
    values, direction = seeded(2, 9, 3)
    ours = torch.func.jvp(lambda v: OPERATORS[name](v, pointers(lengths)), (values,), (direction,))
    oracle = torch.func.jvp(lambda v: dense(name, v, lengths), (values,), (direction,))
    torch.testing.assert_close(ours, oracle)


@each_operator
def test_derivatives_by_finite_differences(name):
    values = seeded(9, 2).requires_grad_()
    ptr = pointers(LENGTHS["mixed"])
    assert torch.autograd.gradcheck(lambda v: OPERATORS[name](v, ptr), (values,), check_forward_ad=True)
    if name != "max":  # piecewise linear: its second derivative is refused
        assert torch.autograd.gradgradcheck(lambda v: OPERATORS[name](v, ptr), (values,))


def test_second_derivative_of_the_maximum_raises():
    values = seeded(9, 2).requires_grad_()
    (grad,) = torch.autograd.grad(segment_max(values, pointers([9])).square().sum(), values, create_graph=True)
    with pytest.raises(RuntimeError, match="not implemented"):
        grad.sum().backward()
    gradient = torch.func.grad(lambda v: segment_max(v, pointers([9])).square().sum())
    with pytest.raises(NotImplementedError, match="forward AD"):
        torch.func.jvp(gradient, (values.detach(),), (values.detach(),))


@pytest.mark.parametrize("name", ["sum", "mean", "softmax"])
def test_tangent_of_the_gradient_equals_that_of_the_loop(name):
    lengths = LENGTHS["mixed"]
    values, direction = seeded(2, 9, 3)
    ours, oracle = (
        torch.func.jvp(torch.func.grad(lambda v: f(v).pow(3).sum()), (values,), (direction,))  # noqa: B023
        for f in (lambda v: OPERATORS[name](v, pointers(lengths)), lambda v: dense(name, v, lengths))
    )
    torch.testing.assert_close(ours, oracle)


def test_softmax_equals_pygs():
    ptr, values = pointers(LENGTHS["mixed"]), seeded(9, 3)
    torch.testing.assert_close(segment_softmax(values, ptr), softmax(values, ptr=ptr))


def test_softmax_does_not_overflow():
    values = torch.tensor([1000.0, 999.0, -1000.0])
    expected = torch.tensor([1000.0, 999.0]).softmax(0)
    torch.testing.assert_close(segment_softmax(values, torch.tensor([0, 2, 3])), torch.cat([expected, torch.ones(1)]))


def test_entries_that_share_the_maximum_share_its_gradient_and_tangent():
    values, ptr = torch.tensor([2.0, 5.0, 5.0, -1.0], requires_grad=True), torch.tensor([0, 3, 3, 4])
    out = segment_max(values, ptr)
    assert out.tolist() == [5.0, 0.0, -1.0]
    assert torch.autograd.grad(out.sum(), values)[0].tolist() == [0.0, 0.5, 0.5, 1.0]
    direction = torch.tensor([1.0, 2.0, 4.0, 8.0])
    assert torch.func.jvp(lambda v: segment_max(v, ptr), (values.detach(),), (direction,))[1].tolist() == [
        3.0,
        0.0,
        8.0,
    ]


@each_operator
def test_bfloat16_stays_bfloat16_and_near(name):
    ptr, values = pointers(LENGTHS["mixed"]), seeded(9, 3).bfloat16().requires_grad_()
    out = OPERATORS[name](values, ptr)
    out.sum().backward()
    assert {out.dtype, values.grad.dtype} == {torch.bfloat16}
    torch.testing.assert_close(out.double(), OPERATORS[name](values.double(), ptr), atol=0.03, rtol=0.02)


@each_operator
def test_runs_are_bit_equal(name):
    values = seeded(5003, 3).float().requires_grad_()

    def run():
        out = OPERATORS[name](values, pointers(LENGTHS["hub"]))
        return out, *torch.autograd.grad(out.square().sum(), values)

    assert all(torch.equal(a, b) for a, b in zip(run(), run(), strict=True))


@each_operator
@pytest.mark.parametrize("columns", [(), (3,)], ids=str)
def test_it_compiles_without_a_graph_break(name, columns):
    values, ptr = seeded(9, *columns).requires_grad_(), pointers(LENGTHS["mixed"])
    compiled = torch.compile(OPERATORS[name], fullgraph=True, backend="aot_eager")
    out, expected = compiled(values, ptr), OPERATORS[name](values, ptr)
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(
        torch.autograd.grad(out.square().sum(), values), torch.autograd.grad(expected.square().sum(), values)
    )


@pytest.mark.parametrize("name", ["segment_sum", "segment_max", "segment_softmax"])
def test_operators_are_registered_completely(name):
    values = seeded(9, 2).requires_grad_()
    torch.library.opcheck(getattr(torch.ops.graphml, name), (values, pointers(LENGTHS["mixed"])))


@pytest.mark.parametrize("values", [torch.zeros(9, dtype=torch.long), torch.zeros(()), torch.zeros(9, 1, 1)])
@each_operator
def test_values_must_be_floats_of_one_or_two_dimensions(name, values):
    with pytest.raises(ValueError, match=r"values: expected floats \[E\] or \[E, H\]"):
        OPERATORS[name](values, torch.tensor([0, 9]))


@pytest.mark.parametrize("ptr", [torch.zeros(0, dtype=torch.long), torch.zeros(1, 2, dtype=torch.long), torch.zeros(2)])
@each_operator
def test_pointers_must_be_integers(name, ptr):
    with pytest.raises(ValueError, match=r"ptr: expected integers \[S \+ 1\]"):
        OPERATORS[name](torch.zeros(9), ptr)


@pytest.mark.parametrize("ptr", [[0, 8], [0, 10], [1, 9]], ids=str)
@each_operator
def test_pointers_must_span_the_entries(name, ptr):
    with pytest.raises(ValueError, match="ptr: expected pointers from 0 to 9"):
        OPERATORS[name](torch.zeros(9), torch.tensor(ptr))
