import pytest
import torch

from graphml.federated import LocalTraining
from graphml.federated.privacy.attacks import (
    gradient_of_update,
    local_update,
    single_node_features,
    small_client,
    used_features,
)
from graphml.federated.weights import parameter_names, weights_of


def test_a_single_nodes_features_stand_in_the_gradient(wide_task, documents):
    data = small_client(documents, torch.tensor([3]))
    weights = weights_of(wide_task)
    local = LocalTraining(1, lambda parameters: torch.optim.SGD(parameters, lr=1.0))
    update = local_update(wide_task, weights, data, local, seed=0)
    after = {name: weights[name] + change for name, change in update.items()}
    gradient = gradient_of_update(weights, after, 1.0, parameter_names(wide_task))
    found = single_node_features(gradient["encoder.lins.0.weight"], gradient["encoder.biases.0.bias"])
    torch.testing.assert_close(found, data.x[0], atol=1e-4, rtol=1e-3)


def test_used_features_are_the_words_of_the_documents(victim):
    words = victim.data.x.any(dim=0)
    assert 0 < words.sum() < 30
    assert torch.equal(used_features(victim.gradient["encoder.lins.0.weight"]), words)


def test_a_layer_without_active_units_is_an_error():
    with pytest.raises(ValueError, match="bias_gradient: expected one that is not zero, got zeros"):
        single_node_features(torch.zeros(3, 2), torch.zeros(3))
