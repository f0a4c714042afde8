import copy
import functools

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader
from torch_geometric.data import Data

from graphml.evaluation import LinearProbe
from graphml.models import GCNEncoder, IdentityEncoder, WaveletEncoder
from graphml.tasks import ContrastiveTask
from graphml.tasks.objectives import DGI, InfoNCE

LABEL = "random 20/20/60"


class Unlabelled(Data):
    """A graph that fails the test when a label is read."""

    @property
    def y(self):
        raise AssertionError("a label was read")


def make_task(pair, seed: int = 0, **options) -> ContrastiveTask:
    pl.seed_everything(seed, verbose=False)
    encoder, objective = pair
    return ContrastiveTask(8, encoder, objective, **options)


def state_of(task: ContrastiveTask, trainer: pl.Trainer) -> dict[str, torch.Tensor]:
    """Parameters, buffers and the optimiser's state under flat names."""
    state = {f"model.{name}": value.clone() for name, value in task.state_dict().items()}
    for number, values in trainer.optimizers[0].state_dict()["state"].items():
        state |= {f"optimizer.{number}.{name}": torch.as_tensor(value).clone() for name, value in values.items()}
    return state


def differences(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> list[str]:
    assert first.keys() == second.keys()
    return [name for name, value in first.items() if not torch.equal(value, second[name])]


def trained(pair, make_trainer, data, seed: int = 0, epochs: int = 3) -> dict[str, torch.Tensor]:
    task, trainer = make_task(pair, seed), make_trainer(max_epochs=epochs)
    trainer.fit(task, data)
    return state_of(task, trainer)


def test_two_runs_are_bit_equal_and_another_seed_is_not(pair, make_trainer, make_module):
    first, again, other = (trained(pair, make_trainer, make_module(), seed) for seed in (0, 0, 1))
    assert any(name.startswith("optimizer") for name in first)
    assert differences(first, again) == []
    assert differences(first, other) != []


def test_no_label_is_read_in_fit(pair, make_trainer, make_module):
    module = make_module()
    hidden = {"y", "splits", "train_mask", "val_mask", "test_mask"}
    unlabelled = Unlabelled(**{key: value for key, value in module.data.to_dict().items() if key not in hidden})
    states = []
    for data in (unlabelled, module.data):
        loader = DataLoader([data], batch_size=None)
        task, trainer = make_task(pair), make_trainer(max_epochs=3)
        trainer.fit(task, loader, loader)
        states.append(state_of(task, trainer))
    assert differences(*states) == []


MINI = {"batch_size": 50, "num_neighbors": [3]}


@pytest.mark.parametrize("options", [{}, MINI], ids=["full_graph", "mini_batches"])
def test_a_resumed_run_ends_where_an_uninterrupted_one_does(pair, make_trainer, make_module, tmp_path, options):
    encoder, objective = pair
    if encoder.func is WaveletEncoder:
        pair = functools.partial(encoder, dropout=0.3), objective
    whole = trained(pair, make_trainer, make_module(**options), epochs=4)
    half = make_trainer(max_epochs=2)
    half.fit(make_task(pair), make_module(**options))
    half.save_checkpoint(tmp_path / "half.ckpt")
    task, trainer = make_task(pair), make_trainer(max_epochs=4)
    trainer.fit(task, make_module(**options), ckpt_path=tmp_path / "half.ckpt", weights_only=True)
    assert differences(state_of(task, trainer), whole) == []


@pytest.mark.parametrize("precision", ["64-true", "bf16-true", "bf16-mixed"])
@pytest.mark.parametrize("encoder", [WaveletEncoder, GCNEncoder])
def test_precisions(make_trainer, make_module, precision, encoder):
    task, trainer = make_task((encoder, InfoNCE)), make_trainer(max_epochs=2, precision=precision)
    trainer.fit(task, make_module())
    assert trainer.callback_metrics["train_loss"].isfinite()
    trainer.test(task, make_module(), verbose=False)
    assert task.embeddings.isfinite().all()


def test_accumulated_batches_draw_different_views(make_trainer, make_module, monkeypatch):
    steps = []
    seeded = ContrastiveTask.seeded
    monkeypatch.setattr(ContrastiveTask, "seeded", lambda task, step: steps.append(step) or seeded(task, step))
    trainer = make_trainer(max_epochs=2, accumulate_grad_batches=3, limit_val_batches=0)
    trainer.fit(make_task((WaveletEncoder, DGI)), make_module(batch_size=24))
    assert steps == list(range(10))


@pytest.mark.parametrize("options", [{}, {"weights_only": True}], ids=["default", "weights_only"])
def test_load_from_checkpoint_restores_the_task(pair, make_trainer, make_module, tmp_path, options):
    module, trainer = make_module(), make_trainer(max_epochs=1)
    task = make_task(pair, lr=0.02, weight_decay=0.1)
    trainer.fit(task, module)
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    loaded = ContrastiveTask.load_from_checkpoint(tmp_path / "a.ckpt", **options)
    assert type(loaded.encoder) is type(task.encoder)
    assert type(loaded.objective) is type(task.objective)
    assert (loaded.lr, loaded.weight_decay) == (0.02, 0.1)
    assert differences(dict(loaded.state_dict()), dict(task.state_dict())) == []
    assert torch.equal(loaded.eval()(module.data), task.eval()(module.data))
    generator = [torch.Generator().manual_seed(5) for _ in range(2)]
    first, second = (t.loss(t.encoder, module.data, g)[0] for t, g in zip((task, loaded), generator, strict=True))
    assert torch.equal(first, second)  # the objective has its options again


def test_a_checkpoint_of_the_defaults_loads(make_trainer, make_module, tmp_path):
    trainer = make_trainer(max_epochs=1)
    trainer.fit(ContrastiveTask(8), make_module())
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    loaded = ContrastiveTask.load_from_checkpoint(tmp_path / "a.ckpt", weights_only=True)
    assert isinstance(loaded.encoder, WaveletEncoder)
    assert isinstance(loaded.objective, InfoNCE)


def test_a_checkpoint_of_a_nameless_factory_is_refused(make_trainer, make_module, tmp_path):
    trainer = make_trainer(max_epochs=1)
    trainer.fit(ContrastiveTask(8, lambda channels: GCNEncoder(channels, 4)), make_module())
    with pytest.raises(TypeError, match="encoder: expected a class or functools"):
        trainer.save_checkpoint(tmp_path / "a.ckpt")


def test_checkpoint_holds_the_density_of_the_training_graph(make_trainer, make_module, info_nce_pair):
    module, task = make_module(), make_task(info_nce_pair)
    assert not torch.equal(task.encoder.filters[0].density, module.data.density)
    make_trainer(max_epochs=1).fit(task, module)
    assert all(torch.equal(layer.density, module.data.density) for layer in task.encoder.wavelet_layers)
    assert "encoder.filters.0.density" in task.state_dict()


def test_loss_needs_no_trainer_and_draws_from_the_generator_alone(pair, batch):
    task = make_task(pair).eval()
    state = torch.get_rng_state()
    first, again, other = (task.loss(task.encoder, batch, torch.Generator().manual_seed(s)) for s in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    assert first[0].requires_grad
    assert first[1]["loss"].item() == first[0].item()
    assert not first[1]["loss"].requires_grad
    assert torch.equal(first[0], again[0])
    assert not torch.equal(first[0], other[0])


def test_training_lowers_the_loss(pair, make_trainer, make_module):
    module, task = make_module(), make_task(pair, lr=0.01)

    def loss_on_fixed_views() -> float:
        model = copy.deepcopy(task).train()
        return model.loss(model.encoder, module.data, torch.Generator().manual_seed(1))[0].item()

    before = loss_on_fixed_views()
    make_trainer(max_epochs=40).fit(task, module)
    assert loss_on_fixed_views() < before


def test_validation_sees_the_same_views_every_time(make_trainer, make_module, info_nce_pair):
    module, task, trainer = make_module(), make_task(info_nce_pair), make_trainer()
    first, again = (trainer.validate(task, module, verbose=False) for _ in range(2))
    assert first == again


def test_train_and_validation_losses_are_logged(make_trainer, make_module, info_nce_pair):
    trainer = make_trainer(max_epochs=1)
    trainer.fit(make_task(info_nce_pair), make_module())
    assert trainer.callback_metrics.keys() == {"train_loss", "val_loss"}


def test_test_probes_the_frozen_embeddings_on_every_split(make_trainer, make_module, info_nce_pair):
    module, task = make_module(), make_task(info_nce_pair)
    trainer = make_trainer(max_epochs=20)
    trainer.fit(task, module)
    before = {name: value.clone() for name, value in task.state_dict().items()}
    (metrics,) = trainer.test(task, module, verbose=False)
    assert differences(before, dict(task.state_dict())) == []
    data = module.data
    with torch.no_grad():
        z = task.eval()(data)
    assert torch.equal(task.embeddings, z)
    assert torch.equal(task.labels, data.y)
    split = data.splits[LABEL]
    results = [LinearProbe().evaluate(z, data.y, *(mask[:, k] for mask in split)) for k in range(2)]
    for name in ("test_accuracy", "val_accuracy"):
        expected = sum(getattr(result, name) for result in results) / 2
        assert metrics[f"{LABEL}/{name}"] == pytest.approx(expected)
    assert metrics[f"{LABEL}/test_accuracy"] > 0.6  # a third by chance


def test_predictions_are_the_embeddings(make_trainer, make_module, info_nce_pair):
    module, task = make_module(), make_task(info_nce_pair)
    (z,) = make_trainer().predict(task, module)
    assert torch.equal(z, task.eval()(module.data))


def test_raw_features_are_a_control_without_training(make_trainer, make_module):
    module = make_module()
    task = ContrastiveTask(8, IdentityEncoder, functools.partial(DGI))
    (metrics,) = make_trainer().test(task, module, verbose=False)
    assert torch.equal(task.embeddings, module.data.x)
    assert 0 <= metrics[f"{LABEL}/test_accuracy"] <= 1


def test_mini_batches_train_every_objective(pair, make_trainer, make_module):
    module = make_module(batch_size=50, num_neighbors=[3, 3])
    task, trainer = make_task(pair), make_trainer(max_epochs=2)
    before = torch.nn.utils.parameters_to_vector(task.encoder.parameters()).detach().clone()
    trainer.fit(task, module)
    assert trainer.global_step == 6
    assert not torch.equal(torch.nn.utils.parameters_to_vector(task.encoder.parameters()), before)


def test_mini_batches_probe_every_node_in_order(make_trainer, make_module, info_nce_pair):
    module, task = make_module(batch_size=50, num_neighbors=[3, 3]), make_task(info_nce_pair)
    (metrics,) = make_trainer().test(task, module, verbose=False)
    assert torch.equal(task.labels, module.data.y)
    assert task.embeddings.shape == (120, 8)
    split = module.data.splits[LABEL]
    expected = [LinearProbe().evaluate(task.embeddings, task.labels, *(mask[:, k] for mask in split)) for k in range(2)]
    assert metrics[f"{LABEL}/test_accuracy"] == pytest.approx(sum(r.test_accuracy for r in expected) / 2)


def test_untrained_encoder_is_normalised_by_the_clean_graph(make_trainer, make_module):
    """Else its BatchNorms do nothing, and the control of a study is worse than it should be."""
    task, module, trainer = make_task((WaveletEncoder, DGI)), make_module(), make_trainer()
    trainer.test(task, module, verbose=False)
    # Not exactly: in training a BatchNorm divides by the biased deviation, and by the unbiased one in evaluation.
    torch.testing.assert_close(task.embeddings.mean(0), torch.zeros(256), atol=0.05, rtol=0)
    torch.testing.assert_close(task.embeddings.std(0), torch.ones(256), atol=0.05, rtol=0)
    (predicted,) = make_trainer().predict(make_task((WaveletEncoder, DGI)), make_module())
    assert torch.equal(predicted, task.embeddings)


def test_trained_encoder_keeps_the_statistics_of_its_training(make_trainer, make_module):
    task, trainer = make_task((WaveletEncoder, DGI)), make_trainer(max_epochs=2)
    trainer.fit(task, make_module())
    before = copy.deepcopy(task.state_dict())
    trainer.test(task, make_module(), verbose=False)
    assert differences(before, task.state_dict()) == []


def test_mini_batches_with_all_neighbours_embed_as_the_full_graph_does(make_trainer, make_module):
    """Two hops around a node decide its two-layer GCN embedding, normalisation apart: so three hops."""
    task = ContrastiveTask(8, functools.partial(GCNEncoder, hidden_channels=4), DGI)
    whole, sampled = make_trainer(), make_trainer()
    (expected,) = whole.predict(task, make_module())
    parts = sampled.predict(task, make_module(batch_size=50, num_neighbors=[-1, -1, -1]))
    torch.testing.assert_close(torch.cat(parts), expected, atol=1e-5, rtol=1e-5)


def test_optimiser_is_adam_with_the_options_over_encoder_and_objective(info_nce_pair):
    task = make_task(info_nce_pair, lr=0.3, weight_decay=0.2, filter_lr=0.01)
    rest, filters = task.configure_optimizers().param_groups
    assert (rest["lr"], rest["weight_decay"]) == (0.3, 0.2)
    assert (filters["lr"], filters["weight_decay"]) == (0.01, 0)
    assert {id(p) for p in filters["params"]} == {
        id(p) for layer in task.encoder.filters for p in (layer.filters.raw_scales, layer.mixing)
    }
    assert len(rest["params"]) + len(filters["params"]) == len(list(task.parameters()))
    assert any(p is task.objective.projector[0].weight for p in rest["params"])


def test_filters_take_the_learning_rate_of_the_rest_unless_told():
    _, filters = ContrastiveTask(8, WaveletEncoder, DGI, lr=0.3).configure_optimizers().param_groups
    assert filters["lr"] == 0.3
    (only,) = ContrastiveTask(8, GCNEncoder, DGI, filter_lr=0.5).configure_optimizers().param_groups  # has no filters
    assert only["lr"] == 1e-3
