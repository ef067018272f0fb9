"""The task of relaxometry from undersampled k-space: contrasts of several coils to learn maps of T1 or T2 from, and scores.

Images alone are learned from the same scans: see `IMAGES`.
"""

from .config import RelaxometryConfig as RelaxometryConfig
from .data import (
    AXES as AXES,
    Batch as Batch,
    Measurement as Measurement,
    coils as coils,
    encoding as encoding,
    fidelity as fidelity,
    inconsistency as inconsistency,
    measured as measured,
    over_images as over_images,
    stream as stream,
    zero_filled as zero_filled,
)
from .evaluation import EVALUATION as EVALUATION, Estimate as Estimate, nrmse as nrmse, test_scan as test_scan
from .first_guess import FirstMaps as FirstMaps, best_m0 as best_m0
from .image_quality import IMAGES as IMAGES, psnr as psnr, ssim as ssim
from .losses import map_error as map_error, total_variation as total_variation
from .maps import (
    EchoTrain as EchoTrain,
    FlipAngles as FlipAngles,
    RelaxationModel as RelaxationModel,
    relaxation_model as relaxation_model,
)
from .task import described as described, estimated as estimated, relaxometry_system as relaxometry_system
