"""Files in and out."""

from typing import TYPE_CHECKING

from mrjax import _names

from .ismrmrd import write_ismrmrd as write_ismrmrd
from .ismrmrd_reading import read_ismrmrd as read_ismrmrd
from .nifti import FileError as FileError, Image as Image, read_nifti as read_nifti, write_nifti as write_nifti
from .placement import require_same_place as require_same_place
from .raw_data import RawData as RawData, raw_data as raw_data
from .schedule import read_schedule as read_schedule, write_schedule as write_schedule
from .sidecar import read_sidecar as read_sidecar, sidecar_path as sidecar_path
from .spin_systems import read_spin_systems as read_spin_systems
from .table import read_signals as read_signals, write_table as write_table

if TYPE_CHECKING:
    from .pulseq_cest import PoolFile as PoolFile, read_grid as read_grid, read_pools as read_pools
else:  # imports YAML and all of `mrjax.pulseq`
    __getattr__, __dir__ = _names.on_demand(
        __name__, dict.fromkeys(("PoolFile", "read_grid", "read_pools"), "mrjax.io.pulseq_cest")
    )
