"""What a Pulseq file holds, in SI units, and how its faults are told."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from mrjax.pulseq.shapes import Shape

RASTERS: Mapping[str, float] = MappingProxyType(
    {"RadiofrequencyRasterTime": 1e-6, "GradientRasterTime": 1e-5, "BlockDurationRaster": 1e-5}
)
"""In s, as fixed before version 1.4; since then files must define them."""

ADC_RASTER = 1e-7
"""In s, of files that do not define it."""

HERTZ = 1e6
"""From here on a stated gyromagnetic ratio is in Hz/T, below in MHz/T."""


class PulseqError(ValueError):
    """A Pulseq file that is damaged or not understood; the message names the file, the line and the cause.

    **Arguments:**

    - `path`: The file.
    - `line`: Counted from 1; None where no line is to blame, such as for a file that is missing.
    - `cause`: What is wrong there.
    """

    def __init__(self, path: str | Path, line: int | None, cause: str):
        super().__init__(path, line, cause)
        self.path = path
        self.line = line
        self.cause = cause

    def __str__(self) -> str:
        return f"{self.path}: {self.cause}" if self.line is None else f"{self.path}, line {self.line}: {self.cause}"


@dataclass(frozen=True, order=True)
class Version:
    """Of the file format; the revision is text, since some files say `1post1`."""

    major: int
    minor: int
    revision: str

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.revision}"


@dataclass(frozen=True, slots=True)
class Block:
    """What is played at once; each field but the duration is the id of an event, 0 for none.

    **Arguments:**

    - `duration`: In s.
    - `delay`: Of the `delays`, in files before version 1.4.
    - `rf`: Of `rf`.
    - `gx`, `gy`, `gz`: Of `gradients` or `trapezoids`, which share their ids.
    - `adc`: Of `adc`.
    - `extension`: Of `extensions`, the first of a list.
    """

    duration: float
    delay: int
    rf: int
    gx: int
    gy: int
    gz: int
    adc: int
    extension: int

    @property
    def gradients(self) -> tuple[int, int, int]:
        """The ids of the gradients along x, y and z."""
        return self.gx, self.gy, self.gz


@dataclass(frozen=True, slots=True)
class RfEvent:
    """An RF pulse.

    **Arguments:**

    - `amplitude`: In Hz, of the shape's value 1.
    - `magnitude_shape`, `phase_shape`: Of `shapes`; the phase shape counts in full turns. 0 for none.
    - `time_shape`: Times of the samples in RF rasters; 0: at the centres of the rasters; -1: twice as dense
      (version 1.5).
    - `delay`: From the start of the block, in s.
    - `frequency`: Offset in Hz, without what `frequency_ppm` adds.
    - `phase`: In rad, without what `phase_per_megahertz` adds.
    - `frequency_ppm`: Offset in ppm of the Larmor frequency (version 1.5).
    - `phase_per_megahertz`: In rad per MHz of Larmor frequency (version 1.5).
    - `center`: From the start of the shape in s (version 1.5), else None.
    - `use`: `e`xcitation, `r`efocusing, `i`nversion, `s`aturation, `p`reparation, `o`ther, `u`ndefined (version 1.5).
    """

    amplitude: float
    magnitude_shape: int
    phase_shape: int
    time_shape: int
    delay: float
    frequency: float
    phase: float
    frequency_ppm: float = 0.0
    phase_per_megahertz: float = 0.0
    center: float | None = None
    use: str = "u"


@dataclass(frozen=True, slots=True)
class ArbitraryGradient:
    """A gradient of any shape: amplitude and edge values in Hz/m, delay in s, shapes of `shapes`."""

    amplitude: float
    shape: int
    time_shape: int
    delay: float
    first: float | None = None
    last: float | None = None


@dataclass(frozen=True, slots=True)
class Trapezoid:
    """A trapezoidal gradient: amplitude in Hz/m, times in s."""

    amplitude: float
    rise: float
    flat: float
    fall: float
    delay: float


@dataclass(frozen=True, slots=True)
class AdcEvent:
    """A readout of `n_samples`, `dwell` seconds each; the rest as in `RfEvent`."""

    n_samples: int
    dwell: float
    delay: float
    frequency: float
    phase: float
    frequency_ppm: float = 0.0
    phase_per_megahertz: float = 0.0
    phase_shape: int = 0


@dataclass(frozen=True, slots=True)
class Extension:
    """One link of a list of extensions: the type, the row of its specification, the id of the next link or 0."""

    type: int
    reference: int
    next: int


@dataclass(frozen=True)
class ExtensionSpecification:
    """Labels, triggers and the like as they stand in the file: the words of each row by its id, without unit changes."""

    name: str
    rows: Mapping[int, tuple[str, ...]]


@dataclass(frozen=True, eq=False)
class PulseqFile:
    """A Pulseq file, nothing expanded.

    **Arguments:**

    - `path`: Where it came from.
    - `version`: Of the format.
    - `definitions`: By name: the numbers that stand there, or the text where one is no number.
    - `blocks`: In playing order.
    - `rf`, `gradients`, `trapezoids`, `adc`, `shapes`: By id.
    - `delays`: In s by id; versions before 1.4.
    - `extensions`, `extension_specifications`: By id, and by type.
    - `signature`: Name of the hash and its value, or None.
    - `other`: Text of sections that are not part of the format, by name.
    """

    path: Path
    version: Version
    definitions: Mapping[str, tuple[float, ...] | str]
    blocks: tuple[Block, ...]
    rf: Mapping[int, RfEvent]
    gradients: Mapping[int, ArbitraryGradient]
    trapezoids: Mapping[int, Trapezoid]
    adc: Mapping[int, AdcEvent]
    delays: Mapping[int, float]
    shapes: Mapping[int, Shape]
    extensions: Mapping[int, Extension]
    extension_specifications: Mapping[int, ExtensionSpecification]
    signature: tuple[str, str] | None
    other: Mapping[str, str]

    @property
    def duration(self) -> float:
        """Of all blocks together in s."""
        return float(np.sum([block.duration for block in self.blocks]))

    @property
    def rf_raster(self) -> float:
        """Time between RF samples in s."""
        return self._raster("RadiofrequencyRasterTime")

    @property
    def gradient_raster(self) -> float:
        """Time between gradient samples in s."""
        return self._raster("GradientRasterTime")

    @property
    def block_raster(self) -> float:
        """Unit of block durations in s, from version 1.4."""
        return self._raster("BlockDurationRaster")

    @property
    def adc_raster(self) -> float:
        """Unit of dwell times in s."""
        return self._raster("AdcRasterTime")

    @property
    def b0(self) -> float:
        """The field in T that the DEFINITIONS state; NaN where they state no positive number."""
        return self._positive("B0")

    @property
    def gyromagnetic_ratio(self) -> float:
        """`gamma_hz` of the DEFINITIONS, which files give in MHz/T or in Hz/T, in rad/s/T; NaN where it is no positive number."""
        stated = self._positive("gamma_hz")
        return 2 * math.pi * (stated if stated >= HERTZ else stated * HERTZ)

    def _raster(self, name: str) -> float:
        written = self.definitions.get(name, ())
        return written[0] if written and not isinstance(written, str) else RASTERS.get(name, ADC_RASTER)

    def _positive(self, name: str) -> float:
        """The one number that stands under a name, whatever its capitals."""
        stated = [value for key, value in self.definitions.items() if key.lower() == name.lower()]
        if len(stated) != 1 or isinstance(stated[0], str) or len(stated[0]) != 1 or not stated[0][0] > 0:
            return math.nan
        return stated[0][0]
