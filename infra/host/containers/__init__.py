"""Containers: OpenWhisk's invoker, with its container pool and proxy. Calls in, results and log lines out.

A container is a local process that serves the same proxy as the image, confined by the kernel instead of by Docker: it
starts in tens of milliseconds, and its memory is looked at instead of being a cgroup's. A stem cell is kept per profile
of a deployed action and may have imported that action's modules, where OpenWhisk's knows its kind and its size. One
activation at a time in each, as with a concurrency limit of one.
"""
