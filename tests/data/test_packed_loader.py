import itertools
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from graphml.data import AddDialogueEdges, LengthBucketSampler, PackedDialogues, PackedLoader
from graphml.data.packed_loader import prefetched


def packed(count: int = 23, seed: int = 0) -> PackedDialogues:
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, 40, (count,), generator=generator)
    total = int(lengths.sum())
    speakers = torch.randint(2, (total,), generator=generator)
    labels = torch.randint(6, (total,), generator=generator)
    return PackedDialogues(lengths, speakers, {"text": torch.randn(total, 3, generator=generator)}, labels)


def numbers(loader) -> list[list[int]]:
    return [batch.index.tolist() for batch in loader]


def test_unshuffled_batches_come_in_order():
    loader = PackedLoader(packed(), 5)
    assert numbers(loader) == [list(range(start, min(start + 5, 23))) for start in range(0, 23, 5)]
    assert numbers(loader) == numbers(loader)
    assert len(loader) == 5


def test_a_shuffled_epoch_visits_all_once_and_each_epoch_differs():
    loader = PackedLoader(packed(), 4, shuffle=True)
    first, second = numbers(loader), numbers(loader)
    for epoch in (first, second):
        assert sorted(itertools.chain(*epoch)) == list(range(23))
        assert len(epoch) == len(loader) == 6
    assert first != second


def test_seed_and_epoch_alone_give_the_batches():
    state = torch.get_rng_state()
    epochs = [numbers(PackedLoader(packed(), 4, shuffle=True, seed=seed)) for seed in (3, 3, 4)]
    assert epochs[0] == epochs[1] != epochs[2]
    loader = PackedLoader(packed(), 4, shuffle=True, seed=3)
    three = [numbers(loader) for _ in range(3)]
    loader.sampler.set_epoch(1)
    assert [numbers(loader), numbers(loader)] == three[1:]
    loader.sampler.set_epoch(0)
    iterator = iter(loader)
    loader.sampler.set_epoch(2)  # as Lightning does when it resumes: after the iterator is made
    assert [batch.index.tolist() for batch in iterator] == three[2]
    assert torch.equal(torch.get_rng_state(), state)


def test_buckets_hold_similar_lengths():
    lengths = np.random.default_rng(0).integers(1, 100, 320)

    def spread(**options) -> float:
        return float(np.mean([np.ptp(lengths[batch]) for batch in LengthBucketSampler(lengths, 8, **options)]))

    assert spread(bucket=40) < 4  # 40 steps are all 320 items: sorted
    assert spread(bucket=8) < 20
    assert spread(bucket=1) > 60


def test_order_of_the_batches_is_not_that_of_the_lengths():
    lengths = np.arange(160)
    means = [np.mean(lengths[batch]) for batch in LengthBucketSampler(lengths, 8, bucket=20)]
    assert sorted(means) != means
    assert sorted(means, reverse=True) != means


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize(("count", "world_size"), [(48, 3), (23, 4), (17, 2), (9, 4), (3, 4)])
def test_ranks_share_an_epoch_in_equal_numbers_of_batches(count, world_size, shuffle):
    lengths = np.random.default_rng(1).integers(1, 100, count)
    ranks = [LengthBucketSampler(lengths, 4, shuffle, 0, 8, rank, world_size) for rank in range(world_size)]
    shares = [list(rank) for rank in ranks]
    assert {len(share) for share in shares} == {len(ranks[0])}
    assert all(batch for share in shares for batch in share)
    visited = sorted(itertools.chain(*itertools.chain(*shares)))
    assert sorted(set(visited)) == list(range(count))
    assert len(visited) - count < world_size  # repeated only where a step has fewer items than ranks
    for step in zip(*shares, strict=True):
        assert max(map(len, step)) - min(map(len, step)) <= 1


def test_the_share_is_that_of_the_process_group(monkeypatch):
    loader = PackedLoader(packed(), 4, shuffle=True)
    assert len(loader) == 6
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 3)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 2)
    assert len(loader) == 2
    explicit = PackedLoader(packed(), 4, shuffle=True, rank=2, world_size=3)
    assert numbers(loader) == numbers(explicit)


def test_index_names_the_dialogues_of_a_split():
    data = packed()
    split = torch.tensor([22, 3, 8, 9, 1])
    assert numbers(PackedLoader(data, 2, index=split)) == [[22, 3], [8, 9], [1]]
    shuffled = numbers(PackedLoader(data, 2, shuffle=True, index=split.tolist()))
    assert sorted(itertools.chain(*shuffled)) == [1, 3, 8, 9, 22]
    batch = next(iter(PackedLoader(data, 2, index=split)))
    assert torch.equal(batch.features["text"], data.select([22, 3]).features["text"])


def test_transform_sees_each_batch():
    for batch in PackedLoader(packed(), 4, transform=AddDialogueEdges(2, 2)):
        assert torch.equal(batch.edges.rowptr.diff() <= 5, torch.ones(batch.num_utterances, dtype=torch.bool))


def test_workers_give_the_same_batches():
    alone, workers = (PackedLoader(packed(), 4, shuffle=True, seed=1, num_workers=n) for n in (0, 2))
    state = torch.get_rng_state()
    for _ in range(2):
        for a, b in zip(alone, workers, strict=True):
            assert torch.equal(a.index, b.index)
            assert torch.equal(a.features["text"], b.features["text"])
    assert torch.equal(torch.get_rng_state(), state)


class Recorder(pl.LightningModule):
    """Write down which dialogues come."""

    def __init__(self, loader: PackedLoader) -> None:
        super().__init__()
        self.layer, self.loader, self.seen = nn.Linear(3, 6), loader, []

    def train_dataloader(self) -> PackedLoader:
        return self.loader

    def training_step(self, batch, batch_idx):
        self.seen.append((self.current_epoch, batch.index.tolist()))
        return nn.functional.cross_entropy(self.layer(batch.features["text"]), batch.labels)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


def recorder(num_workers: int) -> Recorder:
    return Recorder(PackedLoader(packed(), 8, shuffle=True, seed=5, num_workers=num_workers))


def trainer(epochs: int, **options) -> pl.Trainer:
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    return pl.Trainer(max_epochs=epochs, accelerator="cpu", enable_checkpointing=False, **quiet, **options)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_resumed_run_sees_the_batches_of_an_uninterrupted_one(num_workers, tmp_path):
    whole, half, rest = (recorder(num_workers) for _ in range(3))
    trainer(4).fit(whole)
    interrupted = trainer(2)
    interrupted.fit(half)
    interrupted.save_checkpoint(tmp_path / "half.ckpt")
    trainer(4).fit(rest, ckpt_path=tmp_path / "half.ckpt", weights_only=True)
    assert half.seen + rest.seen == whole.seen
    assert [epoch for epoch, _ in whole.seen] == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert whole.seen[0][1] != whole.seen[3][1]


class SaveAt(pl.Callback):
    """Save a checkpoint after some step."""

    def __init__(self, step: int, path: Path) -> None:
        self.step, self.path = step, path

    def on_train_batch_end(self, trainer, *_) -> None:
        if trainer.global_step == self.step:
            trainer.save_checkpoint(self.path)


@pytest.mark.parametrize(("step", "num_workers"), [(1, 0), (5, 0), (6, 0), (5, 2)])
def test_a_run_resumed_within_an_epoch_goes_on_at_the_next_batch(num_workers, step, tmp_path):
    whole, rest = recorder(num_workers), recorder(num_workers)
    trainer(3, callbacks=SaveAt(step, tmp_path / "step.ckpt")).fit(whole)
    trainer(3).fit(rest, ckpt_path=tmp_path / "step.ckpt", weights_only=True)
    assert rest.seen == whole.seen[step:]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_batches_reach_the_gpu_in_order_and_whole():
    data = packed()
    for ours, there, host in zip(
        PackedLoader(data, 4, device="cuda"), PackedLoader(data.to("cuda"), 4), PackedLoader(data, 4), strict=True
    ):
        for batch in (ours, there):
            assert batch.speakers.is_cuda
            assert torch.equal(batch.features["text"].cpu(), host.features["text"])
            assert torch.equal(batch.index.cpu(), host.index)
    assert list(prefetched(iter([]), torch.device("cuda"))) == []


def test_a_state_within_an_epoch_skips_what_was_given():
    loader, other = (PackedLoader(packed(), 4, shuffle=True) for _ in range(2))
    whole = [numbers(loader), numbers(loader)]
    assert loader.state_dict() == {"given": 0}
    loader.sampler.set_epoch(0)
    iterator = iter(loader)
    begun = [next(iterator).index.tolist() for _ in range(4)]
    other.load_state_dict(loader.state_dict())
    assert begun + numbers(other) == whole[0]
    assert numbers(other) == whole[1]


def test_wrong_options_are_named():
    data = packed()
    with pytest.raises(ValueError, match="batch_size: expected at least 1, got 0"):
        PackedLoader(data, 0)
    with pytest.raises(ValueError, match="bucket: expected at least 1, got 0"):
        PackedLoader(data, 1, bucket=0)
    with pytest.raises(ValueError, match="seed: expected at least 0, got -1"):
        PackedLoader(data, 1, seed=-1)
    with pytest.raises(ValueError, match="num_workers: expected at least 0, got -1"):
        PackedLoader(data, 1, num_workers=-1)
    for rank, world_size in ((0, None), (None, 2), (2, 2), (-1, 2), (0, 0)):
        with pytest.raises(ValueError, match="rank and world_size: expected 0 <= rank < world_size, or neither"):
            PackedLoader(data, 1, rank=rank, world_size=world_size)
    for index in ([23], [-1], []):
        with pytest.raises(ValueError, match="index: expected a vector of dialogues 0 to 22, at least one"):
            PackedLoader(data, 1, index=index)
