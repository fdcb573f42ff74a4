"""Proves on the user's own engine that each protection holds, by attacks that are known to work without it."""
