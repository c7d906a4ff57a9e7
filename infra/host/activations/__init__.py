"""Activations: the controller's dispatch and the activation store of OpenWhisk. Calls and fires in, records out.

The real ones pass through Kafka, and records end in CouchDB or Elasticsearch. Here a call goes straight to the pool, so
a full pool is a 429 at once instead of a queue that grows. Records are written behind, in batches: a crash loses the
last of them, as OpenWhisk's own store may. Quotas are counted by the minute of the clock, as there.
"""
