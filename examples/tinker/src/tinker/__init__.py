"""Tinker, a small deterministic repair agent that may propose edits to its own policy and to nothing else."""
