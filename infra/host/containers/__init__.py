"""Containers: OpenWhisk's invoker. Calls in, what the action's process answered and logged out.

A container is a local process that serves the same proxy as the image, confined by the kernel instead of by Docker.
"""
