"""The point nothing passes without authorisation: statements, signatures, merges and their verification."""
