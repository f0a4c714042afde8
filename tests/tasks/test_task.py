import functools

import pytest
import pytorch_lightning as pl
import torch
from torch_geometric.data import Data

from graphml.models import GCNEncoder, WaveletEncoder
from graphml.tasks import NodeClassificationTask
from graphml.tasks.task import factory_config, num_seeds


def test_a_class_is_written_with_all_its_defaults():
    assert factory_config(GCNEncoder) == {
        "class_path": "graphml.models.gcn_encoder.GCNEncoder",
        "init_args": {"hidden_channels": 256, "num_layers": 2, "dropout": 0.0},
    }


def test_a_partial_is_written_with_its_values_over_the_defaults():
    config = factory_config(functools.partial(WaveletEncoder, K=3, scales=[1.0, 0.5]))
    assert config["class_path"] == "graphml.models.wavelet_encoder.WaveletEncoder"
    assert config["init_args"]["K"] == 3
    assert config["init_args"]["scales"] == [1.0, 0.5]
    assert config["init_args"]["residual"] == 0.1
    assert "in_channels" not in config["init_args"]


@pytest.mark.parametrize("value", [0.1, "text", None, [1, 2], {"class_path": "a.B"}])
def test_plain_values_pass(value):
    assert factory_config(value) == value


def test_a_module_passes():
    module = torch.nn.Linear(2, 2)
    assert factory_config(module) is module


@pytest.mark.parametrize("kind", ["lambda", "local", "positional", "method"])
def test_what_a_checkpoint_cannot_name_is_refused(kind):
    class Local(GCNEncoder):
        pass

    factory = {
        "lambda": lambda channels: GCNEncoder(channels),
        "local": Local,
        "positional": functools.partial(GCNEncoder, 8),
        "method": functools.partial(torch.nn.Sequential().forward),
    }[kind]
    with pytest.raises(TypeError, match=r"expected a class or functools.partial\(Class, key=value\)"):
        factory_config(factory)


def draws(seed: int, step: int) -> list[float]:
    """Of the step's generator, and of the global stream that dropout draws from."""
    pl.seed_everything(seed, verbose=False)
    with NodeClassificationTask(3, 2).seeded(step) as generator:
        return [*torch.rand(4, generator=generator).tolist(), *torch.rand(4).tolist()]


def test_a_step_draws_by_the_runs_seed_and_the_step():
    assert draws(0, 5) == draws(0, 5)
    distinct = {tuple(draws(seed, step)) for seed in (0, 1, 2, 2**32 - 1) for step in (0, 1, 1000)}
    assert len(distinct) == 12


def test_it_draws_whatever_was_drawn_before_and_leaves_the_global_stream_alone():
    first = draws(3, 2)
    torch.rand(100)
    task = NodeClassificationTask(3, 2)
    state = torch.get_rng_state()
    with task.seeded(2) as generator:
        again = [*torch.rand(4, generator=generator).tolist(), *torch.rand(4).tolist()]
    assert again == first
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.initial_seed() == 3


def test_seeds_of_a_sampled_batch_and_of_a_full_graph():
    data = Data(x=torch.zeros(7, 2))
    assert num_seeds(data) == 7
    data.batch_size = 3
    assert num_seeds(data) == 3
