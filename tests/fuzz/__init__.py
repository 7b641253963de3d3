"""
Functions that take any bytes and fail where a promise is broken, and the inputs
that are known to lead them far.

C{docs/fuzzing.rst} says what each holds and how to run them.
"""
