"""Forward gradients: tangents by the dense formula, no bias, the law of the variance, and errors instead of zeros."""

import functools

import pytest
import torch
import torch.nn.functional as F

from graphml.data import PackedDialogues
from graphml.federated.forward_gradient import forward_gradient
from graphml.models import GCN
from graphml.tasks import EmotionTask, NodeClassificationTask
from graphml.tasks.task import Task

LAST = ["encoder.lins.1.weight", "encoder.biases.1.bias"]


def exact(task, batch, names, seed=0):
    """Loss and gradient by backpropagation."""
    loss, _ = task.loss(task.network, batch, torch.Generator().manual_seed(seed))
    parameters = dict(task.named_parameters())
    return loss, dict(zip(names, torch.autograd.grad(loss, [parameters[name] for name in names]), strict=True))


def flat(gradient):
    return torch.cat([value.flatten() for value in gradient.values()])


@pytest.fixture
def gcn(graphs):
    torch.manual_seed(3)
    task = NodeClassificationTask(6, 3, model=functools.partial(GCN, hidden_channels=4, dropout=0.0)).double()
    data = graphs[0].clone()
    data.x, data.edge_weight = data.x.double(), data.edge_weight.double()
    return task, data


def dense_loss(data, w0, b0, w1, b1):
    """The loss of the GCN by the dense adjacency matrix."""
    source, target = data.edge_index.as_tensor()
    matrix = torch.zeros(data.num_nodes, data.num_nodes, dtype=w0.dtype).index_put((target, source), data.edge_weight)
    hidden = F.relu(matrix @ (data.x @ w0.T) + b0)
    logits = matrix @ (hidden @ w1.T) + b1
    return F.cross_entropy(logits[data.train_mask], data.y[data.train_mask])


@pytest.mark.parametrize("sparse", [False, True])
def test_one_draw_is_the_direction_times_the_derivative_of_the_dense_formula(gcn, sparse):
    task, data = gcn
    names = [name for name, _ in task.named_parameters()]
    batch = data.clone()
    batch.x = batch.x.to_sparse_csr() if sparse else batch.x
    loss, gradient = forward_gradient(task, batch, names, torch.Generator().manual_seed(5))
    generator = torch.Generator().manual_seed(5)
    values = {name: value.detach() for name, value in task.named_parameters()}
    directions = {
        name: torch.randn(value.shape, generator=generator, dtype=value.dtype) for name, value in values.items()
    }
    order = ["encoder.lins.0.weight", "encoder.biases.0.bias", *LAST]
    primal, slope = torch.func.jvp(
        functools.partial(dense_loss, data),
        tuple(values[name] for name in order),
        tuple(directions[name] for name in order),
    )
    torch.testing.assert_close(loss.double(), primal)
    for name in names:
        torch.testing.assert_close(gradient[name], directions[name] * slope)


def test_the_mean_of_many_draws_is_the_gradient_within_its_standard_error(gcn):
    task, data = gcn
    generator = torch.Generator().manual_seed(0)
    estimates = torch.stack([flat(forward_gradient(task, data, LAST, generator)[1]) for _ in range(600)])
    truth = flat(exact(task, data, LAST)[1])
    error = (estimates.mean(0) - truth) / (estimates.std(0) / len(estimates) ** 0.5)
    assert error.abs().max() < 4  # of 15 numbers: a chance of 1 in 1,000
    assert 0.3 < error.square().mean() < 2.5
    assert ((estimates.mean(0) - truth).norm() / truth.norm()) < 0.4


class Curved(Task):
    """``sum sin(w + x)``: a loss that costs nothing, so that a law can be looked at closely."""

    def __init__(self, size):
        super().__init__()
        self.w = torch.nn.Parameter(torch.linspace(-1, 1, size, dtype=torch.float64))
        self.b = torch.nn.Parameter(torch.ones(2, dtype=torch.float64))

    def loss(self, model, batch, generator):
        return (self.w + batch).sin().sum() + self.b.cos().sum(), {}

    def counts(self, model, batch, stage):
        return {}

    def metrics(self, counts):
        return {}


@pytest.mark.parametrize(
    ("names", "size", "draws"), [(["w"], 1, 1), (["w"], 12, 1), (["w", "b"], 12, 1), (["w"], 8, 4)]
)
def test_the_second_moment_is_that_of_the_law(names, size, draws):
    """E|g^|^2 = (d + 2) |g|^2 for one direction, (1 + (d + 1) / K) |g|^2 for the mean of K."""
    task, batch = Curved(size), torch.linspace(0.5, 2.0, size, dtype=torch.float64)
    generator = torch.Generator().manual_seed(1)
    estimates = (flat(forward_gradient(task, batch, names, generator, draws)[1]) for _ in range(2000 // draws))
    squares = torch.stack([estimate.square().sum() for estimate in estimates])
    truth = flat(exact(task, batch, names)[1])
    law = (1 + (len(truth) + 1) / draws) * truth.square().sum()
    error = squares.std() / len(squares) ** 0.5
    assert (squares.mean() - law).abs() < 4 * error
    assert error < 0.08 * law  # a test that can fail


def test_a_draw_of_directions_leaves_task_and_other_streams_alone(gcn):
    task, data = gcn
    before = {name: value.clone() for name, value in task.state_dict().items()}
    stream = torch.get_rng_state()
    forward_gradient(task, data, LAST, torch.Generator().manual_seed(0), draws=3)
    assert torch.equal(torch.get_rng_state(), stream)
    assert all(torch.equal(value, before[name]) for name, value in task.state_dict().items())
    assert all(parameter.grad is None for parameter in task.parameters())


def test_equal_seeds_give_equal_bits_and_dropout_is_drawn_for_each_direction(graphs):
    task = NodeClassificationTask(6, 3, model=functools.partial(GCN, hidden_channels=4, dropout=0.5))

    def one(seed, draws=2):
        torch.manual_seed(seed)
        return forward_gradient(task, graphs[0], LAST, torch.Generator().manual_seed(seed), draws)

    (first, gradient), (second, again) = one(0), one(0)
    assert torch.equal(first, second)
    assert all(torch.equal(gradient[name], again[name]) for name in LAST)
    assert not torch.equal(one(1)[0], first)


@pytest.fixture
def dialogues():
    """Three conversations of two speakers, one batch."""
    generator = torch.Generator().manual_seed(0)
    features = {name: torch.randn(15, size, generator=generator) for name, size in {"text": 5, "audio": 3}.items()}
    packed = PackedDialogues(
        torch.tensor([4, 6, 5]), torch.arange(15) % 2, features, torch.randint(3, (15,), generator=generator)
    )
    return packed.select([0, 1, 2])


@pytest.fixture
def emotion(dialogues):
    torch.manual_seed(0)
    task = EmotionTask({"text": 5, "audio": 3}, 3, 2, reconstruction_weight=0.0, contrastive_weight=0.0)
    task.prepare(dialogues)
    return task.eval()  # no dropout: the gradient is one number


HEAD = ["model.head.weight", "model.head.bias"]


def test_the_head_of_der_gcn_has_the_derivative_of_backpropagation(emotion, dialogues):
    generator = torch.Generator().manual_seed(2)
    _, gradient = forward_gradient(emotion, dialogues, HEAD, generator)
    generator = torch.Generator().manual_seed(2)
    _, truth = exact(emotion, dialogues, HEAD)
    directions = [torch.randn(truth[name].shape, generator=generator) for name in HEAD]
    slope = sum((v * truth[name]).sum() for v, name in zip(directions, HEAD, strict=True))
    for name, direction in zip(HEAD, directions, strict=True):
        torch.testing.assert_close(gradient[name], direction * slope, rtol=1e-4, atol=1e-5)


def test_what_lies_before_der_gcns_convolution_is_refused(emotion, dialogues):
    """Its normalised product has no forward mode: an error that names the parameter, and no zeros."""
    for name in ("model.convs.text.weight", "model.convs.audio.weight"):
        with pytest.raises(NotImplementedError, match=rf"got {name} \(You must implement the jvp function"):
            forward_gradient(emotion, dialogues, [name], torch.Generator())


def test_a_custom_op_on_the_way_is_refused(gcn):
    @torch.library.custom_op("graphml_tests::halve", mutates_args=())
    def halve(x: torch.Tensor) -> torch.Tensor:
        return x / 2

    class Halving(torch.nn.Module):
        def __init__(self, network):
            super().__init__()
            self.network = network

        def forward(self, *args):
            return halve(self.network(*args))

    task, data = gcn
    task.encoder = Halving(task.encoder)
    with pytest.raises(NotImplementedError, match=r"graphml_tests.halve.* has no forward-mode derivative"):
        forward_gradient(task, data, ["encoder.network.biases.1.bias"], torch.Generator())


def test_a_loss_that_does_not_depend_on_the_parameters_is_refused(gcn):
    task, data = gcn
    task.unused = torch.nn.Parameter(torch.ones(2))
    with pytest.raises(RuntimeError, match=r"names: expected parameters that the loss depends on, .* unused"):
        forward_gradient(task, data, ["unused"], torch.Generator())


@pytest.mark.parametrize(
    ("names", "draws", "told"),
    [
        (LAST, 0, "draws: expected at least 1, got 0"),
        ([], 1, "names: expected some of the task's parameters, got none"),
        (["encoder.head"], 1, "names: expected some of the task's parameters, got encoder.head"),
    ],
)
def test_wrong_arguments_are_refused(gcn, names, draws, told):
    with pytest.raises(ValueError, match=told):
        forward_gradient(*gcn, names, torch.Generator(), draws)
