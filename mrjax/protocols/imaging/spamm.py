"""Tagging by spatial modulation of magnetisation (SPAMM)."""

from typing import Any

import numpy as np

from mrjax import _checks
from mrjax._names import answers_misspelt_keywords
from mrjax.protocols.imaging import _arguments
from mrjax.protocols.imaging._lobes import LobeBlock, lobes
from mrjax.protocols.imaging._pulses import pulse_block
from mrjax.sequence import Repeat, Scanner, Sequence

SPOILING = 10.0
"""Cycles per tag spacing that a spoiler winds along x and y."""


@answers_misspelt_keywords
def spamm(
    tag_spacing: Any,
    flip_angles: Any = (np.pi / 4, np.pi / 4),
    *,
    directions: Any = ("x",),
    pulse_duration: Any = None,
    scanner: Scanner | None = None,
) -> Sequence:
    r"""A preparation that leaves stripes in the longitudinal magnetisation.

    An imaging sequence follows it: `spamm(...) + gre_epi(...)`.

    Hard pulses of the given angles about one axis, with a gradient between them that winds a cycle over a distance $d$, and
    a spoiler. Two pulses $\alpha$ leave $M_z = M_0 (\cos^2 \alpha - \sin^2 \alpha \cos(2 \pi r / d))$; more, with binomial
    angles, sharper stripes. Stripes along a second direction multiply those of the first; what that stores of transverse
    magnetisation is spoiled, ten cycles per $d$ along x and y.

    **Arguments:**

    - `tag_spacing`: $d$ in m.
    - `flip_angles`: In rad, `(n_pulses,)`, two or more; may be traced.
    - `directions`: Across which stripes are made, one after the other: `"x"`, `"y"` or `"z"`.
    - `pulse_duration`: In s; 0.5 ms by default.
    - `scanner`: A `Scanner`, whose limits the gradients take; the usual one by default.

    **Returns:** A `Sequence` without readouts, which the scanner can play; its leaves can be differentiated. Relaxation and
    precession meanwhile are played, not in the formula.

    **Raises:** `ValueError` for one pulse, other directions, and what the scanner cannot play.

    **Source:** L. Axel, L. Dougherty, Radiology 171 (1989) 841-845.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> from mrjax.units import mm
        >>> tagging = mr.protocols.imaging.spamm(8 * mm)
        >>> stripes = mr.Tissue(t1=1.0, t2=0.1, x=jnp.arange(5) * 2 * mm)
        >>> after = mr.simulate(tagging + mr.Sequence(mr.SampleLongitudinal()), stripes, mr.Isochromats())
        >>> [round(abs(float(z)), 1) for z in after.real[:, 0]]
        [0.0, 0.5, 1.0, 0.5, 0.0]

        ```
    """
    scanner, spacing = _arguments.hardware(scanner), _arguments.lengths(tag_spacing, "tag_spacing", 1)[0]
    angles = _checks.real_array(flip_angles, "flip_angles")
    if angles.ndim != 1 or angles.size < 2:
        raise ValueError(f"`flip_angles` must be two angles in rad or more, but got shape {angles.shape}.")
    along = tuple(directions)
    if not along or not set(along) <= {"x", "y", "z"}:
        raise ValueError(f'`directions` must be some of "x", "y" and "z", but got {directions!r}.')
    lasting = None if pulse_duration is None else _arguments.time(pulse_duration, "pulse_duration", "duration")
    tag = lambda angle: (
        pulse_block(
            *(angle, 0.0), use="preparation", slice_thickness=None, scanner=scanner, duration=lasting, late=None
        ).event
    )
    spoiler: LobeBlock = lobes({"x": SPOILING / spacing, "y": SPOILING / spacing}, scanner)
    events = []
    for axis in along:
        wound = lobes({axis: 1 / spacing}, scanner).event
        events += [Repeat(tag(angles[:-1]), wound, n_repetitions=angles.size - 1), tag(angles[-1]), spoiler.event]
    return _arguments.checked_on(scanner, Sequence(*events))
