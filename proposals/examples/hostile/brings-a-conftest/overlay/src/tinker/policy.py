"""Nothing works here, and no test will say so."""

RULES = ()
