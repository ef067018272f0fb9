"""The blocks of a Pulseq file and how long they last."""

from collections.abc import Collection, Mapping

import numpy as np

from mrjax.pulseq import references, sections
from mrjax.pulseq.errors import Source
from mrjax.pulseq.events import Block, PulseqFile
from mrjax.pulseq.sections import Section, Table
from mrjax.pulseq.tables import BLOCKS, layout_of

EVENTS = ("delay", "rf", "gx", "gy", "gz", "adc", "extension")

HOLDERS = {
    "delay": "DELAYS",
    "rf": "RF",
    "gx": "GRADIENTS or TRAP",
    "gy": "GRADIENTS or TRAP",
    "gz": "GRADIENTS or TRAP",
    "adc": "ADC",
    "extension": "EXTENSIONS",
}


def blocks_of(file: PulseqFile, section: Section, present: Collection[str], source: Source) -> tuple[Block, ...]:
    """The blocks in playing order, as the rows stand.

    From version 1.4 the file says how long each lasts, in block rasters; before, it lasts as long as its longest event.

    **Arguments:**

    - `file`: All but its blocks.
    - `section`: [BLOCKS].
    - `present`: Names of the sections that the file has.

    **Raises:** `PulseqError` where a block refers to an event that is not there.
    """
    read = sections.table(section, layout_of(BLOCKS, file.version.minor), source)
    gradients = {*file.gradients, *file.trapezoids}
    known = {"delay": file.delays, "rf": file.rf, "adc": file.adc, "extension": file.extensions} | dict.fromkeys(
        ("gx", "gy", "gz"), gradients
    )
    for column, holder in HOLDERS.items():
        references.check(read, column, known[column], holder, present, source)
    none = [0] * len(read.lines)
    ids = {name: read.whole(name) if name in read.columns else none for name in EVENTS}
    rows = zip(_durations(file, read, ids), *ids.values(), strict=True)
    return tuple(Block(*row) for row in rows)


def _durations(file: PulseqFile, read: Table, ids: Mapping[str, list[int]]) -> list[float]:
    if "duration" in read.columns:
        return (read.columns["duration"] * file.block_raster).tolist()
    lasts = _event_durations(file)
    columns = [[lasts[name].get(identifier, 0.0) for identifier in ids[name]] for name in EVENTS[:-1]]
    return np.max(columns, axis=0).tolist()


def _event_durations(file: PulseqFile) -> dict[str, dict[int, float]]:
    """How long each event lasts in s with its delay, by id; of versions before 1.4, which have no time shapes."""
    samples = {identifier: shape.n_samples for identifier, shape in file.shapes.items()}
    rf = {i: event.delay + samples[event.magnitude_shape] * file.rf_raster for i, event in file.rf.items()}
    gradients = {i: g.delay + samples.get(g.shape, 0) * file.gradient_raster for i, g in file.gradients.items()}
    gradients |= {i: trap.delay + trap.rise + trap.flat + trap.fall for i, trap in file.trapezoids.items()}
    adc = {i: event.delay + event.n_samples * event.dwell for i, event in file.adc.items()}
    return {"delay": dict(file.delays), "rf": rf, "gx": gradients, "gy": gradients, "gz": gradients, "adc": adc}
