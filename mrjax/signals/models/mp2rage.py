"""T1 from MP2RAGE."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact

from mrjax import _checks
from mrjax.signals import relaxation
from mrjax.signals.models.signal_model import Parameter, SignalModel, amplitude, need, settings

GRID = np.geomspace(0.02, 10.0, 1500)
DATA = ("uniform_image", "signed", "complex")


class MP2RAGE(SignalModel):
    """T1 from the uniform image of MP2RAGE, or from its two images.

    The uniform image falls with T1 within a range, and says nothing of T1 beyond: a fit stays within (`monotone_range`).

    **Arguments:**

    - `inversion_time`, `flip_angle`, `n_readouts`, `echo_spacing`, `tr`: As `mrjax.signals.relaxation.mp2rage` has them.
    - `data`: "uniform_image" for one sample, between -0.5 and 0.5; "signed" for the two images with their sign, real; "complex"
      for the two images with the phase that they have in common.
    - `inversion_efficiency`: 1 for a perfect inversion, a number or a map `(*voxels)`.
    - `b1`: Transmit field relative to nominal, a number or a map `(*voxels)`.

    **Raises:** `ValueError` as `mrjax.signals.relaxation.mp2rage`, and where `data` is something else.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> from mrjax.units import deg, ms
        >>> model = mr.signals.models.MP2RAGE([0.7, 2.5], jnp.array([4.0, 5.0]) * deg, (80, 80), 7 * ms, tr=5.0)
        >>> print(*(f"{t1:.2f} s" for t1 in model.monotone_range()))
        0.11 s 4.35 s
        >>> fit = mr.inverse.least_squares(model, jnp.array([[-0.032]]), noise_std=0.01)
        >>> round(float(fit.parameters["t1"][0]), 2)
        1.2

        ```
    """

    inversion_time: Float[Array, "2"] = need("s", "from the inversion to the centre of each train")
    flip_angle: Float[Array, "2"] = need("rad", "nominal flip angles of the trains")
    n_readouts: tuple[int, int] = need("", "readouts of a train before and after its centre", static=True)
    echo_spacing: Float[Array, ""] = need("s", "from one excitation of a train to the next")
    tr: Float[Array, ""] = need("s", "from one inversion to the next")
    data: str = need("", "what is fitted", static=True, default="uniform_image")
    inversion_efficiency: Float[Array, "..."] | float = need(
        "", "1 for a perfect inversion", per_voxel=True, default=1.0
    )
    b1: Float[Array, "..."] | float = need("", "transmit field relative to nominal", per_voxel=True, default=1.0)
    equation: ClassVar[str] = r"\mathrm{UNI} = \mathrm{Re}(S_1^* S_2) / (|S_1|^2 + |S_2|^2)"
    source: ClassVar[str] = "J. P. Marques et al., NeuroImage 49 (2010) 1271-1281"

    def __init__(
        self,
        inversion_time: Any,
        flip_angle: Any,
        n_readouts: tuple[int, int],
        echo_spacing: Any,
        tr: Any,
        data: str = "uniform_image",
        inversion_efficiency: Any = 1.0,
        b1: Any = 1.0,
    ):
        if data not in DATA:
            raise ValueError(f"`data` must be one of {', '.join(map(repr, DATA))}, but got {data!r}.")
        self.inversion_time = settings(inversion_time, "inversion_time")
        self.flip_angle = settings(flip_angle, "flip_angle")
        before, after = n_readouts
        self.n_readouts, self.data = (before, after), data
        self.echo_spacing, self.tr = _checks.real_array(echo_spacing, "echo_spacing"), _checks.real_array(tr, "tr")
        maps = {"inversion_efficiency": inversion_efficiency, "b1": b1}
        for name, value in maps.items():
            setattr(self, name, value if isinstance(value, float | int) else _checks.real_array(value, name))

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        if self.data == "uniform_image":
            shortest, longest = self.monotone_range()
            trials = tuple(np.geomspace(shortest * 1.001, longest / 1.001, 400).tolist())
            return (Parameter("t1", "s", "longitudinal relaxation time", shortest, longest, trials),)
        trials = tuple(np.geomspace(0.05, 6.0, 200).tolist())
        t1 = Parameter("t1", "s", "longitudinal relaxation time", 1e-2, 50.0, trials)
        if self.data == "signed":
            return t1, amplitude()
        parts = (("m0_real", "real"), ("m0_imaginary", "imaginary"))
        return t1, *(amplitude(name, f"equilibrium magnetisation, {part} part", -np.inf) for name, part in parts)

    @property
    def n_samples(self) -> int:
        return 1 if self.data == "uniform_image" else 2

    def monotone_range(self) -> tuple[float, float]:
        """The shortest and the longest T1 in s between which the uniform image falls, with nominal maps, to 0.4 %."""
        nominal = dataclasses.replace(self.without_maps(), data="signed")
        t1 = jnp.asarray(GRID, self.inversion_time.dtype)
        image = np.asarray(relaxation.uniform_image(nominal({"t1": t1, "m0": jnp.ones_like(t1)})))
        falls = np.flatnonzero(np.diff(np.r_[False, np.diff(image) < 0, False].astype(int)))
        begins, ends = falls[::2], falls[1::2]
        longest = np.argmax(image[begins] - image[ends]) if len(begins) else 0
        if not len(begins):
            raise ValueError("The uniform image must fall with T1 somewhere between 0.02 and 10 s, but it does not.")
        return float(GRID[begins[longest]]), float(GRID[ends[longest]])

    def __call__(self, parameters: Mapping[str, Array]) -> Inexact[Array, "*voxels n"]:
        m0 = parameters.get("m0", 1.0)
        if self.data == "complex":
            m0 = jnp.asarray(parameters["m0_real"] + 1j * parameters["m0_imaginary"])
        signals = relaxation.mp2rage(
            self.inversion_time,
            self.flip_angle,
            self.n_readouts,
            self.echo_spacing,
            self.tr,
            parameters["t1"],
            m0,
            self.inversion_efficiency,
            self.b1,
        )
        return relaxation.uniform_image(signals)[..., None] if self.data == "uniform_image" else signals
