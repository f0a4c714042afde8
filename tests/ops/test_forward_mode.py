"""Forward-mode derivatives of the sparse operators: those of the dense formulas, or an error, never silent zeros."""

import pytest
import torch
from torch.autograd import forward_ad
from torch.autograd.gradcheck import gradcheck, gradgradcheck

from graphml.ops import adjacency_pattern, chebyshev_basis, chebyshev_filter, contrastive_logsumexp, spmm
from graphml.ops.forward_mode import RefuseCustomOps
from graphml.ops.sparse import edge_dot

N, ORDER = 7, 4
EDGES = torch.tensor([[0, 1, 2, 3, 3, 5, 0, 4, 0], [1, 2, 0, 3, 1, 4, 5, 0, 1]])  # a loop, a duplicate, node 6 alone
PATTERN = adjacency_pattern(EDGES, N)


def inputs(seed: int = 0, requires_grad: bool = False) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Weights in CSR order, signal and coefficients in double precision."""
    generator = torch.Generator().manual_seed(seed)
    shapes = ((EDGES.size(1),), (N, 3), (ORDER + 1,))
    return tuple(torch.randn(s, generator=generator, dtype=torch.float64).requires_grad_(requires_grad) for s in shapes)


def dense(weight: torch.Tensor) -> torch.Tensor:
    where = (PATTERN.target.long(), PATTERN.col.long())
    return torch.zeros(N, N, dtype=weight.dtype).index_put(where, weight, accumulate=True)


def dense_basis(weight: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    terms = [x, -dense(weight) @ x]
    for _ in range(ORDER - 1):
        terms.append(-2 * dense(weight) @ terms[-1] - terms[-2])
    return torch.stack(terms)


OPERATORS = {
    "product": (lambda w, x, c: spmm(PATTERN, w, x), lambda w, x, c: dense(w) @ x),
    "basis": (lambda w, x, c: chebyshev_basis(x, PATTERN, w, ORDER), lambda w, x, c: dense_basis(w, x)),
    "filter": (
        lambda w, x, c: chebyshev_filter(x, PATTERN, w, c),
        lambda w, x, c: torch.einsum("k,knf->nf", c, dense_basis(w, x)),
    ),
    "dot": (
        lambda w, x, c: edge_dot(PATTERN, x, x.sin()),
        lambda w, x, c: (x @ x.sin().T)[PATTERN.target.long(), PATTERN.col.long()],
    ),
}


@pytest.mark.parametrize("arguments", [(0,), (1,), (2,), (0, 1, 2)], ids=["weight", "x", "coefficients", "all"])
@pytest.mark.parametrize("name", OPERATORS)
def test_tangent_is_that_of_the_dense_formula(name, arguments):
    values, directions = inputs(), inputs(1)
    tangents = tuple(d if i in arguments else torch.zeros_like(d) for i, d in enumerate(directions))
    ours, formula = OPERATORS[name]
    torch.testing.assert_close(torch.func.jvp(ours, values, tangents), torch.func.jvp(formula, values, tangents))


@pytest.mark.parametrize("argument", [0, 1, 2])
@pytest.mark.parametrize("name", ["product", "basis", "filter"])
def test_one_tangent_alone(name, argument):
    values, direction = inputs(), inputs(1)[argument]

    def of(function):
        return lambda value: function(*(value if i == argument else v for i, v in enumerate(values)))

    ours, formula = (torch.func.jvp(of(f), (values[argument],), (direction,)) for f in OPERATORS[name])
    torch.testing.assert_close(ours, formula)


@pytest.mark.parametrize("name", OPERATORS)
def test_both_modes_by_finite_differences(name):
    assert gradcheck(OPERATORS[name][0], inputs(requires_grad=True), check_forward_ad=True)


@pytest.mark.parametrize("name", ["product", "basis", "dot"])
def test_second_derivatives_by_finite_differences(name):
    assert gradgradcheck(OPERATORS[name][0], inputs(requires_grad=True), check_fwd_over_rev=True)


def test_second_backward_pass_of_the_filter_is_refused():
    weight, x, coefficients = inputs()
    x.requires_grad_()
    (grad,) = torch.autograd.grad(
        chebyshev_filter(x, PATTERN, weight, coefficients.requires_grad_()).sum(), x, create_graph=True
    )
    with pytest.raises((NotImplementedError, RuntimeError)):
        torch.autograd.grad(grad.sum(), coefficients)


def operator_call(name, w, x, c):
    operator = getattr(torch.ops.graphml, name)
    last = {"spmm": (w, x), "csr_dot": (x, x), "chebyshev_filter": (w, x, c)}[name]
    return operator(*PATTERN[:5], *last)


@pytest.mark.parametrize("name", ["spmm", "csr_dot", "chebyshev_filter"])
def test_operators_of_the_compiled_path_raise_instead_of_losing_the_tangent(name):
    values = inputs()
    with pytest.raises(NotImplementedError, match=r"not available inside torch\.compile"):
        torch.func.jvp(lambda *args: operator_call(name, *args), values, inputs(1))


@pytest.mark.parametrize("name", ["product", "basis", "filter"])
def test_compiled_code_gives_the_same_tangent(name):
    ours, values, tangents = OPERATORS[name][0], inputs(), inputs(1)
    expected = torch.func.jvp(ours, values, tangents)[1]
    torch._dynamo.reset()
    compiled = torch.compile(ours, backend="aot_eager")
    torch.testing.assert_close(torch.func.jvp(compiled, values, tangents)[1], expected)
    whole = torch.compile(lambda *args: torch.func.jvp(ours, args, tangents)[1], backend="aot_eager")
    torch.testing.assert_close(whole(*values), expected)


@pytest.fixture(scope="module")
def square():
    """An operator of torch.library whose author thought of backpropagation alone."""

    @torch.library.custom_op("graphml_tests::square", mutates_args=())
    def operator(x: torch.Tensor) -> torch.Tensor:
        return x * x

    operator.register_autograd(
        lambda ctx, grad: 2 * ctx.saved_tensors[0] * grad,
        setup_context=lambda ctx, inputs, output: ctx.save_for_backward(*inputs),
    )
    return operator


@pytest.fixture
def dual():
    with torch.no_grad(), forward_ad.dual_level():
        yield forward_ad.make_dual(torch.tensor([2.0, 3.0]), torch.ones(2))


def test_a_custom_op_drops_the_tangent_in_silence_and_is_refused_where_that_matters(square, dual):
    assert forward_ad.unpack_dual(square(dual)).tangent is None  # what it is refused for
    forms = (square, torch.ops.graphml_tests.square, torch.ops.graphml_tests.square.default)
    for form in forms:
        with RefuseCustomOps(), pytest.raises(NotImplementedError, match=r"graphml_tests.square.* a tangent of zero"):
            form(dual)


def test_values_without_a_tangent_pass_and_so_do_operators_of_torch(square, dual):
    with RefuseCustomOps():
        torch.testing.assert_close(square(torch.tensor([2.0])), torch.tensor([4.0]))
        tangent = forward_ad.unpack_dual(torch.ops.aten.mul(dual, dual)).tangent
    torch.testing.assert_close(tangent, torch.tensor([4.0, 6.0]))


def test_tangents_among_lists_and_keywords_are_found(dual):
    @torch.library.custom_op("graphml_tests::total", mutates_args=())
    def total(parts: list[torch.Tensor], more: torch.Tensor) -> torch.Tensor:
        return sum(part.sum() for part in parts) + more.sum()

    plain = torch.ones(1)
    with RefuseCustomOps():
        assert total([plain, plain], more=plain) == 3
        for parts, more in (([plain, dual], plain), ([plain], dual)):
            with pytest.raises(NotImplementedError, match=r"graphml_tests.total"):
                total(parts, more=more)


def test_operators_within_a_function_that_has_a_jvp_are_left_alone(dual):
    with RefuseCustomOps():  # its forward calls graphml::contrastive_logsumexp
        rows = torch.stack([dual, dual * 0.5, dual - 1.0])
        tangent = forward_ad.unpack_dual(contrastive_logsumexp(rows, 0.5)).tangent
    assert tangent.abs().min() > 0


def test_the_package_operator_without_a_refusal_of_its_own_is_refused_by_the_mode(dual):
    rows = torch.stack([dual, dual * 0.5])
    with RefuseCustomOps(), pytest.raises(NotImplementedError, match=r"graphml.contrastive_logsumexp"):
        torch.ops.graphml.contrastive_logsumexp(rows, 0.5)
