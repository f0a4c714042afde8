import functools

import pytest
import pytorch_lightning as pl
import torch
import torch.nn.functional as F

from graphml.models import GCN, GCNEncoder, WaveletEncoder
from graphml.tasks import NodeClassificationTask

SMALL = functools.partial(WaveletEncoder, hidden_channels=8, K=4)


def make_task(**options) -> NodeClassificationTask:
    pl.seed_everything(0, verbose=False)
    return NodeClassificationTask(8, 3, **({"encoder": SMALL} | options))


def test_it_learns_and_logs_accuracies(make_trainer, make_module):
    module, task, trainer = make_module(), make_task(), make_trainer(max_epochs=60)
    trainer.fit(task, module)
    assert trainer.callback_metrics.keys() == {"train_loss", "train_accuracy", "val_loss", "val_accuracy"}
    (metrics,) = trainer.test(task, module, verbose=False)
    (probabilities,) = trainer.predict(task, module)
    torch.testing.assert_close(probabilities.sum(1), torch.ones(120))
    data = module.data
    right = (probabilities.argmax(1) == data.y)[data.test_mask].float().mean().item()
    assert metrics["test_accuracy"] == pytest.approx(right)
    assert right > 0.6  # a third by chance


def test_loss_is_the_cross_entropy_of_the_training_nodes(batch):
    task = make_task().eval()
    logits = task(batch)
    loss, metrics = task.loss(task, batch, torch.Generator())
    torch.testing.assert_close(loss, F.cross_entropy(logits[batch.train_mask], batch.y[batch.train_mask]))
    right = (logits.argmax(1) == batch.y)[batch.train_mask].float().mean()
    assert metrics["accuracy"].item() == pytest.approx(right.item())
    assert metrics["loss"].item() == pytest.approx(loss.item())


def test_counts_of_parts_add_up_to_the_metrics_of_the_whole(batch):
    task = make_task().eval()
    with torch.no_grad():
        counts = task.counts(task.network, batch, "val")
        logits, y = task(batch)[batch.val_mask], batch.y[batch.val_mask]
        parts = []
        for half in (slice(0, 60), slice(60, None)):
            other = batch.clone()
            other.val_mask = torch.zeros_like(batch.val_mask)
            other.val_mask[half] = batch.val_mask[half]
            parts.append(task.counts(task.network, other, "val"))
    metrics = task.metrics(counts)
    assert metrics["accuracy"] == pytest.approx((logits.argmax(1) == y).double().mean().item())
    assert metrics["loss"] == pytest.approx(F.cross_entropy(logits, y).item(), rel=1e-6)
    assert task.metrics({name: parts[0][name] + parts[1][name] for name in counts}) == pytest.approx(metrics)


def test_a_whole_classifier_takes_the_place_of_encoder_and_head(batch):
    task = NodeClassificationTask(8, 3, model=functools.partial(GCN, hidden_channels=4))
    assert task(batch).shape == (batch.num_nodes, 3)
    with pytest.raises(ValueError, match="expected either encoder or model, got both"):
        make_task(model=GCN)


def test_labels_of_other_nodes_do_not_change_what_is_learned(make_trainer, make_module):
    results = []
    for wrong in (False, True):
        module, task = make_module(), make_task()
        if wrong:
            data = module.data
            data.y = torch.where(data.train_mask, data.y, (data.y + 1) % 3)
        make_trainer(max_epochs=3).fit(task, module)
        results.append(torch.nn.utils.parameters_to_vector(task.parameters()))
    assert torch.equal(*results)


@pytest.mark.parametrize("options", [{}, {"batch_size": 50}], ids=["full_graph", "mini_batches"])
def test_two_runs_and_a_resumed_one_are_bit_equal(make_trainer, make_module, tmp_path, options):
    states = []
    for resumed in (False, False, True):
        torch.rand(3)  # what was drawn before does not matter
        task = make_task(encoder=functools.partial(SMALL, dropout=0.5))
        path = None
        if resumed:
            half = make_trainer(max_epochs=2)
            half.fit(make_task(encoder=functools.partial(SMALL, dropout=0.5)), make_module(**options))
            half.save_checkpoint(path := tmp_path / "half.ckpt")
        make_trainer(max_epochs=4).fit(task, make_module(**options), ckpt_path=path, weights_only=True)
        states.append(task.state_dict())
    for other in states[1:]:
        assert [name for name in other if not torch.equal(other[name], states[0][name])] == []


def test_encoder_keeps_the_density_and_its_filters_do_not_decay(make_trainer, make_module):
    task, module = make_task(weight_decay=0.1, filter_lr=0.2), make_module()
    trainer = make_trainer(max_epochs=1)
    trainer.fit(task, module)
    assert all(torch.equal(layer.density, module.data.density) for layer in task.encoder.wavelet_layers)
    prepared = make_task()
    prepared.prepare(module.data)  # what a loop without a Trainer does
    for name, buffer in prepared.encoder.named_buffers():
        assert not name.endswith("density") or torch.equal(buffer, dict(task.encoder.named_buffers())[name])
    rest, filters = trainer.optimizers[0].param_groups
    assert (rest["weight_decay"], filters["weight_decay"], filters["lr"]) == (0.1, 0, 0.2)


@pytest.mark.parametrize("options", [{}, {"weights_only": True}], ids=["default", "weights_only"])
def test_load_from_checkpoint_restores_the_task(make_trainer, make_module, tmp_path, options):
    module, trainer = make_module(), make_trainer(max_epochs=1)
    task = make_task(encoder=functools.partial(GCNEncoder, hidden_channels=6), lr=0.5)
    trainer.fit(task, module)
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    loaded = NodeClassificationTask.load_from_checkpoint(tmp_path / "a.ckpt", **options)
    assert loaded.lr == 0.5
    assert torch.equal(loaded.eval()(module.data), task.eval()(module.data))


def test_mini_batches_train_and_test_every_node_once(make_trainer, make_module):
    module = make_module(batch_size=50, num_neighbors=[3, 3])
    task, trainer = make_task(), make_trainer(max_epochs=20)
    trainer.fit(task, module)
    (metrics,) = trainer.test(task, module, verbose=False)
    probabilities = torch.cat(trainer.predict(task, module))
    assert probabilities.shape == (120, 3)
    data = module.data
    right = (probabilities.argmax(1) == data.y)[data.test_mask].float().mean().item()
    assert metrics["test_accuracy"] == pytest.approx(right, abs=1e-6)  # each batch weighs by its test nodes


def test_a_batch_without_training_nodes_gives_a_zero_gradient(batch):
    empty = batch.clone()
    empty.train_mask = torch.zeros_like(batch.train_mask)
    task = make_task()
    loss, metrics = task.loss(task, empty, torch.Generator())
    loss.backward()
    assert loss.item() == 0
    assert metrics["accuracy"].item() == 0
    assert not any(p.grad.any() for p in task.parameters() if p.grad is not None)
