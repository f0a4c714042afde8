"""Every variant of every study trains and tests, on a tiny graph in place of its own."""

from pathlib import Path

import pytest

from graphml.study.config import load_study
from graphml.study.runs import RUNS

ROOT = Path(__file__).resolve().parents[2]
STUDIES = sorted((ROOT / "experiments").rglob("*.yaml"))
TINY = {
    "fit": [
        "--data.name=karate",
        "--data.split=random",
        "--data.num_splits=1",
        "--trainer.max_epochs=1",
        "--model.encoder.hidden_channels=8",
        "--trainer.enable_model_summary=false",
    ]
}


def cases() -> list[tuple[Path, str]]:
    return [(path, variant) for path in STUDIES for variant in load_study(path).variants]


def test_there_are_studies() -> None:
    assert len(STUDIES) >= 9


@pytest.mark.parametrize(("path", "variant"), cases(), ids=[f"{path.stem}-{name}" for path, name in cases()])
def test_variant_runs(path: Path, variant: str, tmp_path: Path) -> None:
    study = load_study(path)
    # An encoder without layers of its own has no width to reduce.
    tiny = [option for option in TINY[study.run] if variant != "raw" or "hidden_channels" not in option]
    config = RUNS[study.run].resolve([study.config, study.variants[variant] or {}], tiny)
    measurements = RUNS[study.run].measure(config, [], 0, tmp_path, False)
    assert {"val_accuracy", "test_accuracy"} <= {m.metric for m in measurements}
    assert all(0 <= m.value <= 1 for m in measurements)
