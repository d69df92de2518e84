"""Middleware that many applications want and the core does without; each module offers one kind."""
