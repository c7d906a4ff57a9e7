"""What the actions run on: runtime, host, services, model, deployment and the command line."""
