"""Actions, triggers, rules and packages: OpenWhisk's entity model and its CouchDB. Documents in, entities out.

All of them are in memory and in one SQLite file, written before they are acknowledged. There are no revisions and no
conflicts to resolve, because one event loop makes every change, one at a time; a 409 is only ever about a name.
"""
