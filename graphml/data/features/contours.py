"""Contours of a recording, one value a frame of 10 ms, and their statistics over time."""

import numpy as np
from numpy.typing import NDArray
from scipy.signal import savgol_filter

HOP, WINDOW, PITCH_WINDOW = 0.010, 0.025, 0.064
"""Seconds between frames, and the lengths of a frame of the spectrum and of the pitch: four periods at 60 Hz."""

PITCH_RANGE = (60.0, 500.0)
"""Hertz."""

NUM_MELS, NUM_MFCC = 26, 13
SPECTRUM = (
    *(f"log_mel_{i}" for i in range(NUM_MELS)),
    *(f"mfcc{order}_{i}" for order in ("", "_delta", "_delta2") for i in range(NUM_MFCC)),
)
SHAPE = ("centroid", "bandwidth", "rolloff", "flatness", "zero_crossings", "flux", "alpha_ratio", "hammarberg_index")
STATISTICS = ("mean", "std", "p10", "p50", "p90", "slope")

Array = NDArray[np.float64]
Samples = NDArray[np.float32]


def spectrum(power: Array, sample_rate: int) -> Array:
    """Return logarithmic mel energies, MFCC and their first and second derivatives.

    Args:
        power: ``[bins, T]`` power spectrum.
        sample_rate: Samples a second.

    Returns:
        ``[26 + 3 * 13, T]``: decibels, then cepstral coefficients, the derivatives a frame.
    """
    import librosa

    mel = librosa.feature.melspectrogram(S=power, sr=sample_rate, n_mels=NUM_MELS)
    log_mel = librosa.power_to_db(mel, top_db=None)
    mfcc = librosa.feature.mfcc(S=log_mel, n_mfcc=NUM_MFCC)
    return np.vstack([log_mel, mfcc, delta(mfcc), delta(mfcc, order=2)])


def shape(samples: Samples, power: Array, sample_rate: int) -> Array:
    """Return what the shape of the spectrum tells: brightness, noisiness, change, vocal effort.

    Args:
        samples: ``[n]``.
        power: ``[bins, T]`` power spectrum.
        sample_rate: Samples a second.

    Returns:
        ``[8, T]`` in the order of `SHAPE`: three frequencies in Hz, decibels, a share, then decibels.
    """
    import librosa

    amplitude = np.sqrt(power)
    frequency = np.linspace(0, sample_rate / 2, len(power))
    band = {
        name: power[(frequency >= low) & (frequency < high)]
        for name, (low, high) in {"50": (50, 1000), "1k": (1000, 5000), "0": (0, 2000), "2k": (2000, 5000)}.items()
    }
    share = amplitude / np.maximum(amplitude.sum(axis=0), 1e-10)
    rise = np.diff(share, axis=1, prepend=share[:, :1])
    crossings = librosa.feature.zero_crossing_rate(
        samples, frame_length=round(WINDOW * sample_rate), hop_length=round(HOP * sample_rate)
    )
    return np.vstack(
        [
            librosa.feature.spectral_centroid(S=amplitude, sr=sample_rate),
            librosa.feature.spectral_bandwidth(S=amplitude, sr=sample_rate),
            librosa.feature.spectral_rolloff(S=amplitude, sr=sample_rate),
            decibels(librosa.feature.spectral_flatness(S=amplitude)),
            crossings,
            np.maximum(rise, 0).sum(axis=0),
            decibels(band["50"].sum(axis=0)) - decibels(band["1k"].sum(axis=0)),
            decibels(band["0"].max(axis=0)) - decibels(band["2k"].max(axis=0)),
        ]
    )


def pitch(samples: Samples, sample_rate: int) -> tuple[Array, Array]:
    """Return the fundamental frequency by YIN, and how alike a frame and the one a period later are.

    Args:
        samples: ``[n]``.
        sample_rate: Samples a second.

    Returns:
        ``[T]`` in Hz, meaningless where nothing is voiced, and ``[T]`` normalised correlation in [-1, 1].
    """
    import librosa

    hop, length = round(HOP * sample_rate), round(PITCH_WINDOW * sample_rate)
    low, high = PITCH_RANGE
    f0 = librosa.yin(samples, fmin=low, fmax=high, sr=sample_rate, frame_length=length, hop_length=hop)
    lag = np.round(sample_rate / f0).astype(np.int64)
    padded = np.pad(samples.astype(np.float64), (length, length))
    # Frame t of YIN stands around sample t * hop; the pair of frames, a period apart, is centred there too.
    start = np.arange(len(f0)) * hop + (length - lag) // 2
    first = start[:, None] + np.arange(length)
    here, later = padded[first], padded[first + lag[:, None]]
    norm = np.sqrt((here**2).sum(axis=1) * (later**2).sum(axis=1))
    return f0, (here * later).sum(axis=1) / np.maximum(norm, 1e-10)


def delta(contour: Array, order: int = 1) -> Array:
    """Return the derivative over time, by a local fit over nine frames as librosa does.

    Args:
        contour: ``[..., T]``, of any length.
        order: 1 or 2.

    Returns:
        ``[..., T]``.
    """
    return np.asarray(savgol_filter(contour, 9, polyorder=order, deriv=order, axis=-1, mode="nearest"))


def statistics(contours: Array, frames: NDArray[np.bool_]) -> Array:
    """Return the statistics of contours over some of their frames.

    Args:
        contours: ``[C, T]``.
        frames: ``[T]`` which to count.

    Returns:
        ``[C, 6]`` in the order of `STATISTICS`, the slope a second; zeros where no frame counts.
    """
    x = contours[:, frames]
    if not x.shape[1]:
        return np.zeros((len(contours), len(STATISTICS)))
    time = HOP * np.flatnonzero(frames)
    centred = time - time.mean()
    slope = x @ centred / max(float(centred @ centred), 1e-10)
    return np.column_stack([x.mean(axis=1), x.std(axis=1), *np.percentile(x, (10, 50, 90), axis=1), slope])


def decibels(power: Array) -> Array:
    """Return ten times the decimal logarithm, -100 at least.

    Args:
        power: Not negative.
    """
    return 10 * np.log10(np.maximum(power, 1e-10))
