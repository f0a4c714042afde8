import copy
import pickle

import pytest
import torch
from torch import nn

from graphml.nn import FeatureLinear, drop_features, feature_linear, mask_columns


@pytest.fixture
def features() -> torch.Tensor:
    """Bag of words: few entries, an empty row and an empty column."""
    x = torch.rand(9, 6, generator=torch.Generator().manual_seed(0))
    x = x * (x > 0.6)
    x[4] = 0
    x[:, 2] = 0
    return x


@pytest.mark.parametrize("bias", [True, False])
def test_sparse_features_give_the_same_output_and_gradients_as_dense_ones(features, bias):
    layer = FeatureLinear(6, 3, bias=bias)
    direction = torch.randn(9, 3)
    parameters = tuple(layer.parameters())
    dense, sparse = layer(features), layer(features.to_sparse_csr())
    assert sparse.layout == torch.strided
    torch.testing.assert_close(sparse, dense)
    torch.testing.assert_close(
        torch.autograd.grad((sparse * direction).sum(), parameters),
        torch.autograd.grad((dense * direction).sum(), parameters),
    )


def test_it_is_torchs_linear_layer_for_dense_features(features):
    layer, reference = FeatureLinear(6, 3), nn.Linear(6, 3)
    reference.load_state_dict(layer.state_dict())
    assert torch.equal(layer(features), reference(features))
    assert isinstance(layer, nn.Linear)


def test_masked_columns_are_zero_and_the_layout_is_kept(features):
    mask = torch.tensor([1.0, 0.0, 1.0, 0.5, 0.0, 1.0])
    dense, sparse = mask_columns(features, mask), mask_columns(features.to_sparse_csr(), mask)
    torch.testing.assert_close(dense, features @ mask.diag())
    assert sparse.layout == torch.sparse_csr
    assert torch.equal(sparse.to_dense(), dense)


def test_masking_leaves_its_input_alone(features):
    sparse, before = features.to_sparse_csr(), features.clone()
    mask_columns(features, torch.zeros(6))
    mask_columns(sparse, torch.zeros(6))
    assert torch.equal(features, before)
    assert torch.equal(sparse.to_dense(), before)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_sparse_features_in_half_precision(dtype):
    torch.manual_seed(0)
    layer, x = FeatureLinear(6, 4), torch.randn(5, 6).relu()
    expected = layer(x)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(layer(x.to_sparse_csr()), expected)
    out = layer.to(dtype)(x.to(dtype).to_sparse_csr())
    assert out.dtype == dtype
    torch.testing.assert_close(out.float(), expected, atol=0.02, rtol=0.02)


def test_the_pattern_is_made_once_for_a_matrix_and_its_masks_and_anew_for_another(features, monkeypatch):
    made = []
    build = feature_linear.matrix_pattern
    monkeypatch.setattr(feature_linear, "matrix_pattern", lambda *args: made.append(1) or build(*args))
    layer, sparse = FeatureLinear(6, 3), features.to_sparse_csr()
    for x in (sparse, mask_columns(sparse, torch.rand(6)), sparse):
        torch.testing.assert_close(layer(x), layer(x.to_dense()))
    assert len(made) == 1
    for _ in range(20):  # memory that is freed and used again must not pass for the old matrix
        other = (torch.rand(9, 6) * (torch.rand(9, 6) > 0.5)).to_sparse_csr()
        torch.testing.assert_close(layer(other), layer(other.to_dense()))
        del other
    assert len(made) == 21


def test_a_copy_and_a_pickle_make_their_own_pattern(features):
    layer = FeatureLinear(6, 3)
    expected = layer(features.to_sparse_csr())
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert other._seen is None
        assert torch.equal(other(features.to_sparse_csr()), expected)


def test_dropout_of_sparse_features_drops_entries_and_scales_the_rest(features):
    sparse = features.to_sparse_csr()
    dropped = drop_features(sparse, 0.5, True)
    assert dropped.layout == torch.sparse_csr
    values = dropped.to_dense()
    kept = values != 0
    torch.testing.assert_close(values[kept], 2 * features[kept])
    assert 0 < int(kept.sum()) < int((features != 0).sum())
    assert torch.equal(sparse.to_dense(), features)


def test_dropout_of_dense_features_is_torchs(features):
    dropped = drop_features(features, 0.5, True)
    torch.manual_seed(0)
    torch.testing.assert_close(dropped, nn.functional.dropout(features, 0.5))


@pytest.mark.parametrize(("p", "training"), [(0.5, False), (0.0, True)])
def test_nothing_drops_in_evaluation_or_with_probability_0(features, p, training):
    sparse = features.to_sparse_csr()
    assert drop_features(sparse, p, training) is sparse
