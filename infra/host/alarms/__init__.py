"""Alarms: OpenWhisk's package-alarms, a provider beside it there. Feed requests in, trigger fires out, on time.

Ours runs within the host and fires triggers without HTTP; what is due while the host is away is not made up for.
"""
