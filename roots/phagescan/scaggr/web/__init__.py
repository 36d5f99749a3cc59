"""The pages, and what receives uploads."""
