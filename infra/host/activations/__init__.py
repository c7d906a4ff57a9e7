"""Activations: the controller's dispatch and the activation store of OpenWhisk. Calls and fires in, records out.

The real ones pass through Kafka and CouchDB. Here a call goes straight to the pool, and records are written behind:
a crash loses the last of them, as OpenWhisk's own store may.
"""
