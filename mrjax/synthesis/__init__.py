"""Making data: tissues, objects for images, noise, random schedules, endless batches and data sets on disk."""

from .brain_susceptibility import brain_susceptibility as brain_susceptibility
from .fields import smooth_field as smooth_field
from .local_fields import (
    local_field as local_field,
    random_b0_direction as random_b0_direction,
    random_patch as random_patch,
)
from .measured_k_space import multi_coil_kspace as multi_coil_kspace
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
from .susceptibility import (
    SusceptibilityVolume as SusceptibilityVolume,
    random_susceptibility as random_susceptibility,
)
from .templates import random_template as random_template
