"""Making data: tissues, objects for images, noise, random schedules, endless batches and data sets on disk."""

from .fields import smooth_field as smooth_field
from .noise import add_complex_noise as add_complex_noise, rician_magnitude as rician_magnitude
from .priors import (
    Grid as Grid,
    LogUniform as LogUniform,
    TissueMixture as TissueMixture,
    Uniform as Uniform,
    longer_t1 as longer_t1,
)
from .schedules import spline_schedule as spline_schedule
from .store import Store as Store
from .stream import Stream as Stream
from .templates import random_template as random_template
