"""The embedded OpenWhisk: one process for its controller, invoker, alarms and stores. Bundles in, activations out.

It answers as OpenWhisk's API does, so that the same clients, zips and manifest work on both, and it is no kinder: at
most once, throttled, bounded. It is smaller: one event loop instead of Kafka, CouchDB and several controllers,
processes of this machine instead of Docker containers, a few namespaces with keys of their own instead of subjects.

    __main__ > api > assembly > alarms > activations > entities > containers > names, auth, json_bodies, calls, errors

Each package knows only those to its right, and none of them knows what it runs.
"""
