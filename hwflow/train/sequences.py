"""Sequences as images of height time and width 1: rows of digits, tones and chirps in noise, folders of recordings.

Stands on data's single images. The features of one time step are the channels, so a convolution over time is one of
kernel (k, 1), and hardware takes a sequence step after step.
"""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np

from hwflow.bits import Array
from hwflow.errors import RecipeError
from hwflow.files import brief
from hwflow.train.data import Images, Split
from hwflow.train.data import load as images_of

RATE = 8000  # samples a second that recordings are read at
STEPS, BANDS, WINDOW = 32, 32, 256  # time steps, features of one step, samples behind one step
KINDS = ("low tone", "middle tone", "high tone", "two tones", "rising chirp", "falling chirp", "warble", "noise")
LOUDEST = 24.0  # decibels above a sequence's median that the greatest feature stands for
FLOOR = -8.0


def rows(source: str) -> Split:
    """The images of `source` (digits, mnist, fashion) read row after row: (n, H, W, C) becomes (n, H, 1, W C)."""
    return tuple(Images(s.x.reshape(len(s), s.x.shape[1], 1, -1), s.y) for s in images_of(source))  # type: ignore[return-value]


def with_mask(x: Array, lengths: Array) -> Array:
    """Sequences (n, time, 1, features) of integers with a feature more: 1 in the first `lengths` (n,) steps of each, then 0."""
    live = np.arange(x.shape[1]) < np.asarray(lengths)[:, None]
    return np.concatenate([x, live[:, :, None, None].astype(x.dtype)], -1)


def tones(source: str = "") -> Split:
    """Synthetic sounds of KINDS in noise as spectra: `tones:` alone, or `tones:N` for N training sounds."""
    if source and not source.isdecimal():
        raise RecipeError(f"data: tones:N takes a number of sounds, not {source!r}")
    count = int(source or 8000)
    return _make(count, 0), _make(max(400, count // 8), 1)


def sounds(source: str) -> Split:
    """PATH/CLASS/*.wav, as Speech Commands lays them out; testing_list.txt names what is held out, else every fifth is."""
    root = Path(source)
    if not root.is_dir():
        raise RecipeError(f"data: there is no folder {root}; name one that holds a folder of recordings for each class")
    names = sorted(p.name for p in root.iterdir() if p.is_dir() and not p.name.startswith("_"))
    listed = root / "testing_list.txt"
    apart = set(listed.read_text().split()) if listed.is_file() else None
    parts: tuple[list[Array], list[Array]] = ([], [])
    labels: tuple[list[int], list[int]] = ([], [])
    number = 0
    for label, name in enumerate(names):
        for path in sorted((root / name).glob("*.wav")):
            held = f"{name}/{path.name}" in apart if apart is not None else number % 5 == 0
            parts[held].append(spectrum(_recording(path)))
            labels[held].append(label)
            number += 1
    if not parts[0] or not parts[1]:
        raise RecipeError(f"data: {root} holds too few recordings (*.wav in a folder for each class)")
    return tuple(Images(np.stack(x), np.array(y, np.int64)) for x, y in zip(parts, labels, strict=True))  # type: ignore[return-value]


def spectrum(samples: Array) -> Array:
    """Features uint8 (STEPS, 1, BANDS) of one sound: decibels in bands above the sound's own median, cut at both ends."""
    length = WINDOW + (len(samples) - WINDOW) // (STEPS - 1) * (STEPS - 1) if len(samples) > WINDOW else WINDOW
    padded = np.zeros(length)
    padded[: min(length, len(samples))] = samples[:length]
    hop = (length - WINDOW) // (STEPS - 1)
    frames = np.stack([padded[i * hop : i * hop + WINDOW] for i in range(STEPS)]) * np.hanning(WINDOW)
    power = np.abs(np.fft.rfft(frames, axis=1)[:, 1:]) ** 2  # without the constant part
    bands = power.reshape(STEPS, BANDS, -1).sum(2)
    level = 10 * np.log10(bands + 1e-12)
    level -= np.median(level)
    return np.rint((level.clip(FLOOR, LOUDEST) - FLOOR) * (255 / (LOUDEST - FLOOR))).astype(np.uint8)[:, None, :]


def _make(count: int, seed: int) -> Images:
    dice = np.random.default_rng(seed)
    y = dice.integers(0, len(KINDS), count)
    return Images(np.stack([spectrum(_sound(int(label), dice)) for label in y]), y.astype(np.int64))


def _sound(label: int, dice: np.random.Generator, seconds: float = 0.5) -> Array:
    """One sound of KINDS[label]: random pitch, loudness, beginning and end, in white noise."""
    t = np.arange(int(RATE * seconds)) / RATE
    begin, end = np.sort(dice.uniform(0, seconds, 2))
    if end - begin < 0.4 * seconds:
        begin, end = 0.3 * seconds * dice.random(), seconds * (1 - 0.3 * dice.random())
    inside = (t >= begin) & (t < end)
    share = ((t - begin) / (end - begin)).clip(0, 1)
    low, middle, high = dice.uniform(300, 700), dice.uniform(1100, 1700), dice.uniform(2300, 3300)
    pitch = {
        "low tone": low,
        "middle tone": middle,
        "high tone": high,
        "two tones": low,
        "rising chirp": low + (high - low) * share,
        "falling chirp": high + (low - high) * share,
        "warble": middle + 500 * np.sin(2 * np.pi * dice.uniform(5, 9) * t),
        "noise": 0.0,
    }[KINDS[label]]
    sound = np.sin(2 * np.pi * np.cumsum(np.broadcast_to(pitch, t.shape)) / RATE + dice.uniform(0, 2 * np.pi))
    if KINDS[label] == "two tones":
        sound = sound + np.sin(2 * np.pi * high * t)
    loud = 0.0 if KINDS[label] == "noise" else dice.uniform(0.3, 1.0)
    return loud * sound * inside + dice.normal(0, 0.35, t.shape)


def _recording(path: Path) -> Array:
    try:
        with wave.open(str(path)) as file:
            if file.getsampwidth() != 2:
                raise ValueError(f"{8 * file.getsampwidth()} bits a sample instead of 16")
            raw = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels())
            step = max(1, round(file.getframerate() / RATE))
    except (OSError, ValueError, EOFError, wave.Error) as e:
        raise RecipeError(f"data: {path} is no recording that can be read ({brief(e)}); remove it") from e
    mono = raw.mean(1) / 32768
    whole = len(mono) // step * step
    return mono[:whole].reshape(-1, step).mean(1)
