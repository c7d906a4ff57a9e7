"""The embedded OpenWhisk: one process for its controller, invoker, alarms and stores. Bundles in, activations out."""
