"""Containers: OpenWhisk's invoker, with its container pool and proxy. Calls in, results and log lines out.

A container is a local process that serves the same proxy as the image, confined by the kernel instead of by Docker, and
its memory is looked at instead of being a cgroup's. Where OpenWhisk's invoker keeps stem cells of a kind and a size, a
zygote is kept here for each set of modules that a deployed action wants preloaded, and a Python container is a copy of
it, made in milliseconds. One activation at a time in each, as with a concurrency limit of one.
"""
