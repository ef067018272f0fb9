"""Systems that can be trained, kept, loaded and judged: published networks, and the tasks they are for."""

from . import (
    fingerprints as fingerprints,
    myelin_water as myelin_water,
    relaxometry as relaxometry,
    saturation_transfer as saturation_transfer,
    susceptibility as susceptibility,
)
from .registry import system_called as system_called, system_names as system_names
from .runs import configured as configured, estimator as estimator, judged as judged, load as load, trained as trained
from .system import (
    Evaluation as Evaluation,
    Method as Method,
    Report as Report,
    System as System,
    TrainingConfig as TrainingConfig,
)
