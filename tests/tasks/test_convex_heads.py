"""The tasks whose heads are convex problems: logistic and least squares."""

import functools

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from graphml.models import IdentityEncoder, WaveletEncoder
from graphml.tasks import BinaryNodeClassificationTask, LeastSquaresClassificationTask

SMALL = functools.partial(WaveletEncoder, hidden_channels=8, K=4)


@pytest.fixture
def two_classes(batch):
    batch = batch.clone()
    batch.y = (batch.y > 0).long()
    return batch


def test_one_logit_is_two_whose_first_is_zero(two_classes):
    task = BinaryNodeClassificationTask(8, encoder=SMALL).eval()
    logit = task(two_classes)
    assert logit.shape == (two_classes.num_nodes, 1)
    both, chosen = torch.cat([torch.zeros_like(logit), logit], dim=1), two_classes.train_mask
    loss, metrics = task.loss(task, two_classes, torch.Generator())
    torch.testing.assert_close(loss, F.cross_entropy(both[chosen], two_classes.y[chosen]))
    right = (both.argmax(1) == two_classes.y)[chosen].float().mean()
    torch.testing.assert_close(metrics["accuracy"], right)
    torch.testing.assert_close(task.predict_step(two_classes, 0), both.softmax(1))


def test_least_squares_is_half_the_squared_distance_to_the_indicators(batch):
    task = LeastSquaresClassificationTask(8, 3, encoder=SMALL).eval()
    outputs, chosen = task(batch).detach().numpy(), batch.train_mask.numpy()
    expected = 0.5 * ((outputs - np.eye(3)[batch.y.numpy()])[chosen] ** 2).sum(1).mean()
    loss, metrics = task.loss(task, batch, torch.Generator())
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    assert metrics["accuracy"].item() == pytest.approx((outputs.argmax(1) == batch.y.numpy())[chosen].mean())
    torch.testing.assert_close(task.predict_step(batch, 0), task(batch))


@pytest.mark.parametrize("kind", [BinaryNodeClassificationTask, LeastSquaresClassificationTask])
def test_counts_make_the_metrics_of_the_stage(kind, two_classes):
    task = kind(8, 2, encoder=SMALL).eval()
    two_classes.train_mask = two_classes.val_mask
    with torch.no_grad():
        metrics = task.metrics(task.counts(task, two_classes, "val"))
        loss, training = task.loss(task, two_classes, torch.Generator())
    assert metrics["loss"] == pytest.approx(loss.item(), rel=1e-5)
    assert metrics["accuracy"] == pytest.approx(training["accuracy"].item())


@pytest.mark.parametrize("kind", [BinaryNodeClassificationTask, LeastSquaresClassificationTask])
def test_they_learn_and_their_checkpoints_make_them_again(kind, make_trainer, make_module, tmp_path):
    module = make_module()
    module.setup("fit")
    module.data.y = (module.data.y > 0).long()
    task, trainer = kind(8, 2, encoder=IdentityEncoder, lr=0.1), make_trainer(max_epochs=40)
    trainer.fit(task, module)
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    again = kind.load_from_checkpoint(tmp_path / "last.ckpt")
    assert all(value.equal(again.state_dict()[name]) for name, value in task.state_dict().items())
    assert trainer.callback_metrics["train_loss"] < 0.6


def test_three_classes_are_too_many_for_one_logit():
    with pytest.raises(ValueError, match="num_classes: expected 2, which one logit tells apart, got 3"):
        BinaryNodeClassificationTask(8, 3)
