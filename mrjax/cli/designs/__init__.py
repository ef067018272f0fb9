"""The experiments that `mrjax design` knows, by name."""

from .experiment import DesignSetting as DesignSetting, Experiment as Experiment
from .few_images import ADC, IR, MP2RAGE, T2, VFA
from .trains import FSE, MRF

EXPERIMENTS = {experiment.name: experiment for experiment in (VFA, IR, MP2RAGE, T2, FSE, MRF, ADC)}
