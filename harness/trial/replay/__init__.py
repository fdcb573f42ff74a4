"""Differential replay: what the suite asks, changed in secret, is asked of both arms; differences are evidence.

`recorder` and `scripts` hold what was asked, `mutate`, `unusual` and `literals` make questions of it, `panel`, `asking`
and `surroundings` put them to fresh workers, `compare`, `shrink`, `differences` and `show` say what differs.
Entry point: `replay.replay`.
"""
