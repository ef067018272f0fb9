"""What simulators of saturation transfer disagree on, as data."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal

from mrjax import units


@dataclass(frozen=True)
class Conventions:
    r"""The choices that change a Bloch-McConnell result; the defaults are the physically right ones.

    **Arguments:**

    - `gyromagnetic_ratio`: In rad/s/T; of the proton by default.
    - `off_resonance_sign`: 1: a field that is too high moves every resonance up. -1: down, as in the C++ pulseq-cest.
    - `shape_phase_sign`: 1: the phase of a waveform adds to that of its pulse, as Pulseq defines it. -1: it is subtracted,
      which sweeps the frequency of an adiabatic pulse the other way.
    - `rf_phase`: `"as_written"`: a pulse begins with the phase that it is given, in the frame of the scanner. Files of
      Pulseq-CEST write phases that advance during RF, at its offset. `"accumulated"`: that advance is added here, so
      pulses of one phase join without a jump.
    - `plays_rf_delay`: Whether the `delay` of an RF event and all that its Pulseq block lasts beyond the waveform are played,
      as free evolution; if not, they are left out, as in BMCTool.
    - `edge_zeros`: `"in_place"`: zeros at the start and the end of a waveform are played where they stand, as free
      evolution; a scanner plays delay, waveform, rest. `"after_pulse"`: the pulse begins with its block, without zeros, and
      free evolution follows: that of the delay where `plays_rf_delay` (the zeros are then dropped, as in the MATLAB
      pulseq-cest), else that of the zeros (as in BMCTool). Zeros inside a waveform are always played.
    - `pulse_samples`: How a waveform of too many samples becomes one of fewer. `"means"`: the means over equal intervals,
      which keep its duration and its complex area. `"every_nth"`: every $n$-th sample, $n$ times as long, as in pulseq-cest
      and BMCTool: a pulse whose samples are no multiple of $n$ lasts longer than in the file, by up to $n - 1$ of them.
    - `fractions`: `"of_water"`: pool fractions are relative to the water, whose own is 1. `"of_all"`: they are relative to
      the sum of water and pools, and `m0` is that of all.
    - `received`: `"all"`: a sample is the transverse magnetisation of water and all pools that have one. `"water"`: of the
      water alone.

    **Source:** the report of the BMsim challenge (github.com/pulseq-cest/BMsim_challenge), which found groups to differ by
    these choices, not by their mathematics.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> mr.Conventions.pulseq_cest().plays_rf_delay
        False

        ```
    """

    gyromagnetic_ratio: float = 2 * math.pi * units.GAMMA_BAR["1H"]
    off_resonance_sign: Literal[1, -1] = 1
    shape_phase_sign: Literal[1, -1] = 1
    rf_phase: Literal["as_written", "accumulated"] = "as_written"
    plays_rf_delay: bool = True
    edge_zeros: Literal["in_place", "after_pulse"] = "in_place"
    pulse_samples: Literal["means", "every_nth"] = "means"
    fractions: Literal["of_water", "of_all"] = "of_water"
    received: Literal["all", "water"] = "all"

    def __post_init__(self):
        if not (isinstance(self.gyromagnetic_ratio, float | int) and math.isfinite(self.gyromagnetic_ratio)):
            raise ValueError(
                f"`gyromagnetic_ratio` must be a Python number (rad/s/T), but got {self.gyromagnetic_ratio!r}."
            )
        allowed = {
            "off_resonance_sign": (1, -1),
            "shape_phase_sign": (1, -1),
            "rf_phase": ("as_written", "accumulated"),
            "plays_rf_delay": (True, False),
            "edge_zeros": ("in_place", "after_pulse"),
            "pulse_samples": ("means", "every_nth"),
            "fractions": ("of_water", "of_all"),
            "received": ("all", "water"),
        }
        for name, choices in allowed.items():
            if getattr(self, name) not in choices:
                listed = " or ".join(map(repr, choices))
                raise ValueError(f"`{name}` must be {listed}, but got {getattr(self, name)!r}.")

    @classmethod
    def pulseq_cest(cls, gyromagnetic_ratio: float = 267.5153e6, plays_rf_delay: bool = False) -> "Conventions":
        """Those of BMCTool with its off-resonance mended; the MATLAB pulseq-cest plays the RF delay as well.

        Either takes the zeros at the edges of a waveform away and picks out every so many-th of its samples, so that pulses
        start earlier and some last longer than on a scanner: for comparison with them.
        """
        return cls(
            gyromagnetic_ratio=gyromagnetic_ratio,
            shape_phase_sign=-1,
            plays_rf_delay=plays_rf_delay,
            edge_zeros="after_pulse",
            pulse_samples="every_nth",
            received="water",
        )

    def as_dict(self) -> dict[str, Any]:
        """By name, to be saved with results."""
        return dataclasses.asdict(self)
