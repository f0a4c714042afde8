"""The speech study runs, on three synthetic speakers, and counts as scikit-learn does."""

import csv
import importlib.util
from pathlib import Path

import numpy as np
import pytest
import soundfile
from sklearn.metrics import balanced_accuracy_score

SCRIPT = Path(__file__).resolve().parents[2] / "experiments" / "emotion" / "emodb.py"


@pytest.fixture(scope="module")
def emodb():
    spec = importlib.util.spec_from_file_location("emodb", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Anger is loud and high, sadness low and faint, of three voices with four recordings of each."""
    lines = ["file,speaker,text,emotion,seconds"]
    rng, t = np.random.default_rng(0), np.arange(8000) / 16_000
    for speaker, base in enumerate((100, 150, 200)):
        for number, (emotion, raise_, gain) in enumerate([("anger", 1.4, 0.8), ("sadness", 0.9, 0.1)] * 4):
            pitch = base * raise_ * rng.normal(1, 0.03)
            voice = sum(np.sin(2 * np.pi * k * pitch * t) / k for k in range(1, 6)) / 3
            name = f"{speaker}-{number}.wav"
            soundfile.write(tmp_path / name, gain * (voice + rng.normal(0, 0.02, len(t))), 16_000)
            lines.append(f"{name},{speaker},x,{emotion},0.5")
    (tmp_path / "labels.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_it_measures_every_model_and_speaker_and_writes_what_it_says(emodb, folder, tmp_path, capsys):
    out = tmp_path / "out"
    emodb.main(["--data", str(folder), "--out", str(out)])
    printed = capsys.readouterr().out
    for model in emodb.MODELS:
        assert f"| {model} | speaker | 100.0 ± 0.0 | 100.0 |" in printed  # emotions this plain are told apart
    assert "| chance | | 50.0 | 50.0 |" in printed
    with (out / "emodb.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(emodb.MODELS) * len(emodb.NORMALISATIONS) * 3
    assert {row["recordings"] for row in rows} == {"8"}
    assert (out / "figures" / "emodb-confusion.png").stat().st_size > 1000


def test_rows_and_pooled_recall_agree_with_the_predictions(emodb):
    rng = np.random.default_rng(0)
    emotions, speakers = np.array(["a", "b", "c"] * 12), np.repeat(["1", "2", "3"], 12)
    x = rng.normal(size=(36, 5)).astype(np.float32)
    x[np.arange(36), np.tile([0, 1, 2], 12)] += 1
    rows, predictions = emodb.evaluate(emodb.Corpus(x, emotions, speakers))
    for row in rows:
        mine = speakers == row.speaker
        expected = balanced_accuracy_score(emotions[mine], predictions[row.model, row.normalisation][mine])
        assert row.uar == pytest.approx(100 * expected, abs=0.005)


def test_each_speaker_is_normalised_alone(emodb):
    x = np.random.default_rng(0).normal(3, 2, size=(20, 4)).astype(np.float32)
    speakers = np.repeat(["1", "2"], 10)
    out = emodb.of_each_speaker(x, speakers)
    for who in ("1", "2"):
        mine = x[speakers == who]
        np.testing.assert_allclose(out[speakers == who], (mine - mine.mean(0)) / mine.std(0), rtol=1e-4, atol=1e-5)
