"""DEMI: InfoNCE where there is one subview, bounds with exact critics, the chain rule, and where weights mislead.

Oracle: correlated Gaussians with the densities of scipy, whose information is known.
"""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.stats import norm

from graphml.bench.measure import peak_mib
from graphml.losses import DecomposedInfoNCE, boosted_info_nce, conditional_info_nce, decomposed_info_nce

N, D = 64, 6


def correlation(nats: float) -> float:
    """Correlation at which D pairs of Gaussians share so much."""
    return math.sqrt(1 - math.exp(-2 * nats / D))


def pairs(nats, size=N, seed=0):
    rng, rho = np.random.default_rng(seed), correlation(nats)
    x = rng.standard_normal((size, D))
    return x, rho * x + math.sqrt(1 - rho**2) * rng.standard_normal((size, D))


def log_ratio(x, y, nats):
    """log p(y | x) / p(y), component by component ``[..., D]``."""
    rho = correlation(nats)
    return norm.logpdf(y, rho * x, math.sqrt(1 - rho**2)) - norm.logpdf(y)


def exact_scores(nats, subviews, seed=0, size=N):
    """For each term the optimal critic on all pairs of a batch ``[N, N]``."""
    x, y = pairs(nats, size, seed)
    ratios = log_ratio(x[:, None], y[None], nats)
    return [torch.from_numpy(part.sum(2)) for part in np.split(ratios, subviews, axis=2)]


def conditional_estimates(nats, subviews, seed):
    """Terms of the chain with exact critics and negatives that are drawn from p(y | x_<j)."""
    x, y = pairs(nats, seed=seed)
    rng, width = np.random.default_rng((seed, 1)), D // subviews
    out = []
    for term in range(subviews):
        own = slice(term * width, (term + 1) * width)  # what is known before it does not change the ratio of these
        negatives = rng.standard_normal((N, N - 1, width))
        positive = log_ratio(x[:, own], y[:, own], nats).sum(1)
        scores = log_ratio(x[:, None, own], negatives, nats).sum(2)
        out.append(float(conditional_info_nce(torch.from_numpy(positive), torch.from_numpy(scores))))
    return np.array(out)


def test_a_single_subview_is_infonce():
    scores = torch.randn(N, N, dtype=torch.float64, requires_grad=True)
    loss = F.cross_entropy(scores, torch.arange(N))
    for bound in (decomposed_info_nce, boosted_info_nce):
        estimate = bound(scores)
        torch.testing.assert_close(estimate, (math.log(N) - loss)[None])
        grads = [torch.autograd.grad(value, scores, retain_graph=True)[0] for value in (estimate.sum(), loss)]
        torch.testing.assert_close(grads[0], -grads[1])


def test_the_loss_is_minus_the_sum_of_the_terms():
    scores = [torch.randn(5, 5) for _ in range(3)]
    torch.testing.assert_close(DecomposedInfoNCE()(*scores), -decomposed_info_nce(*scores).sum())
    assert list(DecomposedInfoNCE().parameters()) == []


def test_terms_by_the_papers_formula():
    scores = [torch.randn(7, 7, dtype=torch.float64) for _ in range(3)]
    matrices = [matrix.numpy() for matrix in scores]
    for term, estimate in enumerate(decomposed_info_nce(*scores).tolist()):
        values = []
        for i in range(7):
            others = [k for k in range(7) if k != i]
            weight = np.exp([sum(matrix[i, k] for matrix in matrices[:term]) for k in others])
            weight = weight / weight.sum()
            own, rest = np.exp(matrices[term][i, i]), np.exp(matrices[term][i, others])
            values.append(np.log(own / ((own + 6 * (weight * rest).sum()) / 7)))
        assert estimate == pytest.approx(np.mean(values), rel=1e-10)


def test_equal_weights_are_no_weights_and_a_constant_does_not_matter():
    positive, negatives = torch.randn(4), torch.randn(4, 9)
    plain = conditional_info_nce(positive, negatives)
    torch.testing.assert_close(conditional_info_nce(positive, negatives, torch.full((4, 9), 3.0)), plain)
    weights = torch.randn(4, 9)
    shifted = conditional_info_nce(positive, negatives, weights + torch.randn(4, 1))
    torch.testing.assert_close(shifted, conditional_info_nce(positive, negatives, weights))


def test_with_exact_critics_the_scores_add_up_to_the_information():
    """The chain rule: log-ratios of the terms are that of the whole, pair by pair; the mean of a pair's own is I."""
    nats = 5.0
    whole, parts = exact_scores(nats, 1, size=600)[0], exact_scores(nats, 3, size=600)
    torch.testing.assert_close(sum(parts), whole)
    own = whole.diagonal()
    assert float(own.mean()) == pytest.approx(nats, abs=4 * float(own.std()) / 600**0.5)
    for part in parts:
        assert float(part.diagonal().mean()) == pytest.approx(nats / 3, abs=0.3)


@pytest.mark.parametrize("nats", [1.0, 4.0, 9.0, 15.0])
def test_infonce_with_the_exact_critic_stays_below_the_information_and_the_logarithm_of_n(nats):
    values = np.array([float(decomposed_info_nce(*exact_scores(nats, 1, seed))[0]) for seed in range(30)])
    assert values.mean() < nats + 3 * values.std() / 30**0.5
    assert values.max() <= math.log(N)
    if nats < 2:
        assert values.mean() > 0.9 * nats


@pytest.mark.parametrize("subviews", [2, 3, 6])
@pytest.mark.parametrize("nats", [1.0, 4.0, 9.0, 15.0])
def test_the_chain_with_conditional_negatives_stays_below_the_information(nats, subviews):
    terms = np.array([conditional_estimates(nats, subviews, seed) for seed in range(30)])
    totals = terms.sum(1)
    assert totals.mean() < nats + 3 * totals.std() / 30**0.5
    assert (terms <= math.log(N)).all()


def test_of_much_information_the_chain_estimates_more_than_infonce():
    nats = 15.0
    plain = np.mean([float(decomposed_info_nce(*exact_scores(nats, 1, seed))[0]) for seed in range(20)])
    chain = np.mean([conditional_estimates(nats, 6, seed).sum() for seed in range(20)])
    assert plain < math.log(N)
    assert chain > 2.5 * plain
    assert chain > 0.8 * nats


def test_importance_weights_become_right_with_many_negatives():
    """Little is known before the second term, so that many of the batch's y are likely under it."""
    nats = 2.0
    errors = []
    for size in (8, 64, 512):
        values = [float(decomposed_info_nce(*exact_scores(nats, 2, seed, size))[1]) for seed in range(1024 // size)]
        errors.append(abs(np.mean(values) - nats / 2))
    assert errors[2] < 0.07
    assert errors[2] < errors[0]


def test_importance_weights_mislead_where_much_is_known_before():
    """Fifteen nats are known and one is left: for want of likely negatives the estimate is far above it."""
    estimates = []
    for seed in range(20):
        known = exact_scores(15.0, 1, seed)[0]
        x, y = pairs(D, seed=seed + 100)  # one nat a component, of which one component is seen
        left = torch.from_numpy(log_ratio(x[:, None], y[None], D)[..., 0])
        estimates.append(float(decomposed_info_nce(known, left)[1]))
    assert np.mean(estimates) > 1.7
    assert np.max(estimates) <= math.log(N)
    weights = known.fill_diagonal_(-torch.inf).softmax(1).max(1).values
    assert float(weights.median()) > 0.9  # one negative stands for all


def test_boosted_terms_bound_growing_parts_and_the_last_is_infonce_of_the_sum():
    scores = exact_scores(9.0, 3)
    terms = boosted_info_nce(*scores)
    whole = decomposed_info_nce(sum(scores))[0]
    torch.testing.assert_close(terms[-1], whole)
    assert (terms <= math.log(N)).all()
    assert (terms.diff() > 0).all()


def test_each_critic_is_trained_by_its_own_term():
    for bound in (decomposed_info_nce, boosted_info_nce):
        scores = [torch.randn(6, 6, requires_grad=True) for _ in range(3)]
        terms = bound(*scores)
        for term in range(3):
            grads = torch.autograd.grad(terms[term], scores, retain_graph=True, allow_unused=True)
            assert [grad is not None and bool(grad.any()) for grad in grads] == [k == term for k in range(3)]


def test_gradients_by_finite_differences():
    first, second = (torch.randn(4, 4, dtype=torch.float64, requires_grad=True) for _ in range(2))
    fixed = first.detach()
    assert torch.autograd.gradcheck(lambda s: decomposed_info_nce(fixed, s)[1], (second,))
    negatives, weights = torch.randn(2, 4, 5, dtype=torch.float64).unbind()
    positive = torch.randn(4, dtype=torch.float64, requires_grad=True)
    arguments = (positive, negatives.requires_grad_(), weights.requires_grad_())
    assert torch.autograd.gradcheck(conditional_info_nce, arguments)


def test_large_scores_and_half_precision_stay_finite():
    scores = [1e4 * torch.randn(8, 8) for _ in range(2)]
    assert decomposed_info_nce(*scores).isfinite().all()
    small = [torch.randn(20, 20) for _ in range(2)]
    halves = decomposed_info_nce(*(matrix.bfloat16() for matrix in small))
    assert halves.dtype == torch.float32
    torch.testing.assert_close(halves, decomposed_info_nce(*small), atol=0.05, rtol=0.05)


def test_memory_is_that_of_a_few_matrices_of_pairs():
    scores = [torch.randn(500, 500, requires_grad=True) for _ in range(2)]
    peak = peak_mib(lambda: decomposed_info_nce(*scores).sum().backward())
    assert peak < 20 * scores[0].nbytes / 2**20


@pytest.mark.parametrize(
    ("shapes", "told"),
    [
        ([(3, 4)], r"got \[\[3, 4\]\]"),
        ([(3, 3), (4, 4)], r"got \[\[3, 3\], \[4, 4\]\]"),
        ([(3,)], r"got \[\[3\]\]"),
        ([(1, 1)], "at least two anchors, got 1"),
    ],
)
def test_scores_must_be_square_matrices_of_one_shape(shapes, told):
    for bound in (decomposed_info_nce, boosted_info_nce):
        with pytest.raises(ValueError, match=f"first.*: expected .*{told}"):
            bound(*(torch.zeros(shape) for shape in shapes))


def test_shapes_of_the_conditional_bound_must_fit():
    for positive, negatives in ((3, (4, 2)), (3, (3, 0)), (3, (3,))):
        with pytest.raises(ValueError, match=r"positive, negatives: expected \[N\] and \[N, K - 1\]"):
            conditional_info_nce(torch.zeros(positive), torch.zeros(negatives))
    with pytest.raises(ValueError, match=r"log_weights: expected shape \[3, 2\], got \[3, 3\]"):
        conditional_info_nce(torch.zeros(3), torch.zeros(3, 2), torch.zeros(3, 3))
