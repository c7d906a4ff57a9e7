"""What drives an OpenWhisk the way its clients do."""
