"""Published learning systems on the parts of mrjax: one file each for configuration, network and loss."""

from . import dictionary_matching as dictionary_matching, fingerprints as fingerprints, refinement as refinement
from .runs import (
    SYSTEMS as SYSTEMS,
    configured as configured,
    estimator as estimator,
    load as load,
    system_called as system_called,
    trained as trained,
)
from .test_sets import Voxels as Voxels, maps as maps, phantom as phantom
