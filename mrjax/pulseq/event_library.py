"""Events and shapes collected for a Pulseq file, each once."""

from typing import Any

import numpy as np
from jaxtyping import Float

from mrjax.pulseq.events import AdcEvent, ArbitraryGradient, Extension, ExtensionSpecification, RfEvent, Trapezoid
from mrjax.pulseq.shapes import Shape, from_samples


class Library:
    """What was collected so far, by id."""

    def __init__(self):
        self.rf: dict[int, RfEvent] = {}
        self.gradients: dict[int, ArbitraryGradient] = {}
        self.trapezoids: dict[int, Trapezoid] = {}
        self.adc: dict[int, AdcEvent] = {}
        self.shapes: dict[int, Shape] = {}
        self.extensions: dict[int, Extension] = {}
        self._rows: dict[str, dict[tuple[str, ...], int]] = {}
        self._known: dict[Any, int] = {}
        self._samples: dict[int, list[tuple[int, np.ndarray]]] = {}

    def rf_id(self, event: RfEvent) -> int:
        """The id of a pulse."""
        return self._id(self.rf, event)

    def adc_id(self, event: AdcEvent) -> int:
        """The id of a readout."""
        return self._id(self.adc, event)

    def gradient_id(self, event: Trapezoid | ArbitraryGradient) -> int:
        """The id of a gradient; both kinds share them."""
        if event not in self._known:
            self._known[event] = len(self.gradients) + len(self.trapezoids) + 1
            holder = self.trapezoids if isinstance(event, Trapezoid) else self.gradients
            holder[self._known[event]] = event  # pyright: ignore[reportArgumentType]
        return self._known[event]

    def shape_id(self, samples: Float[np.ndarray, " n"], tolerance: float) -> int:
        """The id of a shape that has these samples up to a tolerance."""
        alike = self._samples.setdefault(samples.size, [])
        for identifier, known in alike:
            if np.max(np.abs(known - samples)) <= tolerance:
                return identifier
        identifier = len(self.shapes) + 1
        self.shapes[identifier] = from_samples(samples)
        alike.append((identifier, samples))
        return identifier

    def extension_id(self, notes: tuple[tuple[str, tuple[str, ...]], ...]) -> int:
        """The id of a list of extensions, each a name and its words; 0 for none."""
        following = 0
        for name, words in reversed(notes):
            rows = self._rows.setdefault(name, {})
            reference = rows.setdefault(words, len(rows) + 1)
            kind = list(self._rows).index(name) + 1
            following = self._id(self.extensions, Extension(kind, reference, following))
        return following

    @property
    def extension_specifications(self) -> dict[int, ExtensionSpecification]:
        """By type."""
        return {
            kind: ExtensionSpecification(name, {i: words for words, i in rows.items()})
            for kind, (name, rows) in enumerate(self._rows.items(), 1)
        }

    def _id(self, holder: dict[int, Any], event: Any) -> int:
        if event not in self._known:
            self._known[event] = len(holder) + 1
            holder[self._known[event]] = event
        return self._known[event]
