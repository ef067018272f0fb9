"""Small Pulseq-CEST files, as text."""

GAMMA_BAR = 42.5764
"""In MHz/T."""


def saturation_file(offsets, *, amplitude=50, field=3.0, definitions=""):
    """A block pulse of 1 s and a readout at each offset in ppm of a field in T; the amplitude is in Hz."""
    blocks = "\n".join(f"{2 * n + 1} 0 {n + 1} 0 0 0 0 0\n{2 * n + 2} 0 0 0 0 0 1 0" for n in range(len(offsets)))
    hertz = [ppm * field * GAMMA_BAR for ppm in offsets]
    rf = "\n".join(f"{n} {amplitude} 1 0 0 {frequency:.9g} 0" for n, frequency in enumerate(hertz, 1))
    return f"""\
[VERSION]
major 1
minor 3
revision 1
[DEFINITIONS]
{definitions}
[BLOCKS]
{blocks}
[RF]
{rf}
[ADC]
1 1 1000 0 0 0
[SHAPES]
shape_id 1
num_samples 1000000
1
0
0
999997
"""
