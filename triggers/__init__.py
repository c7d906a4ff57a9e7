"""What makes the actions run: the feed that subscribes a bucket, and the sweep that runs what is pending."""
