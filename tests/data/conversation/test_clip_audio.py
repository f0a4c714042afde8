"""Sound of clips: what ffmpeg writes, what is not written, and what is said where it cannot."""

import shutil
import subprocess
import wave
from pathlib import Path

import numpy as np
import pytest

from graphml.data.conversation import ClipError, extract_audio

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not on the PATH")


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    """Half a second of a 440 Hz tone in stereo at 44.1 kHz, with a picture."""
    file = tmp_path_factory.mktemp("clips") / "dia0_utt0.mp4"
    sources = ["-f", "lavfi", "-i", "testsrc=size=64x64:rate=10", "-f", "lavfi", "-i", "sine=440:sample_rate=44100"]
    subprocess.run(
        ["ffmpeg", "-nostdin", "-loglevel", "error", *sources, "-t", "0.5", "-ac", "2", "-c:a", "aac", str(file)],
        check=True,
    )
    return file


@needs_ffmpeg
@pytest.mark.parametrize("rate", [16000, 8000])
def test_the_tone_comes_out_in_mono_at_the_rate(tmp_path, clip, rate):
    extract_audio(clip, tmp_path / "new" / "a.wav", rate)
    with wave.open(str(tmp_path / "new" / "a.wav")) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, rate)
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)
    assert abs(len(samples) / rate - 0.5) < 0.1
    peak = np.abs(np.fft.rfft(samples)).argmax() * rate / len(samples)
    assert abs(peak - 440) < 5
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["a.wav"]


@needs_ffmpeg
def test_what_is_there_is_not_made_again(tmp_path):
    wav = tmp_path / "a.wav"
    wav.write_bytes(b"done")
    extract_audio(tmp_path / "no clip.mp4", wav)
    assert wav.read_bytes() == b"done"


@needs_ffmpeg
@pytest.mark.parametrize("damage", ["empty", "text", "truncated"])
def test_corrupt_clips_are_named_and_leave_nothing(tmp_path, clip, damage):
    content = {"empty": b"", "text": b"not a clip", "truncated": clip.read_bytes()[:2000]}[damage]
    broken = tmp_path / "concat:broken.mp4"  # a name that ffmpeg must not take for a protocol
    broken.write_bytes(content)
    with pytest.raises(ClipError, match=r"broken\.mp4: expected a clip with sound"):
        extract_audio(broken, tmp_path / "a.wav")
    assert list(tmp_path.iterdir()) == [broken]


@needs_ffmpeg
def test_a_clip_without_sound_is_named(tmp_path, clip):
    silent = tmp_path / "silent.mp4"
    subprocess.run(["ffmpeg", "-loglevel", "error", "-i", str(clip), "-an", "-c", "copy", str(silent)], check=True)
    with pytest.raises(ClipError, match=r"silent\.mp4: expected a clip with sound"):
        extract_audio(silent, tmp_path / "a.wav")


def test_a_missing_clip_and_a_missing_ffmpeg_are_told_apart(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="no clip at"):
        extract_audio(tmp_path / "a.mp4", tmp_path / "a.wav")
    (tmp_path / "a.mp4").touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match="ffmpeg is not on the PATH"):
        extract_audio(tmp_path / "a.mp4", tmp_path / "a.wav")
