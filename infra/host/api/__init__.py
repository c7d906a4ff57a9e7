"""The REST API: what is nginx and the controller's routes in OpenWhisk. HTTP requests in, its JSON and its errors out.

There is one process, so nothing is balanced between controllers, and web actions need no other front door.
"""
