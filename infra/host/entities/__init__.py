"""Actions, triggers, rules and packages: OpenWhisk's entity model and its CouchDB. Documents in, entities out.

All of them are in memory and in one SQLite file, written before they are acknowledged; there are no revisions, because
one event loop makes every change.
"""
