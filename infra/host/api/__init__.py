"""The REST API: what is nginx and the controller's routes in OpenWhisk. HTTP requests in, its JSON and its errors out.

The words of a refusal are OpenWhisk's own, for clients match on some. It differs where a controller would ask others:
there is one process, so nothing is balanced, and web actions need no other front door. On loopback it answers web
requests only under loopback's names, which no OpenWhisk does, since none is reachable from every page in a browser.
"""
