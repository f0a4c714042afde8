"""Features of a recording for speech emotion: contours over time by librosa, and statistics of each contour.

They cover what the field's sets cover (GeMAPS: Eyben et al., "The Geneva Minimalistic Acoustic Parameter Set for Voice
Research and Affective Computing", IEEE Transactions on Affective Computing 7(2), 2016): spectrum, energy, pitch, voice
quality and timing. The values are not openSMILE's. datasets/features.md lists them all.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from graphml.data.features import contours
from graphml.data.features.contours import HOP, PITCH_WINDOW, SHAPE, SPECTRUM, STATISTICS, WINDOW, decibels, delta
from graphml.data.features.recording import AudioError, read_recording

CONTOURS = (*SPECTRUM, *SHAPE, "energy", "energy_delta")
VOICED_CONTOURS = ("pitch", "pitch_delta", "harmonicity")
TIMING = ("seconds", "active_share", "voiced_share", "voiced_parts_per_second", "jitter", "shimmer")

ACTIVE = 50.0
"""Decibels below the loudest frame down to which a frame counts as speech: padding and pauses tell no timbre."""

VOICED = 0.5
"""Least correlation of a voiced frame with the one a period later (Praat decides at 0.45)."""

REFERENCE_PITCH = 150.0
"""Pitch is in semitones from here, so that 0, which stands where nothing is voiced, is an ordinary value."""


class AudioFeatures:
    """Statistics over time of spectrum, energy, pitch and voice quality of a recording.

    Statistics of the spectrum are over frames at most 50 dB below the loudest, those of the voice over voiced frames.
    The pitch is YIN's (de Cheveigné and Kawahara, JASA 111(4), 2002): on acted speech it takes 3 ms a second where
    probabilistic YIN takes 168, and differs from it by a semitone in 0.3 % of the frames that both call voiced.

    Args:
        sample_rate: Samples a second that recordings are resampled to. Features of different rates do not compare.

    Raises:
        ValueError: If the sample rate is below 10,000: the bands of the spectrum's shape reach to 5 kHz.

    Example:
        >>> len(AudioFeatures().names)
        474
    """

    kind = "librosa"
    column = "audio"

    def __init__(self, sample_rate: int = 16_000) -> None:
        if sample_rate < 10_000:
            raise ValueError(f"sample_rate: expected 10000 or more, got {sample_rate}")
        self.sample_rate = sample_rate
        self.names = [f"{name}_{of}" for name in (*CONTOURS, *VOICED_CONTOURS) for of in STATISTICS] + list(TIMING)

    def extract(self, path: str | Path) -> NDArray[np.float32]:
        """Return the features of a recording.

        Args:
            path: The file: WAV, FLAC, Ogg, MP3; or a video clip, which needs FFmpeg.

        Returns:
            ``[F]``, finite, in the order of `names`.

        Raises:
            AudioError: If the file is missing, is no audio, holds no signal, or is shorter than a frame of 25 ms.
        """
        samples = read_recording(path, self.sample_rate)
        if len(samples) < round(WINDOW * self.sample_rate):
            length = 1000 * len(samples) / self.sample_rate
            raise AudioError(f"{path}: expected at least {1000 * WINDOW:g} ms of audio, got {length:.1f} ms")
        return self._features(samples)

    def state(self) -> dict[str, Any]:
        """Return what rebuilds this extractor, as plain values."""
        return {"kind": self.kind, "sample_rate": self.sample_rate, "names": list(self.names)}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild an extractor.

        Args:
            state: What :meth:`state` returned.

        Raises:
            ValueError: If it was written by a version with other features.
        """
        extractor = cls(state["sample_rate"])
        if state["names"] != extractor.names:
            raise ValueError(
                f"state: expected the {len(extractor.names)} audio features of this version, got others "
                f"({len(state['names'])}); make the features anew, or use the version that made them"
            )
        return extractor

    def _features(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        import librosa

        rate = self.sample_rate
        window, hop = round(WINDOW * rate), round(HOP * rate)
        seconds = len(samples) / rate
        # One frame of the pitch at least; the frames of padding alone do not count as active.
        samples = np.pad(samples, (0, max(0, round(PITCH_WINDOW * rate) - len(samples))))
        bins = 2 ** (window - 1).bit_length()
        power = np.abs(librosa.stft(samples, n_fft=bins, win_length=window, hop_length=hop)).astype(np.float64) ** 2
        rms = librosa.feature.rms(y=samples, frame_length=window, hop_length=hop)[0]
        energy = decibels(rms.astype(np.float64) ** 2)
        pitch, correlation = contours.pitch(samples, rate)
        active = energy > energy.max() - ACTIVE
        voiced = active & (correlation > VOICED)
        semitones = 12 * np.log2(pitch / REFERENCE_PITCH)
        harmonicity = decibels(correlation.clip(0.001, 0.999)) - decibels(1 - correlation.clip(0.001, 0.999))
        of_all = [contours.spectrum(power, rate), contours.shape(samples, power, rate), energy, delta(energy)]
        of_voice = [semitones, delta(semitones), harmonicity]
        out: list[ArrayLike] = [
            contours.statistics(np.vstack(of_all), active).ravel(),
            contours.statistics(np.vstack(of_voice), voiced).ravel(),
            [seconds, *_timing(active, voiced, pitch, energy)],
        ]
        return np.concatenate(out).astype(np.float32)


def _timing(
    active: NDArray[np.bool_], voiced: NDArray[np.bool_], pitch: NDArray[np.float64], energy: NDArray[np.float64]
) -> list[float]:
    """How much is voiced and how steadily; jitter and shimmer from frame to frame, not from cycle to cycle."""
    starts = (voiced & ~np.append(False, voiced[:-1])).sum() / (HOP * len(voiced))
    pairs = voiced[1:] & voiced[:-1]
    period = 1 / pitch
    jitter = np.abs(np.diff(period))[pairs].mean() / period[voiced].mean() if pairs.any() else 0.0
    shimmer = np.abs(np.diff(energy))[pairs].mean() if pairs.any() else 0.0
    return [active.mean(), voiced.sum() / active.sum(), starts, jitter, shimmer]
