import functools
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from torch_geometric.data import Data

from graphml.cli import main
from graphml.data import LinkDataModule, with_seeds
from graphml.models import DistMult, RGCNDistMult
from graphml.ops import corrupt_triples
from graphml.tasks import LinkPredictionTask

SMALL = functools.partial(DistMult, hidden_channels=16)
RGCN = functools.partial(RGCNDistMult, hidden_channels=8, num_bases=2)


@pytest.fixture
def module(knowledge_graph) -> LinkDataModule:
    return LinkDataModule.from_data(knowledge_graph, batch_size=10)


def make_task(**options) -> LinkPredictionTask:
    pl.seed_everything(0, verbose=False)
    return LinkPredictionTask(12, 3, **({"model": SMALL, "num_negatives": 8} | options))


def naive_metrics(task: LinkPredictionTask, data: Data, mask: torch.Tensor) -> dict[str, float]:
    """Every candidate scored by itself, every known triple looked up in a set, ties at their mean place."""
    facts = [(*edge, kind) for edge, kind in zip(data.edge_index.T.tolist(), data.edge_type.tolist(), strict=True)]
    known, ranks = set(facts), []
    edges, types = data.edge_index[:, data.train_mask], data.edge_type[data.train_mask]

    def score(head: int, tail: int, kind: int) -> float:
        return task.model(edges, types, torch.tensor([[head, kind, tail]])).item()

    for (head, tail, kind), chosen in zip(facts, mask.tolist(), strict=True):
        if not chosen:
            continue
        queries = ([(entity, tail, kind) for entity in range(12)], [(head, entity, kind) for entity in range(12)])
        for query in queries:
            rivals = [score(*triple) for triple in query if triple not in known]
            own = score(head, tail, kind)
            better = sum(rival > own + 1e-6 for rival in rivals)
            ranks.append(1 + better + sum(abs(rival - own) <= 1e-6 for rival in rivals) / 2)
    mean = {"mrr": sum(1 / rank for rank in ranks) / len(ranks), "mean_rank": sum(ranks) / len(ranks)}
    return mean | {f"hits@{k}": sum(rank <= k for rank in ranks) / len(ranks) for k in (1, 3, 10)}


@pytest.mark.parametrize("model", [SMALL, RGCN], ids=["distmult", "rgcn"])
@pytest.mark.parametrize("stage", ["train", "val", "test"])
@pytest.mark.parametrize("chunk_size", [1, 5, 512])
def test_metrics_against_a_loop(knowledge_graph, model, stage, chunk_size):
    task = make_task(model=model, chunk_size=chunk_size).eval()
    with torch.no_grad():
        metrics = task.metrics(task.counts(task.network, knowledge_graph, stage))
        expected = naive_metrics(task, knowledge_graph, knowledge_graph[f"{stage}_mask"])
    assert metrics == pytest.approx(expected)


def test_counts_of_parts_add_up_to_those_of_the_whole(knowledge_graph):
    task = make_task().eval()
    whole = task.counts(task.network, knowledge_graph, "val")
    added = dict.fromkeys(whole, 0)
    for part in knowledge_graph.val_mask.nonzero().squeeze(1).split(2):
        graph = knowledge_graph.clone()
        graph.val_mask = torch.zeros_like(graph.val_mask).index_fill_(0, part, True)
        for name, count in task.counts(task.network, graph, "val").items():
            added[name] = added[name] + count
    assert int(whole["count"]) == 12
    assert task.metrics(added) == pytest.approx(task.metrics(whole))


def test_a_stage_without_triples_counts_nothing(knowledge_graph):
    knowledge_graph.test_mask = torch.zeros_like(knowledge_graph.test_mask)
    task = make_task().eval()
    counts = task.counts(task.network, knowledge_graph, "test")
    assert not any(float(count) for count in counts.values())
    assert task.metrics(counts)["mrr"] == 0


def test_loss_is_the_cross_entropy_of_choosing_the_true_triple(knowledge_graph):
    task = make_task()
    batch = with_seeds(knowledge_graph, torch.tensor([0, 7]))
    loss, values = task.loss(task.network, batch, torch.Generator().manual_seed(1))
    (heads, tails), kinds = knowledge_graph.edge_index, knowledge_graph.edge_type
    triples = torch.stack([heads, kinds, tails], 1)[[0, 7]]
    negatives = corrupt_triples(triples, 12, 8, torch.Generator().manual_seed(1))
    expected = 0.0
    for true, wrong in zip(triples, negatives, strict=True):
        scores = task.model(heads, kinds, torch.cat([true[None], wrong]))
        expected = expected + torch.nn.functional.cross_entropy(scores[None], torch.tensor([0])) / 2
    torch.testing.assert_close(loss, expected)
    assert values["loss"].item() == pytest.approx(loss.item())


def test_without_seeds_the_loss_is_for_all_training_triples(knowledge_graph):
    task = make_task()
    every = with_seeds(knowledge_graph, knowledge_graph.train_mask.nonzero().squeeze(1))
    first, second = (
        task.loss(task.network, batch, torch.Generator().manual_seed(0))[0] for batch in (knowledge_graph, every)
    )
    assert torch.equal(first, second)


def test_a_graph_without_training_triples_gives_a_zero_gradient(knowledge_graph):
    knowledge_graph.train_mask = torch.zeros_like(knowledge_graph.train_mask)
    task = make_task()
    loss, _ = task.loss(task.network, knowledge_graph, torch.Generator())
    loss.backward()
    assert loss.item() == 0
    assert not any(p.grad.any() for p in task.parameters() if p.grad is not None)


@pytest.mark.parametrize("model", [SMALL, RGCN], ids=["distmult", "rgcn"])
def test_triples_of_other_splits_do_not_change_what_is_learned(make_trainer, knowledge_graph, model):
    results = []
    for wrong in (False, True):
        data, task = knowledge_graph.clone(), make_task(model=model)
        if wrong:
            data.edge_type = torch.where(data.train_mask, data.edge_type, (data.edge_type + 1) % 3)
        make_trainer(max_epochs=2).fit(task, LinkDataModule.from_data(data, batch_size=10))
        results.append(torch.nn.utils.parameters_to_vector(task.parameters()))
    assert torch.equal(*results)


def test_it_learns_and_logs(make_trainer, module):
    task, trainer = make_task(), make_trainer(max_epochs=60)
    before = task.metrics(task.counts(task.network, module.data, "train"))["mrr"]
    trainer.fit(task, module)
    names = {f"val_{name}" for name in ("mrr", "mean_rank", "hits@1", "hits@3", "hits@10")}
    assert trainer.callback_metrics.keys() == {"train_loss"} | names
    assert task.metrics(task.counts(task.network, module.data, "train"))["mrr"] > max(0.6, 2 * before)
    (metrics,) = trainer.test(task, module, verbose=False)
    (ranks,) = trainer.predict(task, module)
    assert ranks.shape == (6, 2)
    assert metrics["test_mrr"] == pytest.approx(ranks.reciprocal().mean().item())


@pytest.mark.parametrize("model", [SMALL, RGCN], ids=["distmult", "rgcn"])
def test_two_runs_and_a_resumed_one_are_bit_equal(make_trainer, module, tmp_path, model):
    states = []
    for resumed in (False, False, True):
        torch.rand(3)  # what was drawn before does not matter
        path = None
        if resumed:
            half = make_trainer(max_epochs=2)
            half.fit(make_task(model=model), module)
            half.save_checkpoint(path := tmp_path / "half.ckpt")
        task = make_task(model=model)
        make_trainer(max_epochs=4).fit(task, module, ckpt_path=path, weights_only=True)
        states.append(task.state_dict())
    for other in states[1:]:
        assert [name for name in other if not torch.equal(other[name], states[0][name])] == []


@pytest.mark.parametrize("options", [{}, {"weights_only": True}], ids=["default", "weights_only"])
def test_load_from_checkpoint_restores_the_task(make_trainer, module, tmp_path, options):
    trainer, task = make_trainer(max_epochs=1), make_task(model=RGCN, lr=0.5)
    trainer.fit(task, module)
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    loaded = LinkPredictionTask.load_from_checkpoint(tmp_path / "a.ckpt", **options)
    assert loaded.lr == 0.5
    triples = torch.tensor([[0, 1, 2], [3, 2, 4]])
    ranks = [each.eval().ranks(each.network, module.data, triples) for each in (task, loaded)]
    assert torch.equal(*ranks)
    assert torch.equal(loaded.model.entity, task.model.entity)


@pytest.mark.parametrize("name", ["num_negatives", "chunk_size"])
def test_wrong_options_are_refused(name):
    with pytest.raises(ValueError, match=f"{name}: expected an integer >= 1, got 0"):
        make_task(**{name: 0})


def test_it_runs_from_the_command_line(data_root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = ["--model=LinkPredictionTask", "--data=LinkDataModule", "--data.name=nations", f"--data.root={data_root}"]
    quick = ["--trainer.max_epochs=3", "--trainer.enable_progress_bar=false", "--trainer.accelerator=cpu"]
    assert main(["fit", *options, *quick, "--model.model=graphml.models.DistMult"]) == 0
    (checkpoint,) = Path("runs/fit/version_0/checkpoints").glob("*.ckpt")
    saved = torch.load(checkpoint, weights_only=True)
    assert (saved["hyper_parameters"]["num_entities"], saved["hyper_parameters"]["num_relations"]) == (14, 55)
    assert main(["test", *options, *quick, f"--ckpt_path={checkpoint}"]) == 0
    assert "test_mrr" in Path("runs/test/version_0/metrics.csv").read_text()
    assert main(["predict", *options, *quick, f"--ckpt_path={checkpoint}"]) == 0
    assert torch.load("runs/predict/version_0/predictions.pt").shape == (201, 2)
