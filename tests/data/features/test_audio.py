"""The features of a recording: finite, named, repeatable, and what their names say."""

import re
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from scipy.signal import resample_poly

from graphml.data.features import AudioError, AudioFeatures, load_extractor
from graphml.data.features.audio import CONTOURS, TIMING, VOICED_CONTOURS
from graphml.data.features.contours import STATISTICS

RATE = 16_000
PAGE = Path(__file__).resolve().parents[3] / "datasets" / "features.md"


def speech(pitch: float = 150.0, seconds: float = 1.0, rate: int = RATE, gain: float = 0.5) -> np.ndarray:
    """Harmonics in syllables of a quarter of a second, with faint noise, of a generator with seed 0."""
    t = np.arange(round(rate * seconds)) / rate
    voice = sum(np.sin(2 * np.pi * k * pitch * t) / k for k in range(1, 11)) / 4
    return gain * (voice * (np.sin(2 * np.pi * 4 * t) > 0) + np.random.default_rng(0).normal(0, 0.01, len(t)))


def write(path: Path, samples: np.ndarray, rate: int = RATE) -> Path:
    soundfile.write(path, samples, rate, subtype="FLOAT")
    return path


def named(path: Path) -> dict[str, float]:
    extractor = AudioFeatures()
    return dict(zip(extractor.names, extractor.extract(path).tolist(), strict=True))


def test_names_are_unique_and_one_a_feature(tmp_path: Path):
    extractor = AudioFeatures()
    x = extractor.extract(write(tmp_path / "a.wav", speech()))
    assert x.dtype == np.float32
    assert x.shape == (len(extractor.names),) == (len(set(extractor.names)),)
    assert len(x) == (len(CONTOURS) + len(VOICED_CONTOURS)) * len(STATISTICS) + len(TIMING)
    assert np.isfinite(x).all()


def test_features_mean_what_their_names_say(tmp_path: Path):
    low, high = (named(write(tmp_path / "a.wav", speech(pitch))) for pitch in (150, 300))
    assert low["pitch_p50"] == pytest.approx(0, abs=0.2)  # semitones from 150 Hz
    assert high["pitch_p50"] == pytest.approx(12, abs=0.2)
    assert low["seconds"] == 1
    assert 0.3 < low["voiced_share"] < 0.8
    assert 3 <= low["voiced_parts_per_second"] <= 6
    quiet = named(write(tmp_path / "a.wav", speech(gain=0.05)))
    assert quiet["energy_mean"] == pytest.approx(low["energy_mean"] - 20, abs=0.01)
    assert quiet["mfcc_1_mean"] == pytest.approx(low["mfcc_1_mean"], abs=0.1)


def test_padding_with_silence_leaves_the_spectrum(tmp_path: Path):
    plain = named(write(tmp_path / "a.wav", speech()))
    padded = named(write(tmp_path / "a.wav", np.append(speech(), np.zeros(RATE))))
    assert padded["seconds"] == 2
    assert padded["active_share"] < 0.55
    for name in ("log_mel_5_mean", "mfcc_1_mean", "centroid_p50", "energy_mean"):
        assert padded[name] == pytest.approx(plain[name], rel=0.05)


def test_twice_the_same_file_gives_the_same_bits(tmp_path: Path):
    path = write(tmp_path / "a.wav", speech())
    np.testing.assert_array_equal(AudioFeatures().extract(path), AudioFeatures().extract(path))


def test_the_rate_of_the_file_hardly_matters_after_resampling(tmp_path: Path):
    first = named(write(tmp_path / "a.wav", speech()))
    second = named(write(tmp_path / "b.wav", resample_poly(speech(), 441, 160), 44_100))
    for name in ("pitch_p50", "energy_mean", "mfcc_1_mean", "voiced_share"):
        assert second[name] == pytest.approx(first[name], rel=0.01, abs=0.01)


@pytest.mark.parametrize("samples", [400, 401, 700, 1023, 2000])
def test_recordings_of_a_frame_and_a_little_more_have_features(samples: int, tmp_path: Path):
    assert np.isfinite(AudioFeatures().extract(write(tmp_path / "a.wav", speech()[:samples]))).all()


def test_noise_without_a_voice_has_features(tmp_path: Path):
    x = named(write(tmp_path / "a.wav", np.random.default_rng(0).normal(0, 0.1, RATE)))
    assert x["voiced_share"] < 0.05
    assert np.isfinite(list(x.values())).all()


@pytest.mark.parametrize("rate", [10_000, 22_050, 44_100])
def test_other_sample_rates_work(rate: int, tmp_path: Path):
    x = AudioFeatures(rate).extract(write(tmp_path / "a.wav", speech()))
    assert np.isfinite(x).all()


def test_less_than_a_frame_is_refused(tmp_path: Path):
    with pytest.raises(AudioError, match=r"a\.wav: expected at least 25 ms of audio, got 24\.9 ms"):
        AudioFeatures().extract(write(tmp_path / "a.wav", speech()[:399]))


def test_a_sample_rate_that_is_too_low_is_refused():
    with pytest.raises(ValueError, match="sample_rate: expected 10000 or more, got 8000"):
        AudioFeatures(8_000)


def test_the_state_rebuilds_it_through_a_file_of_plain_values(tmp_path: Path):
    path = write(tmp_path / "a.wav", speech())
    torch.save(AudioFeatures(22_050).state(), tmp_path / "state.pt")
    rebuilt = load_extractor(torch.load(tmp_path / "state.pt", weights_only=True))
    np.testing.assert_array_equal(rebuilt.extract(path), AudioFeatures(22_050).extract(path))


def test_a_state_of_other_features_is_refused():
    state = AudioFeatures().state() | {"names": ["loudness"]}
    with pytest.raises(ValueError, match=r"expected the 474 audio features of this version, got others \(1\)"):
        load_extractor(state)


def test_it_is_faster_than_twenty_times_real_time(tmp_path: Path):
    path = write(tmp_path / "a.wav", speech(seconds=4))
    AudioFeatures().extract(path)  # compiles
    start = time.process_time()
    AudioFeatures().extract(path)
    assert time.process_time() - start < 4 / 20  # measured: 110 times


def test_the_page_lists_every_contour_statistic_and_timing():
    listed = set(re.findall(r"`(\w+?)(?:_0\.\.\d+)?`", PAGE.read_text()))
    expected = {re.sub(r"_\d+$", "", name) for name in (*CONTOURS, *VOICED_CONTOURS, *STATISTICS, *TIMING)}
    assert expected <= listed
