"""The task of saturation transfer: schedules of images that tell pools apart, learned with the networks that read them."""

from .evaluation import (
    Agreement as Agreement,
    agreement as agreement,
    evaluation as evaluation,
    rows as rows,
    scores as scores,
    unseen as unseen,
    vials as vials,
)
from .experiment import (
    Parameters as Parameters,
    PoolExperiment as PoolExperiment,
    Schedule as Schedule,
    Shown as Shown,
)
from .network import (
    ImagedVoxels as ImagedVoxels,
    ScheduledNetwork as ScheduledNetwork,
    estimate as estimate,
    estimation_error as estimation_error,
    samples as samples,
)
from .published_experiments import (
    MILLIMOLAR as MILLIMOLAR,
    SEMISOLID_BOUNDS as SEMISOLID_BOUNDS,
    l_arginine as l_arginine,
    semisolid_brain as semisolid_brain,
)
from .question import as_text as as_text, scheduling_of as scheduling_of
from .scheduling import (
    Bounds as Bounds,
    Scheduling as Scheduling,
    constant_schedule as constant_schedule,
    random_schedule as random_schedule,
    schedule_from_file as schedule_from_file,
)
from .task import (
    SaturationConfig as SaturationConfig,
    described as described,
    first_schedule as first_schedule,
    saturation_system as saturation_system,
)
from .unsupervised import estimate_within_limits as estimate_within_limits, signal_error as signal_error
