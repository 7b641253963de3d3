"""
SSH client authentication for Twisted (RFC 4252, 4256, 4462).
"""
