"""Spin systems of metabolites from a JSON file."""

import json
import math
from pathlib import Path
from typing import Any

from mrjax.io.nifti import FileError
from mrjax.signals.spectroscopy import SpinSystem

HIGHEST_OF_PROTONS = 30.0
"""In ppm. FID-A gives other nuclei a shift beyond, 100 ppm say."""


def read_spin_systems(path: str | Path) -> dict[str, tuple[SpinSystem, ...]]:
    """Read the spin systems of metabolites from a JSON file that holds those of FID-A, or ones written like them.

    The file holds an object: by the name of each metabolite a list of spin systems, which are not coupled to each other,
    each with `shifts_ppm`, `J_Hz` (a matrix whose upper triangle counts) and perhaps `scale_factor`. Spins at
    30 ppm or more stand for other nuclei, as in FID-A, and are not observed.

    **Arguments:**

    - `path`: A `.json` file.

    **Returns:** By name the systems of each metabolite, as `mrjax.signals.spectroscopy.basis` takes them.

    **Raises:** `FileError` that names the file, the metabolite, what is wrong there and what is due.

    **Source:** J. Near et al., Magn Reson Med 85 (2021) 23-29; values of V. Govindaraju et al., NMR Biomed 13 (2000) 129-153.

    !!! example

        ```python
        >>> import pathlib, tempfile
        >>> import mrjax as mr
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "citrate.json"
        >>> _ = path.write_text('{"Cit": [{"shifts_ppm": [2.54, 2.65], "J_Hz": [[0, -15.1], [0, 0]]}]}')
        >>> (citrate,) = mr.io.read_spin_systems(path)["Cit"]
        >>> print(citrate.shifts_ppm)
        [2.54 2.65]

        ```
    """
    path = Path(path)
    if not path.is_file():
        raise FileError(f"{path} does not exist or is no file; check the path.")
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise FileError(f"{path} is not a JSON file ({error}); correct it.") from error
    if not isinstance(content, dict) or not all(isinstance(parts, list) and parts for parts in content.values()):
        raise FileError(
            f"{path} must hold a JSON object that gives each metabolite a list of spin systems; correct it."
        )
    return {
        name: tuple(_system(path, f"{name}[{i}]", part) for i, part in enumerate(parts))
        for name, parts in content.items()
    }


def _system(path: Path, where: str, part: Any) -> SpinSystem:
    if not isinstance(part, dict) or not {"shifts_ppm", "J_Hz"} <= part.keys():
        raise FileError(f"{path}, {where}: must be an object with `shifts_ppm` and `J_Hz`; add them.")
    shifts, scale = part["shifts_ppm"], part.get("scale_factor", 1.0)
    try:
        is_observed = [math.fabs(shift) < HIGHEST_OF_PROTONS for shift in shifts]
        return SpinSystem(shifts, part["J_Hz"], scale, is_observed)
    except (ValueError, TypeError) as error:
        raise FileError(f"{path}, {where}: {error}") from error
