"""Every reader of bytes, given bytes that are nearly right: it reads them or says what is wrong.

`targets.py` has the readers and what they are given, `mutations.py` what is done to that. The unit
tests try a few hundred inputs of each; `make fuzz` tries for as long as it is told.
"""
