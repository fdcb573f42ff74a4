"""The self-check: known attacks, benign changes and must-fail twins through the code that judges proposals."""
