"""The YAML files of pulseq-cest: tissue with exchanging pools, field, and how to simulate."""

import math
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from jaxtyping import Float

from mrjax import lineshapes, units
from mrjax._decoding import text_of
from mrjax.conventions import Conventions
from mrjax.io.agreement import require_same_scanner
from mrjax.io.nifti import FileError
from mrjax.io.pool_keys import CEST_KEYS, MT_KEYS, WATER_KEYS, kind, mapping, number, relaxation_time, truth
from mrjax.lineshapes import AbstractLineshape
from mrjax.pool import Pool
from mrjax.pulseq import PulseqFile, saturation_sequence
from mrjax.sequence import Sequence
from mrjax.tissue import Tissue

DEFAULT_GAMMA = 267.5153
"""Of pulseq-cest, in rad/s/uT."""

IN_MHZ = 0.01
"""As close, relatively, to the proton's ratio in MHz/T, a gyromagnetic ratio is in that unit."""


@dataclass(frozen=True, eq=False)
class PoolFile:
    """What a YAML file of pulseq-cest says.

    **Arguments:**

    - `tissue`: Water and its pools, those of CEST first, then the semisolid one.
    - `names`: Of the pools, in the order of `tissue.pools`.
    - `b0`: In T.
    - `reset`: Whether each measurement begins anew.
    - `magnetisation`: To which it is then set, relative to equilibrium.
    - `max_pulse_samples`: To which shaped pulses are resampled.
    - `conventions`: Those of pulseq-cest, with the gyromagnetic ratio of the file. Shaped pulses of more than
      `max_pulse_samples` are resampled as it does, and some then last longer; `dataclasses.replace(conventions,
      pulse_samples="means")` keeps their duration.
    """

    tissue: Tissue
    names: tuple[str, ...]
    b0: float
    reset: bool
    magnetisation: float
    max_pulse_samples: int
    conventions: Conventions

    def sequence(self, file: PulseqFile) -> Sequence:
        """The measurements of a Pulseq-CEST file, played as this file says; samples are the longitudinal water.

        Offsets in ppm are of the field of this file.

        **Raises:** `FileError` where the sequence states another field or gyromagnetic ratio than this file.
        """
        require_same_scanner(file, self.b0, self.conventions.gyromagnetic_ratio)
        return saturation_sequence(
            file,
            self.conventions,
            max_pulse_samples=self.max_pulse_samples,
            reset=self.reset,
            magnetisation=self.magnetisation,
            b0=self.b0,
        )


def read_pools(path: str | Path, *, legacy_lineshape: bool = False) -> PoolFile:
    r"""Read a YAML file of pulseq-cest, such as those of pulseq-cest-library.

    Pools have relaxation times `t1` and `t2` in s, or the rates `r1` and `r2` in 1/s in their place.
    Fractions are divided by that of the water, where the file gives one other than 1. A field offset becomes the
    off-resonance $10^{-6} \delta \gamma B_0 / 2 \pi$; it and a relative B1 take part only where they differ from 0 and 1.

    **Arguments:**

    - `path`: A `.yaml` file in UTF-8; comments may be in Latin-1, as in older files of pulseq-cest-library.
    - `legacy_lineshape`: Take the super-Lorentzian as BMCTool and pulseq-cest sum it up, for comparison with them, instead of
      the converged integral.

    **Returns:** A `PoolFile`.

    **Raises:** `FileError` that names the file, the line or key, what is wrong there and what is due.

    **Source:** K. Herz et al., Magn Reson Med 86 (2021) 1845-1858.

    !!! example

        ```python
        >>> import pathlib, tempfile
        >>> import mrjax as mr
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "creatine.yaml"
        >>> _ = path.write_text('''
        ... water_pool: {f: 1.0, t1: 3.0, t2: 2.0}
        ... cest_pool: {creatine: {f: 5.0e-4, t1: 1.05, t2: 0.1, k: 50, dw: 1.9}}
        ... b0: 3
        ... ''')
        >>> file = mr.io.read_pools(path)
        >>> file.names, float(file.tissue.pools[0].exchange_rate)
        (('creatine',), 50.0)

        ```
    """
    path = Path(path)
    content = _content(path)
    setting = lambda key, default=None: number(path, key, content.get(key, default), key)
    gamma = setting("gamma", DEFAULT_GAMMA)
    if abs(gamma * 1e6 / units.GAMMA_BAR["1H"] - 1) < IN_MHZ:
        raise FileError(
            f"{path}: gamma must be in rad/s/uT, but {gamma:g} is the proton's in MHz/T; write {2 * math.pi * gamma:.6g}."
        )
    conventions = Conventions.pulseq_cest(gyromagnetic_ratio=gamma * 1e6)
    b0 = setting("b0")
    offset, b1 = setting("b0_inhom", 0.0), setting("rel_b1", 1.0)
    larmor = conventions.gyromagnetic_ratio * b0 / (2 * math.pi)
    (_, water), *others = _all_pools(path, content).items()
    t1, t2 = (relaxation_time(path, "water_pool", water, key) for key in ("t1", "t2"))
    size = number(path, "water_pool.f", water["f"], "f")
    if size == 0:
        raise FileError(f"{path}: water_pool.f must be above zero, since the other fractions are divided by it.")
    pools = [_pool(path, where, parameters, size, legacy_lineshape) for where, parameters in others]
    return PoolFile(
        tissue=Tissue(t1=t1, t2=t2, off_resonance=offset * 1e-6 * larmor, b1=b1, pools=tuple(pools)),
        names=tuple(where.removeprefix("cest_pool.") for where, _ in others),
        b0=b0,
        reset=truth(path, content.get("reset_init_mag", True), "reset_init_mag"),
        magnetisation=setting("scale", 1.0),
        max_pulse_samples=int(setting("max_pulse_samples", 500)),
        conventions=conventions,
    )


def read_grid(path: str | Path) -> dict[str, Float[np.ndarray, " n"]]:
    """The values of each pool parameter in a YAML file whose numbers may be lists: the grid of a dictionary.

    **Arguments:**

    - `path`: A `.yaml` file in UTF-8; comments may be in Latin-1, as in older files of pulseq-cest-library.

    **Returns:** By key, such as `cest_pool.amide.k`, the values as the file gives them.

    **Raises:** `FileError` as `read_pools`.

    !!! example

        ```python
        >>> import pathlib, tempfile
        >>> import mrjax as mr
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "grid.yaml"
        >>> _ = path.write_text("water_pool: {f: 1.0, t1: [2.8, 3.0], t2: 2.0}")
        >>> mr.io.read_grid(path)["water_pool.t1"].tolist()
        [2.8, 3.0]

        ```
    """
    path = Path(path)
    content = _content(path)
    grid: dict[str, Float[np.ndarray, " n"]] = {}
    for where, parameters in _all_pools(path, content).items():
        for key in parameters.keys() - {"lineshape"}:
            value = parameters[key]
            values = value if isinstance(value, list) and value else [value]
            grid[f"{where}.{key}"] = np.array([number(path, f"{where}.{key}", entry, key) for entry in values])
    return grid


class _UniqueKeys(yaml.SafeLoader):
    """As `SafeLoader`, but a key that stands twice is an error: of two pools of one name, one would be lost."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys: set[Any] = set()
        for key, _ in node.value:
            if key.value in keys:
                raise yaml.MarkedYAMLError(problem=f"the key {key.value!r} stands twice", problem_mark=key.start_mark)
            if isinstance(key.value, Hashable):
                keys.add(key.value)
        return super().construct_mapping(node, deep)


def _content(path: Path) -> dict[str, Any]:
    """What the file holds, by key."""
    try:
        if not path.is_file():
            raise FileError(f"{path} does not exist or is no file; check the path.")
        data = path.read_bytes()
        content = yaml.load(text_of(data), _UniqueKeys)
    except OSError as error:
        raise FileError(f"{path} cannot be read ({error}).") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise FileError(
            f"{path}, line {line}: byte {error.object[error.start]:#04x} is not UTF-8. Older files of pulseq-cest-library are "
            "Latin-1; convert it: `iconv -f latin1 -t utf-8 old.yaml > new.yaml`."
        ) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        if isinstance(error, FileError):
            raise
        raise FileError(_syntax_error(path, error)) from None
    if content is None:
        raise FileError(f"{path} is empty; a file of pulseq-cest holds water_pool, cest_pool, mt_pool, b0 and others.")
    if not isinstance(content, dict):
        raise FileError(
            f"{path} must hold keys such as water_pool and their values at its top level, but holds a {kind(content)}."
        )
    return content


def _syntax_error(path: Path, error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = (
        getattr(error, "problem", None) or getattr(error, "reason", None) or str(error) or "it is nested too deeply"
    )
    where = f"{path}, line {mark.line + 1}" if mark else f"{path}"
    brace = " A surplus or a missing brace is the usual cause." if "'}'" in problem or "'{'" in problem else ""
    return f"{where}: no valid YAML, {problem}.{brace}"


def _all_pools(path: Path, content: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The parameters of water and every pool by where they stand, with the keys that they must have and no others."""
    found = {"water_pool": mapping(path, content.get("water_pool"), "water_pool", WATER_KEYS)}
    for name, pool in mapping(path, content.get("cest_pool") or {}, "cest_pool").items():
        found[f"cest_pool.{name}"] = mapping(path, pool, f"cest_pool.{name}", CEST_KEYS)
    if content.get("mt_pool"):
        found["mt_pool"] = mapping(path, content["mt_pool"], "mt_pool", MT_KEYS)
    return found


def _pool(path: Path, where: str, parameters: dict[str, Any], water: float, legacy_lineshape: bool) -> Pool:
    value = {key: number(path, f"{where}.{key}", parameters[key], key) for key in ("f", "k", "dw")}
    line = None
    if "lineshape" in parameters:
        line = _lineshape(path, f"{where}.lineshape", parameters["lineshape"], legacy_lineshape)
    return Pool(
        fraction=value["f"] / water,
        exchange_rate=value["k"],
        t1=relaxation_time(path, where, parameters, "t1"),
        t2=relaxation_time(path, where, parameters, "t2"),
        shift_ppm=value["dw"],
        lineshape=line,
    )


def _lineshape(path: Path, where: str, name: Any, legacy: bool) -> AbstractLineshape:
    if name == "Lorentzian":
        return lineshapes.Lorentzian()
    if name == "SuperLorentzian":
        return lineshapes.PulseqCestSuperLorentzian() if legacy else lineshapes.SuperLorentzian()
    raise FileError(f"{path}: {where} must be 'Lorentzian' or 'SuperLorentzian', but is {name!r}.")
