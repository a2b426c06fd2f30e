"""Claims on stored scores -> verdicts: pass, fail, inconclusive, or skipped where something is not measured. Reads the store, never a model.

gate        what is claimed of which subject
evidence/   two sides' scores -> the difference, with its interval
judge       the difference -> a verdict, adjusted for the number of claims
verdict     what became of a gate
message     a verdict in words
compare     any two subjects, without a claim
forecast    what a gate could detect, before anything runs
stopping    when --adaptive has asked enough
"""
