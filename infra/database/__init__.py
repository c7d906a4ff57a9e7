"""The results database as operators see it: brought to the newest schema, and asked for rows and counts."""
