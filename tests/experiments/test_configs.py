"""Every variant of every study trains and tests, on a tiny graph or tiny conversations in place of its own."""

from pathlib import Path

import numpy as np
import pytest

from graphml.data import Conversations, Utterance, write_folder
from graphml.study.runs import RUNS
from graphml.study_file import StudyConfig, load_study

ROOT = Path(__file__).resolve().parents[2]
STUDIES = sorted((ROOT / "experiments").rglob("*.yaml"))
SHORT = ["--trainer.max_epochs=1", "--trainer.enable_model_summary=false"]
GRAPH = ["--data.name=karate", "--data.split=random", "--data.num_splits=1", "--model.encoder.hidden_channels=8"]


FEDERATION = ["--rounds=1", "--local.epochs=1"]


@pytest.fixture(scope="session")
def conversations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight dialogues of noise, in the interchange layout."""
    rng, rows = np.random.default_rng(0), []
    for d in range(8):
        for number in range(4):
            split = ("train", "train", "val", "test")[d % 4]
            label, text = f"emotion {rng.integers(3)}", f"the day {rng.integers(3)} of the garden"
            rows.append(Utterance(f"d{d}", str(number), "AB"[number % 2], text=text, label=label, split=split))
    sizes = {"text": 6, "audio": 4}
    features = {name: rng.standard_normal((32, size)).astype(np.float32) for name, size in sizes.items()}
    folder = tmp_path_factory.mktemp("conversations")
    write_folder(folder, Conversations(rows, [f"emotion {c}" for c in range(3)], features))
    return folder


def cases() -> list[tuple[Path, str]]:
    return [(path, variant) for path in STUDIES for variant in load_study(path).variants]


def test_there_are_studies() -> None:
    assert len(STUDIES) >= 9


@pytest.mark.parametrize(("path", "variant"), cases(), ids=[f"{path.stem}-{name}" for path, name in cases()])
def test_variant_runs(path: Path, variant: str, tmp_path: Path, conversations: Path) -> None:
    study = load_study(path)
    if study.run == "federate":
        tiny, wanted = federation_options(study, variant, conversations), {"test_loss"}
    elif "emotion" in path.parts:
        tiny, wanted = [*SHORT, f"--data.path={conversations}", "--model.model.hidden_channels=8"], {"weighted_f1"}
    else:
        # An encoder without layers of its own has no width to reduce.
        tiny = SHORT + [option for option in GRAPH if variant != "raw" or "hidden_channels" not in option]
        wanted = {"val_accuracy", "test_accuracy"}
    config = RUNS[study.run].resolve([study.config, study.variants[variant] or {}], tiny)
    measurements = RUNS[study.run].measure(config, [], 0, tmp_path, False)
    assert wanted <= {m.metric for m in measurements}
    assert all(0 <= m.value <= 1 for m in measurements if study.run == "fit")


def federation_options(study: StudyConfig, variant: str, conversations: Path) -> list[str]:
    """Options that make a federation tiny: its own partitioner and strategy, few clients, other data."""
    given = (study.variants[variant] or {}).get("partitioner", {})
    partitioner = (study.config["partitioner"] | given)["class_path"]
    fewer = [] if partitioner.endswith("GroupPartitioner") else ["--partitioner.num_clients=2"]
    fewer += ["--partitioner.delta=0"] if partitioner.endswith("LouvainPartitioner") else []
    data = study.config["data"]["class_path"].rpartition(".")[2]
    if data == "NodeDataModule":  # digits has an own split of every protocol but the published one
        given = study.config.get("protocol")
        name = ["--data.name=karate", "--data.split=random"] + (["--protocol=fs-g"] if given == "fedgcn" else [])
        return [*FEDERATION, *name, *fewer]
    if data == "IEMOCAPDataModule":
        return [*FEDERATION, f"--data.path={conversations}", "--model.model.hidden_channels=8", *fewer]
    raise AssertionError(f"tell how a federation of {data} is made tiny")
