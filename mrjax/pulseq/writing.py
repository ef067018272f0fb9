"""Writing Pulseq files."""

import dataclasses
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mrjax.pulseq.events import PulseqFile
from mrjax.pulseq.exporting import definitions_of, from_sequence
from mrjax.pulseq.formatting import text_of
from mrjax.pulseq.rasters import Rasters
from mrjax.sequence.events import AbstractContainer


def write(
    what: PulseqFile | AbstractContainer,
    path: str | Path,
    *,
    version: str | None = None,
    scanner: Any | None = None,
    rasters: Rasters | None = None,
    definitions: Mapping[str, Any] | None = None,
    pulse_duration: Any = None,
    readout: Any = None,
) -> None:
    """Write a Pulseq file, with its signature; it stands there whole or not at all.

    **Arguments:**

    - `what`: A `PulseqFile`, of which nothing is lost, or a sequence as for `from_sequence`.
    - `path`: Of the file; one that is there is replaced.
    - `version`: Of the format: 1.5.0 by default for sequences. A `PulseqFile` keeps its own.
    - `scanner`, `rasters`: As for `from_sequence`; for sequences alone.
    - `definitions`: Put in place of those of the same name, or added.
    - `pulse_duration`, `readout`: As for `from_sequence`: in place of pulses and samples that take no time.

    **Raises:** `ValueError` as `from_sequence`, and for a `PulseqFile` of another version.

    **Source:** Pulseq file format specification, versions 1.2 to 1.5 (pulseq.github.io).

    !!! example

        ```python
        >>> import pathlib, tempfile
        >>> import mrjax as mr
        >>> from mrjax.units import ms, mT, us
        >>> gradient = mr.Gradient.trapezoid(5 * mT, rise=100 * us, flat=3.2 * ms, axis="x")
        >>> readout = mr.Sequence(mr.Delay(100 * us), mr.Readout(64, dwell=50 * us))
        >>> fid = mr.Sequence(
        ...     mr.ContinuousWave(5.871e-6, duration=1 * ms, use="excitation"), mr.Together(readout, gradient)
        ... )
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "line.seq"
        >>> mr.pulseq.write(fid, path)
        >>> len(mr.pulseq.read(path).blocks)
        2

        ```
    """
    if isinstance(what, PulseqFile):
        others = (scanner, rasters, pulse_duration, readout)
        if version not in (None, str(what.version)) or any(other is not None for other in others):
            raise ValueError(
                f"A `PulseqFile` is written as it is, in version {what.version}; for another `version`, `scanner` or `rasters` "
                "write `to_sequence(file)`."
            )
        file = dataclasses.replace(what, definitions=dict(what.definitions) | definitions_of(definitions or {}))
    elif isinstance(what, AbstractContainer):
        file = from_sequence(
            what,
            version=version or "1.5.0",
            scanner=scanner,
            rasters=rasters,
            definitions=definitions,
            pulse_duration=pulse_duration,
            readout=readout,
        )
    else:
        raise ValueError(f"`what` must be a PulseqFile or a Sequence, but got {type(what).__name__}.")
    _replace(Path(path), text_of(file))


def _replace(path: Path, text: str) -> None:
    """Put a text in the place of a file, at once."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        # temporary files are for their owner alone; this one is to be as any other
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(name, 0o666 & ~mask)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
