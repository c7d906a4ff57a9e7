"""What people would use instead: task queues behind MinIO's webhook, calling the very code of `classify` and `store`.

Each is set up as its own documentation would have it for tasks that must not be lost. The packages are in the extra
`bench`; nothing but `pixwhisk bench --peers` needs them.
"""
