"""One deployment: what is recorded of it, its secrets, what its services must hold, and how it starts and ends."""
