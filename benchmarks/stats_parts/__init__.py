"""What `benchmarks/stats.py` is made of: noise, and rules that decide on it; nothing here belongs to the product."""
