"""Many proposals under one policy and budget."""
