"""What a kind of measurement says of itself: how it is read, and by which model it is fitted."""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from mrjax.cli import acquisition
from mrjax.cli.acquisition import Acquisition, Setting
from mrjax.inverse import Fit
from mrjax.signals.models import SignalModel

Signals = Literal["magnitude", "signed", "complex", "real", "uniform"]
"""What is fitted: magnitudes; real signals that may have lost their sign; complex ones; real ones as they are; a uniform image
of MP2RAGE."""


@dataclass(frozen=True)
class Known:
    """What the model of some voxels is made of."""

    played: Acquisition
    options: argparse.Namespace
    maps: Mapping[str, Any]
    """Of the voxels, by the names of options; empty where none is known."""
    affine: np.ndarray | None = None
    """Of the images; None for a table."""


@dataclass(frozen=True)
class Derived:
    """A map that is made of fitted parameters."""

    name: str
    unit: str
    meaning: str


@dataclass(frozen=True)
class Contrast:
    """A kind of measurement that can be fitted."""

    name: str
    help: str
    parameter: str
    """The parameter of interest."""
    model_class: type[SignalModel]
    model: Callable[[Known], SignalModel]
    samples: Setting | None = None
    """What differs from image to image; None where `read` finds it."""
    needed: tuple[Setting, ...] = ()
    optional: tuple[Setting, ...] = ()
    signals: Signals = "magnitude"
    maps: tuple[str, ...] = ()
    """Options of known maps that may be given."""
    needed_maps: tuple[str, ...] = ()
    add_options: Callable[[argparse.ArgumentParser], None] | None = None
    read: Callable[[argparse.Namespace], Acquisition] | None = None
    example: str = ""
    """Words of the command line beside those of the settings, without which it is no command."""
    example_values: Mapping[str, Any] = field(default_factory=dict)
    """Settings to make an example of, where they are read from files."""
    estimator: Callable[..., Fit] | None = None
    """In the place of least squares: takes model, data, and where it `takes_noise` the `noise_std` and a `likelihood`."""
    takes_noise: bool = True
    derived: tuple[Derived, ...] = ()
    """Maps that are made of the parameters."""
    derive: Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]] | None = None
    """Makes them, `(n_voxels,)` each, or `(n_voxels, 3)` of vectors."""
    suffixes: Mapping[str, str] = field(default_factory=dict)
    """What the maps of parameters are called in files, where it is not their name."""
    aliases: tuple[str, ...] = ()
    has_curve: bool = True
    """Whether the model can be drawn between the samples that were taken."""
    n_images: int | None = None
    """Where it is not the number of samples."""

    def acquired(self, options: argparse.Namespace) -> Acquisition:
        """The settings, from the command line and from sidecars."""
        if self.read is not None:
            return self.read(options)
        assert self.samples is not None
        return acquisition.read(options, self.samples, self.needed, self.optional)
