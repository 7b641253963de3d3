"""
The tests.  In whatever part of them is run, no secret may be logged.
"""

from tests.planted import watch

watch()
