"""The review screens; they see records only and are handed a reviewer port."""
