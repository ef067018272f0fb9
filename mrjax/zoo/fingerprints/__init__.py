"""The task of fingerprinting: FISP fingerprints to learn from, tissues to be judged on, scores, and refinement."""

from .data import (
    Batch as Batch,
    Estimate as Estimate,
    FingerprintConfig as FingerprintConfig,
    decoded as decoded,
    fingerprint as fingerprint,
    fisp_decoder as fisp_decoder,
    label_error as label_error,
    labels as labels,
    noisy as noisy,
    relaxation_times as relaxation_times,
    require_weight as require_weight,
    schedules as schedules,
    simulated as simulated,
    stream as stream,
    training_decoder as training_decoder,
)
from .evaluation import EVALUATION as EVALUATION, Scores as Scores, score as score
from .refinement import fitted as fitted, refined as refined
from .task import fingerprint_system as fingerprint_system
from .test_sets import Voxels as Voxels, maps as maps, phantom as phantom
