"""One deployment: what is recorded of it, its secrets, what its services must hold, and how it starts and ends.

`establish` alone makes secrets and directories, when `up` begins; everything else here reads them.
"""
