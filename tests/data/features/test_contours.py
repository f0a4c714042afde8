"""Contours against librosa and closed forms."""

from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile
from scipy.stats import linregress

from graphml.data.features import contours

RATE = 16_000


def voice(hertz: float, seconds: float = 1.0) -> np.ndarray:
    """Ten harmonics, the higher the fainter."""
    time = np.arange(round(RATE * seconds)) / RATE
    return sum(np.sin(2 * np.pi * k * hertz * time) / k for k in range(1, 11)).astype(np.float32) / 4


def noise(seconds: float = 1.0) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, round(RATE * seconds)).astype(np.float32)


def power(samples: np.ndarray) -> np.ndarray:
    return np.abs(librosa.stft(samples, n_fft=512, win_length=400, hop_length=160)) ** 2


def test_spectrum_is_librosas():
    samples = noise() + voice(150)
    found = contours.spectrum(power(samples), RATE)
    mel = librosa.feature.melspectrogram(
        y=samples, sr=RATE, n_fft=512, win_length=400, hop_length=160, n_mels=26, power=2.0
    )
    log_mel = librosa.power_to_db(mel, top_db=None)
    mfcc = librosa.feature.mfcc(S=log_mel, n_mfcc=13)
    expected = [log_mel, mfcc, *(librosa.feature.delta(mfcc, order=order, mode="nearest") for order in (1, 2))]
    np.testing.assert_allclose(found, np.vstack(expected), atol=1e-3)


@pytest.mark.parametrize("hertz", [80.0, 130.0, 220.0, 400.0])
def test_pitch_of_harmonics_is_found_and_correlates(hertz: float):
    f0, correlation = contours.pitch(voice(hertz), RATE)
    inner = slice(5, -5)
    np.testing.assert_allclose(f0[inner], hertz, rtol=0.01)
    assert correlation[inner].min() > 0.9


def test_pitch_follows_a_glide_as_probabilistic_yin_does():
    phase = 2 * np.pi * np.cumsum(np.linspace(120, 240, RATE)) / RATE
    samples = sum(np.sin(k * phase) / k for k in range(1, 8)).astype(np.float32)
    f0, correlation = contours.pitch(samples, RATE)
    expected, _, _ = librosa.pyin(samples, fmin=60, fmax=500, sr=RATE, frame_length=1024, hop_length=160)
    inner = slice(5, -5)
    np.testing.assert_allclose(f0[inner], expected[inner], rtol=0.02)
    assert correlation[inner].min() > 0.5


def test_pitch_of_acted_speech_is_that_of_probabilistic_yin(data_root: Path):
    folder = data_root.parent / "emodb16k"
    if not folder.is_dir():
        pytest.skip(f"no recordings of EmoDB in {folder}")
    for file in sorted(folder.glob("*.flac"))[::100]:
        samples, _ = soundfile.read(file, dtype="float32")
        f0, correlation = contours.pitch(samples, RATE)
        expected, voiced, _ = librosa.pyin(samples, fmin=60, fmax=500, sr=RATE, frame_length=1024, hop_length=160)
        both = voiced & (correlation > 0.5)
        assert both.sum() > 0.7 * voiced.sum()
        assert (np.abs(12 * np.log2(f0[both] / expected[both])) < 1).mean() > 0.98


def test_noise_is_not_voiced():
    _, correlation = contours.pitch(noise(), RATE)
    assert (correlation > 0.5).mean() < 0.05


@pytest.mark.parametrize("frames", [1, 2, 5, 30])
def test_statistics_are_numpys_and_scipys(frames: int):
    rng = np.random.default_rng(frames)
    x, counted = rng.normal(size=(3, 40)), np.zeros(40, bool)
    counted[rng.choice(40, frames, replace=False)] = True
    found = contours.statistics(x, counted)
    for row, result in zip(x[:, counted], found, strict=True):
        slope = linregress(0.01 * np.flatnonzero(counted), row).slope if frames > 1 else 0.0
        percentiles = np.percentile(row, [10, 50, 90])
        np.testing.assert_allclose(result, [row.mean(), row.std(), *percentiles, slope], rtol=1e-6, atol=1e-9)


def test_statistics_of_no_frame_are_zero():
    assert not contours.statistics(np.ones((2, 5)), np.zeros(5, bool)).any()


def test_shape_tells_bright_from_dark_and_noise_from_tone():
    of = {
        name: dict(zip(contours.SHAPE, np.median(contours.shape(x, power(x), RATE), axis=1), strict=True))
        for name, x in {"dark": voice(100), "bright": voice(450), "noise": noise()}.items()
    }
    assert of["dark"]["centroid"] < of["bright"]["centroid"] < of["noise"]["centroid"]
    assert of["dark"]["flatness"] < of["noise"]["flatness"] - 10
    assert of["dark"]["zero_crossings"] < of["noise"]["zero_crossings"]
    assert of["dark"]["alpha_ratio"] > of["bright"]["alpha_ratio"] > of["noise"]["alpha_ratio"]


def test_alpha_ratio_of_two_tones_is_their_ratio_in_decibels():
    time = np.arange(RATE) / RATE
    samples = (np.sin(2 * np.pi * 500 * time) + 0.1 * np.sin(2 * np.pi * 3000 * time)).astype(np.float32)
    found = np.median(contours.shape(samples, power(samples), RATE), axis=1)
    assert found[contours.SHAPE.index("alpha_ratio")] == pytest.approx(20, abs=0.1)
    assert found[contours.SHAPE.index("hammarberg_index")] == pytest.approx(20, abs=0.5)
