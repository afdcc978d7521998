"""Sound: decoded to one channel, and resampled to the rate that an encoder was trained at."""

from __future__ import annotations

import functools
import io
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from srmm.data.apart import decoded_apart
from srmm.data.broken import UnreadableItem, refuse_mask
from srmm.data.lengths import announced_frames, refuse_cut, refuse_rest
from srmm.data.limits import limit, raised_by
from srmm.data.recordings import cut_page, recordings
from srmm.errors import MissingExtraError

MIN_SECONDS = 0.1
"""Shorter clips hold no word and no voice."""

SILENCE = 1e-4
"""A clip whose loudest swing is less (−80 dB, three steps of 16 bits) holds no sound."""

_RATES = (1_000, 1_000_000)
_FULL_SCALE = {"uint8": 128, "int8": 128, "int16": 1 << 15, "int32": 1 << 31}
_MAX_FLOAT = 10
"""Floats belong into [−1, 1] and overshoot a little; beyond this they are unscaled integers."""

_WHOLE = 0.95
"""An MP3 that decodes to a smaller share of the length it announces has been cut off."""

_CANCELLED = 0.1
"""Channels cancel if their mean has less than this share of what unrelated ones would leave."""

_BLOCK = 1 << 16
_LONG_HEADER = 4096
"""Bytes; a WAV of no samples has no more."""

_LOBES, _ATTENUATION = 64, 100.0
"""Of the low-pass filter when resampling: passes 90 % of the band, nothing above −100 dB beyond."""


class Audio(NamedTuple):
    """An utterance: float32 samples of shape (n,), mostly in [−1, 1], and their rate in Hz."""

    samples: np.ndarray
    rate: int

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate


def decode_audio(data: bytes) -> Audio:
    """The content of a file that libsndfile reads (WAV, FLAC, OGG, MP3, AIFF, …), mixed to mono.

    Files that were appended to one another are heard one after the other.

    Raises `UnreadableItem` with the reason if it is none of these, damaged, cut off, silent,
    shorter than 0.1 s or longer than ten minutes; `MissingExtraError` without soundfile.
    """
    try:
        import soundfile  # noqa: F401
    except ImportError:
        raise MissingExtraError("soundfile", "voices", "Reading audio") from None
    return Audio(*decoded_apart("audio", data))


def decode_here(data: bytes) -> Audio:
    """`decode_audio` in this very process."""
    heard: list[Audio] = []
    found = recordings(data)
    for number, recording in enumerate(found, 1):
        try:
            heard.append(_decode(recording.data, recording.seconds))
        except UnreadableItem as error:
            if len(found) == 1:
                raise
            raise UnreadableItem(
                f"holds {len(found)} recordings one after the other, of which number {number} "
                f"{error}"
            ) from None
        _check_not_long(sum(audio.seconds for audio in heard))
    rate = heard[0].rate
    return _checked(np.concatenate([_at_rate(audio, rate) for audio in heard]), rate)


def _decode(data: bytes, seconds: float | None) -> Audio:
    """One recording, not checked yet; `seconds` is its least length, None: as it says."""
    import soundfile

    if (page := cut_page(data)) is not None:  # libsndfile plays the pages before it
        raise UnreadableItem(
            f"is cut off: {page[0]:,} of {page[1]:,} bytes of its last page are left"
        )
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            rate = file.samplerate
            announced = file.frames if seconds is None else int(seconds * rate)
            refuse_cut(file.extra_info)
            announced = max(announced, announced_frames(data, file.extra_info))
            _check_rate(rate)
            blocks, length = [], 0
            power = np.zeros((2, file.channels))
            # In blocks, since a header can promise any number of channels.
            while len(block := file.read(_BLOCK, dtype="float32", always_2d=True)):
                blocks.append(block.mean(axis=1))
                power += [block.sum(axis=0, dtype=float), np.square(block).sum(axis=0, dtype=float)]
                length += len(block)
                _check_not_long(length / rate)
            samples = np.concatenate(blocks) if blocks else np.empty(0, np.float32)
            loudest = _loudest_if_cancelled(samples, power)
            if loudest is not None:
                file.seek(0)
                samples = np.concatenate(
                    [file.read(_BLOCK, dtype="float32", always_2d=True)[:, loudest] for _ in blocks]
                )
    except (UnreadableItem, MemoryError):
        raise
    except Exception as error:  # a decoder given damaged bytes raises anything
        raise UnreadableItem(_decoder_reason(error)) from None
    if not length and data[:4] == b"RIFF" and len(data) > _LONG_HEADER:
        raise UnreadableItem(
            f"says that it holds no samples, and has {len(data):,} bytes: what recorded it was "
            "ended before it wrote how many there are. Save it again"
        )
    if length < _WHOLE * announced:
        raise UnreadableItem(
            f"is cut off or damaged: {length / rate:.2f} of {announced / rate:.2f} s can be decoded"
        )
    refuse_rest(data, length / rate)
    return Audio(samples, rate)


def _loudest_if_cancelled(mix: np.ndarray, sums: np.ndarray) -> int | None:
    """The channel to hear alone, where channels cancel in their mean; None where they do not.

    One cable the wrong way round makes one channel the negative of the other, and of their mean
    next to nothing is left. `sums` has for each channel the sum of its samples and of their
    squares.
    """
    n, channels = len(mix), sums.shape[1]
    if channels < 2 or not n or not np.isfinite(sums).all():
        return None
    power = sums[1] / n - (sums[0] / n) ** 2
    # Channels that have nothing to do with one another leave 1 / channels of their mean power.
    if float(np.var(mix, dtype=float)) < _CANCELLED * power.mean() / channels:
        return int(power.argmax())
    return None


def audio_from_samples(samples: Any, rate: Any) -> Audio:
    """Samples in memory, shape (n,), (n, channels) or (channels, n), mixed to mono.

    Floats are taken as they are; integers of 8, 16 or 32 bits are scaled to [−1, 1].
    Raises `UnreadableItem` as `decode_audio`.
    """
    if np.ndim(rate) == 0 and hasattr(rate, "item"):
        rate = rate.item()  # a scalar of NumPy or PyTorch
    if isinstance(rate, bool) or not isinstance(rate, (int, float)):
        raise UnreadableItem(
            f"has no sampling rate: expected (samples, rate in Hz), got a {type(rate).__name__}"
        )
    if not np.isfinite(rate) or rate != int(rate):
        raise UnreadableItem(f"has a sampling rate of {rate} Hz, which is no whole number")
    _check_rate(int(rate))
    refuse_mask(samples)
    try:
        array = np.asarray(samples)
    except Exception:  # whatever is in a cell may refuse in its own way
        raise UnreadableItem("is not an array of samples") from None
    if array.ndim not in (1, 2) or array.dtype.kind not in "iuf":
        raise UnreadableItem(
            f"is not an array of samples: {array.ndim} axes of {array.dtype}, expected 1 or 2 of "
            "numbers"
        )
    if array.ndim == 2:
        array = array if array.shape[0] >= array.shape[1] else array.T  # the longer axis is time
    _check_not_long(len(array) / int(rate))
    if array.dtype.kind == "f":
        scaled = array.astype(np.float32)
    elif array.dtype.name in _FULL_SCALE:
        full = _FULL_SCALE[array.dtype.name]
        zero = 128 if array.dtype == np.uint8 else 0
        scaled = ((array.astype(np.float64) - zero) / full).astype(np.float32)
        if array.itemsize > 2 and len(array) and 0 < np.ptp(scaled) < 2 * SILENCE:
            raise UnreadableItem(
                f"has {array.dtype} samples from {array.min():,} to {array.max():,}, which is "
                f"silence beside their {full:,}; if they have 16 bits, give them as int16"
            )
    else:
        raise UnreadableItem(
            f"has samples of type {array.dtype}, whose range is unknown; give floats in [−1, 1]"
        )
    return _checked(_mixed(scaled) if scaled.ndim == 2 else scaled, int(rate))


def _mixed(samples: np.ndarray) -> np.ndarray:
    """(n, channels) → (n,)."""
    mix = samples.mean(axis=1)
    sums = np.stack([samples.sum(axis=0, dtype=float), np.square(samples).sum(axis=0, dtype=float)])
    loudest = _loudest_if_cancelled(mix, sums)
    return mix if loudest is None else np.ascontiguousarray(samples[:, loudest])


def resample(audio: Audio, rate: int) -> np.ndarray:
    """The samples at another rate: float32 of shape (about n · rate / audio.rate,).

    A windowed-sinc filter, 100 dB down where it must be: what lies above half the lower of the two
    rates does not fold back into the voice. Raises `UnreadableItem` if nothing else is there.
    """
    resampled = _at_rate(audio, rate)
    if np.ptp(resampled) < 2 * SILENCE:
        raise UnreadableItem(f"is silent below {rate // 2:,} Hz")
    return resampled


def _at_rate(audio: Audio, rate: int) -> np.ndarray:
    if audio.rate == rate:
        return audio.samples
    # Exact for the rates in use; an odd one, such as 16,001 Hz, changes pitch by under 0.01 %.
    ratio = Fraction(rate, audio.rate).limit_denominator(10_000)
    from scipy.signal import resample_poly

    up, down = ratio.numerator, ratio.denominator
    resampled = resample_poly(audio.samples, up, down, window=_low_pass(up, down))
    return resampled.astype(np.float32)


@functools.lru_cache(maxsize=8)
def _low_pass(up: int, down: int) -> np.ndarray:
    from scipy.signal import firwin, kaiser_beta

    steps = max(up, down)
    return firwin(
        2 * _LOBES * steps + 1, 0.95 / steps, window=("kaiser", kaiser_beta(_ATTENUATION))
    )


def _checked(samples: np.ndarray, rate: int) -> Audio:
    if len(samples) < MIN_SECONDS * rate:
        raise UnreadableItem(
            f"lasts {1000 * len(samples) / rate:.0f} ms, less than {1000 * MIN_SECONDS:.0f} ms"
        )
    if not np.isfinite(samples).all():
        raise UnreadableItem("is partly NaN or infinite")
    low, high = float(samples.min()), float(samples.max())
    if high - low < 2 * SILENCE:
        raise UnreadableItem("is silent")
    if max(high, -low) > _MAX_FLOAT:
        raise UnreadableItem(
            f"has samples up to {max(high, -low):,.0f}; expected floats in [−1, 1], or integers"
        )
    return Audio(samples, rate)


def _check_rate(rate: int) -> None:
    if not _RATES[0] <= rate <= _RATES[1]:
        raise UnreadableItem(
            f"has a sampling rate of {rate:,} Hz, outside {_RATES[0]:,} to {_RATES[1]:,}"
        )


def _check_not_long(seconds: float) -> None:
    most = limit("SRMM_MAX_SECONDS")
    if seconds > most:
        raise UnreadableItem(
            f"lasts more than the limit of {most / 60:g} minutes; cut it into utterances "
            f"{raised_by('SRMM_MAX_SECONDS')}"
        )


def _decoder_reason(error: Exception) -> str:
    # libsndfile's own words, without the address of the object that it read from.
    reason = " ".join(str(getattr(error, "error_string", error)).split()).strip(" .:")
    if "not recognised" in reason.lower():
        return "is not audio that libsndfile can read; convert it to WAV, FLAC, OGG or MP3"
    return f"is not a readable audio file ({reason})"
