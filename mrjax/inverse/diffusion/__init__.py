"""From diffusion-weighted images to tensors and their maps.

`weighted_fit` solves `mrjax.signals.models.DiffusionTensor` and `DiffusionKurtosis` in the logarithm of the signal, of all
voxels at once; `positive_tensor_fit` and `constrained_kurtosis_fit` keep to tensors that exist. `tensor_maps` and
`kurtosis_maps` take what they return.
"""

from .constrained_kurtosis import constrained_kurtosis_fit as constrained_kurtosis_fit
from .kurtosis_maps import KurtosisMaps as KurtosisMaps, kurtosis_maps as kurtosis_maps
from .positive_tensor import positive_tensor_fit as positive_tensor_fit
from .tensor_maps import TensorMaps as TensorMaps, tensor_maps as tensor_maps
from .weighted import weighted_fit as weighted_fit
