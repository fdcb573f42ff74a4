"""Holdpoint: an agent may rewrite any code in scope; nothing lands until a person signed for what was tested."""

__version__ = "0.1.0"
