"""Alarms: OpenWhisk's package-alarms, a provider beside it there. Feed requests in, trigger fires out, on time.

Ours runs within the host and fires triggers without HTTP, through the same quota. What falls due while the host is away
is not made up for, except `once`.
"""
