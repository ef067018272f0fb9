"""Images by phase distribution graphs: a balanced sequence of 64 x 64 on a brain slice, its value and its gradient in all angles.

    python -m benchmarks.pdg [--accuracy 1e-3] [--sequence bssfp|flash|epi]

Prints states, the CPU time of finding the graph and of a call, the memory that the compiled program allocates, and the error
against a graph a hundred times finer. The brain slice is that of the reference data (`MRJAX_DATA`, ../shared/data by default).
"""
import numpy as np
import mrjax as mr

def bssfp(n: int, fov: float, flip_angle: float, tr: float, dwell: float) -> mr.Sequence:
    area = 1 / fov / mr.units.GAMMA_BAR["1H"]
    flat, rise = n * dwell, 0.0
    read = -area / dwell
    side = (tr - n * dwell) / 2
    angles = np.full(n, flip_angle)
    phases = np.pi * (np.arange(n) % 2)
    ky = (np.arange(n) - n // 2) 
    pre_x = -(n/2) * -area
    lobe = lambda a, axis: mr.Gradient(np.stack([np.asarray(a)/side]*2,axis=-1), [0.0, side], axis)
    readout = mr.Together(mr.Gradient([read,read],[0.0,flat],"x"), mr.Readout(n,dwell,phase=phases))
    rep = mr.Repeat(mr.Pulse(angles, phases), mr.Together(lobe(pre_x,"x"), lobe(-area*ky,"y")), readout,
       mr.Together(lobe(pre_x,"x"), lobe(area*ky,"y")))
    return mr.Sequence(mr.Pulse(flip_angle/2, np.pi), mr.Delay(tr/2), rep)
