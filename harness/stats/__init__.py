"""E-values, effects and campaign control: pure numpy, no clock, no process."""
