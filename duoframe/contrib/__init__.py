"""What many applications want and the core does without; each module is imported by who uses it, and only then."""
