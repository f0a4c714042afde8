"""Recordings as the samples that features are made from: one channel, one sample rate, no constant offset."""

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

CONTAINERS = {".mp4", ".m4a", ".mkv", ".mov", ".avi", ".webm"}
"""Files whose sound FFmpeg takes out, because libsndfile does not read them."""

SILENCE = 1e-5
"""Largest absolute sample that counts as silence: a third of the last bit of 16-bit audio."""


class AudioError(ValueError):
    """A recording that features cannot be made from; the message names the file and what is wrong with it."""


def read_recording(path: str | Path, sample_rate: int) -> NDArray[np.float32]:
    """Read a recording: WAV, FLAC, Ogg, MP3 or whatever libsndfile knows, and the sound of video clips through FFmpeg.

    Channels are averaged, a constant offset is taken off, and other sample rates are resampled (soxr, high quality).

    Args:
        path: The file.
        sample_rate: Samples a second of what is returned.

    Returns:
        ``[T]`` samples, full scale at 1.

    Raises:
        AudioError: If the file is missing, is no audio, is empty, holds NaN or infinity, or is silent throughout.
    """
    file = Path(path)
    if not file.is_file():
        raise AudioError(f"{file}: no such file")
    if file.suffix.lower() not in CONTAINERS:
        return _read(file, sample_rate, file)
    from graphml.data.conversation.clip_audio import extract_audio

    with tempfile.TemporaryDirectory() as folder:
        sound = Path(folder) / "sound.wav"
        try:
            extract_audio(file, sound, sample_rate)
        except (ValueError, OSError, RuntimeError) as error:
            raise AudioError(f"{file}: {str(error).removeprefix(f'{file}: ')}") from error
        return _read(sound, sample_rate, file)


def _read(sound: Path, sample_rate: int, file: Path) -> NDArray[np.float32]:
    """Read what libsndfile knows; errors name the file that it came from."""
    import soundfile

    try:
        channels, rate = soundfile.read(sound, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError, TypeError) as error:
        raise AudioError(f"{file}: expected audio, got what libsndfile cannot read: {error}") from error
    if not len(channels):
        raise AudioError(f"{file}: expected audio, got no samples")
    bad = int((~np.isfinite(channels)).any(axis=1).sum())
    if bad:
        raise AudioError(f"{file}: expected finite samples, got NaN or infinity in {bad} of {len(channels)}")
    samples: NDArray[np.float32] = channels.mean(axis=1)
    samples -= samples.mean(dtype=np.float64).astype(np.float32)
    if np.abs(samples).max() < SILENCE:
        raise AudioError(f"{file}: expected a signal, got {len(samples) / rate:.2f} s of silence")
    if rate == sample_rate:
        return samples
    import librosa

    resampled: NDArray[np.float32] = librosa.resample(samples, orig_sr=rate, target_sr=sample_rate)
    return resampled
