"""What OpenWhisk runs: `classify` turns objects into outcomes, `store` turns outcomes into rows, `view` shows them."""
