"""Pictures, with matplotlib; every function draws into given axes or makes its own."""

from .animation import magnetisation as magnetisation
from .coils import coil_maps as coil_maps
from .designs import design as design
from .diagram import sequence_diagram as sequence_diagram
from .images import image_comparison as image_comparison, images as images
from .k_space import k_space as k_space
from .maps import parameter_map as parameter_map
from .pathways import coherence_pathways as coherence_pathways
from .phase_graph import phase_graph as phase_graph
from .precision import precision as precision
from .signals import signal_curves as signal_curves
from .slice_profile import slice_profile as slice_profile
from .spectrum_fit import spectrum_fit as spectrum_fit
from .trajectory import trajectory as trajectory
from .z_spectrum import z_spectrum as z_spectrum
