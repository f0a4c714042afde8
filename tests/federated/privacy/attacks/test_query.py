import torch

from graphml.federated.privacy.attacks import posteriors
from graphml.federated.weights import weights_of


def test_answers_are_probabilities_of_the_weights_that_are_asked(task, graphs):
    task.encoder.dropout = 0.5
    before = weights_of(task)
    other = {name: value + 0.1 for name, value in before.items()}
    found = posteriors(task, other, graphs[0])
    assert all(torch.equal(value, before[name]) for name, value in weights_of(task).items())
    assert task.training
    task.load_state_dict(other)
    logits = task.eval()(graphs[0]).detach().numpy().astype("float64")
    expected = torch.from_numpy(logits).exp()
    torch.testing.assert_close(found, expected / expected.sum(1, keepdim=True))
