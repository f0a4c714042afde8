"""What comes in: every format and damage of a recording gives its samples, or an AudioError that says what is wrong."""

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile

from graphml.data.features import AudioError
from graphml.data.features.recording import read_recording

RATE = 16_000


def tone(rate: int = RATE, seconds: float = 0.5, hertz: float = 440.0) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)


@pytest.mark.parametrize(
    ("name", "subtype", "tolerance"),
    [("a.wav", "PCM_16", 1e-4), ("a.wav", "PCM_U8", 1e-2), ("a.wav", "FLOAT", 1e-6), ("a.flac", "PCM_16", 1e-4)],
)
def test_samples_come_back_from_each_format(name: str, subtype: str, tolerance: float, tmp_path: Path):
    soundfile.write(tmp_path / name, tone(), RATE, subtype=subtype)
    samples = read_recording(tmp_path / name, RATE)
    assert samples.dtype == np.float32
    np.testing.assert_allclose(samples, tone(), atol=tolerance)


def test_stereo_is_averaged(tmp_path: Path):
    left, right = tone(), 0.5 * tone(hertz=220)
    soundfile.write(tmp_path / "a.wav", np.column_stack([left, right]), RATE, subtype="FLOAT")
    np.testing.assert_allclose(read_recording(tmp_path / "a.wav", RATE), (left + right) / 2, atol=1e-6)


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_other_rates_are_resampled(rate: int, tmp_path: Path):
    soundfile.write(tmp_path / "a.wav", tone(rate), rate, subtype="FLOAT")
    samples = read_recording(tmp_path / "a.wav", RATE)
    assert len(samples) == RATE // 2
    np.testing.assert_allclose(samples[1000:-1000], tone()[1000:-1000], atol=2e-3)  # ends apart, exact by theory


def test_a_constant_offset_is_taken_off(tmp_path: Path):
    soundfile.write(tmp_path / "a.wav", tone() + 0.3, RATE, subtype="FLOAT")
    np.testing.assert_allclose(read_recording(tmp_path / "a.wav", RATE), tone(), atol=1e-6)


def test_a_file_cut_off_gives_the_samples_it_has(tmp_path: Path):
    soundfile.write(tmp_path / "a.wav", tone(), RATE, subtype="PCM_16")
    whole = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "a.wav").write_bytes(whole[: 44 + 2 * 2000])
    assert len(read_recording(tmp_path / "a.wav", RATE)) == 2000


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros(0), "expected audio, got no samples"),
        (np.zeros(RATE), r"got 1\.00 s of silence"),
        (np.full(RATE, 0.25), r"got 1\.00 s of silence"),
        (np.where(np.arange(100) == 7, np.nan, 0.1), "got NaN or infinity in 1 of 100"),
        (np.where(np.arange(100) < 3, np.inf, 0.1), "got NaN or infinity in 3 of 100"),
    ],
)
def test_what_holds_no_signal_is_refused(samples: np.ndarray, message: str, tmp_path: Path):
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype="FLOAT")
    with pytest.raises(AudioError, match=message):
        read_recording(tmp_path / "a.wav", RATE)


@pytest.mark.parametrize("content", [b"", b"RIFF", b"RIFF\xff\xff\xff\xffWAVEfmt ", b"\x00\x01" * 500, b"not audio"])
def test_corrupt_bytes_are_refused_with_the_file_named(content: bytes, tmp_path: Path):
    (tmp_path / "bad.wav").write_bytes(content)
    with pytest.raises(AudioError, match=r"bad\.wav: expected audio"):
        read_recording(tmp_path / "bad.wav", RATE)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path):
    for path in (tmp_path / "nowhere.wav", tmp_path):
        with pytest.raises(AudioError, match="no such file"):
            read_recording(path, RATE)


def clips(monkeypatch: pytest.MonkeyPatch, extract_audio) -> None:
    module = ModuleType("clip_audio")
    module.extract_audio = extract_audio
    monkeypatch.setitem(sys.modules, "graphml.data.conversation.clip_audio", module)


def test_sound_of_a_clip_is_taken_out_at_the_sample_rate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    clips(monkeypatch, lambda clip, wav, rate: soundfile.write(wav, tone(rate), rate))
    (tmp_path / "dia0_utt0.MP4").touch()
    assert len(read_recording(tmp_path / "dia0_utt0.MP4", 22_050)) == 11_025


def test_a_clip_without_sound_is_refused_by_its_own_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def fail(clip: Path, wav: Path, rate: int) -> None:
        raise ValueError(f"{clip}: expected a clip with sound")

    clips(monkeypatch, fail)
    (tmp_path / "a.mp4").touch()
    with pytest.raises(AudioError, match=r"^[^:]+a\.mp4: expected a clip with sound$"):
        read_recording(tmp_path / "a.mp4", RATE)


def test_a_silent_clip_is_refused_by_its_own_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    clips(monkeypatch, lambda clip, wav, rate: soundfile.write(wav, np.zeros(rate), rate))
    (tmp_path / "a.mp4").touch()
    with pytest.raises(AudioError, match=r"a\.mp4: expected a signal, got 1\.00 s of silence"):
        read_recording(tmp_path / "a.mp4", RATE)
